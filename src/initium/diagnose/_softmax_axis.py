"""``softmax-axis``: a softmax goes over the samples, so that they compete with each other.

Theory: the weights of an attention are to sum to 1 over the keys of one query. Over the first axis they sum to 1 over the
batch: what one sample attends to depends on who else is in the batch, shrinks as the batch grows, and is 1 throughout for
a batch of one.

Limits: exact. A softmax over the first axis, as long as the batch, of three axes or more, that a product of matrices takes
sample by sample; one over the first axis of the answer, of two axes, four or five; and, where the target is one number for each sample, any softmax on the axis of the samples, which is
followed from the batch's first axis through views, transpositions and layers; and the answer's, where a likelihood is taken along another axis. One on the way over the one unit that a weight gives is a warning. So is one that the loss takes of the answer over the only axis as long as the target. An error. Where no sample need be involved, scores of
three axes or more, products of two signals, whose softmax goes over another axis than that along which a product of matrices
sums what it weighs: a warning.

Not a fault: a softmax over nodes of one graph or members of one set, which has no axis of samples; over time in a layout
of time first, where no batched product follows; shares that are divided by their sum over the keys (slot attention), or that weigh
what made the scores (capsules).

Example:
    >>> import torch, initium
    >>> class Attention(torch.nn.Module):
    ...     def __init__(self, axis):
    ...         super().__init__()
    ...         self.q, self.k, self.v = (torch.nn.Linear(64, 64) for _ in range(3))
    ...         self.axis = axis
    ...
    ...     def forward(self, x):
    ...         return (self.q(x) @ self.k(x).mT / 8).softmax(self.axis) @ self.v(x)
    >>> batch = torch.randn(16, 20, 64)
    >>> initium.diagnose(Attention(0), batch).findings[0].code
    'softmax-axis'
    >>> initium.diagnose(Attention(-1), batch).healthy
    True
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from initium.diagnose._double_softmax import SOFTMAXES, head_of
from initium.diagnose._figures import several
from initium.diagnose._links import links
from initium.network import across_samples, beside_keys, ending, mixed, over_one
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Ending, Network
    from initium.records import Signal

_MATRIX = 2
_IMAGES = (4, 5)  # of three axes the first may be that of steps
_KEYS = (
    "what is to be weighed",
    "the weights of one sample then depend on the other samples, and do not sum to 1 over its keys.",
    "Let it go over the keys: softmax(dim=-1) of queries by keys.",
)
_CLASSES = (
    "the classes",
    "the answers to one sample then depend on the other samples, and the chances of its classes do not sum to 1.",
    "Let it go over the last axis, dim=-1; before F.cross_entropy leave it out.",
)


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for the softmaxes over samples on the way, one for the answer's."""
    end = ending(network)
    if end is not None and _over_the_batch(end):
        yield _finding(head_of(links(network, signal)), "The softmax at the model's end", end.shape, _CLASSES)
    elif end is not None and aside(end, signal):
        yield _aside(end, head_of(links(network, signal)))
    if signal.misfit == "over samples":
        told = _finding(head_of(links(network, signal)), "A softmax in the loss", (), _CLASSES)
        yield replace(told, message="A softmax in the loss goes over the samples of the batch, not over the classes.")
    yield from _constant(network)
    found = across_samples(network) or _followed(network, signal)
    if found:
        yield _finding(makers(network, signal, found), f"{len(found)} softmax on the way", found[0][1], _KEYS)
    beside = () if found else beside_keys(network)
    if beside:
        yield _beside(makers(network, signal, beside), len(beside), beside[0][1])


def aside(end: Ending, signal: Signal) -> bool:
    """Whether a likelihood is taken of what a softmax made, over another axis than that of the classes, along which it is none."""
    return end.op in SOFTMAXES and signal.misfit == "no softmax" and len(end.shape) > _MATRIX


def _aside(end: Ending, layers: tuple[str, ...]) -> Finding:
    return Finding(
        code="softmax-axis",
        severity="error",
        layers=layers,
        message=f"The {end.op.removeprefix('_')} at the model's end goes over axis {end.axis} of {end.shape}, and the loss takes another for that of "
        "the classes.",
        measured=float(end.axis),
        expected=float(len(end.shape) - 1),
        cause="along the axis of the classes its chances do not sum to 1; without dim torch takes the first axis of three.",
        cure="Let it go over the classes: dim=-1, before any transposition; or return the scores and take F.cross_entropy.",
        remedy=Code("return torch.nn.functional.log_softmax(scores, dim=-1)"),
    )


def _constant(network: Network) -> Iterator[Finding]:
    """One for the softmaxes over the one unit of a weight."""
    found = over_one(network)
    if not found:
        return
    makers = {maker for _, maker, _ in found}
    yield Finding(
        code="softmax-axis",
        severity="warning",
        layers=tuple(dict.fromkeys(use.name for use in network.uses if use.node in makers)),
        message=f"{several(len(found), 'softmax')} on the way over the one unit that a weight, or a sum, gives (shape {found[0][2]}): the constant 1.",
        measured=1.0,
        expected=0.0,
        cause="scores of one unit, (samples, places, 1), are to weigh the places, and the softmax goes over the last axis, which has one element: "
        "every place weighs the same, and the weight that makes the scores gets no gradient.",
        cure="Let it go over the places: scores.softmax(1).",
        remedy=Code("weights = scores.softmax(dim=1)"),
    )


def _followed(network: Network, signal: Signal) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Those on the axis of the samples, followed from the batch, on the way to an answer for each sample.

    The answer's own is left out: shares of one list, of which each sample is an item, are what a ranking asks for.
    """
    end = ending(network)
    own = end.shape if end is not None and end.op in SOFTMAXES and end.axis == 0 else None
    found = mixed(network, signal.samples).softmaxes if signal.singly else {}
    return tuple((name, shape) for name, shape in found.items() if shape != own)


def makers(network: Network, signal: Signal, found: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[str, ...]:
    """The names of the weights that make queries and keys of these."""
    nodes = {name for name, _ in found}
    makers = {
        each for attends in network.attends if attends.node in nodes for each in (*attends.queries, *attends.keys)
    }
    return tuple(dict.fromkeys(link.use.name for link in links(network, signal) if link.use.name in makers))


def _over_the_batch(end: Ending) -> bool:
    over = end.axis == 0 and len(end.shape) in {_MATRIX, *_IMAGES} and end.shape[1] > 1
    return end.op in SOFTMAXES and over and end.shape[0] == end.samples > 1


def _finding(layers: tuple[str, ...], what: str, shape: tuple[int, ...], told: tuple[str, str, str]) -> Finding:
    over, cause, cure = told
    return Finding(
        code="softmax-axis",
        severity="error",
        layers=layers,
        message=f"{what} goes over the batch (axis 0 of {shape}), not over {over}.",
        measured=0.0,
        expected=float(len(shape) - 1),
        cause=cause,
        cure=cure,
        remedy=Code("weights = scores.softmax(dim=-1)"),
    )


def _beside(layers: tuple[str, ...], count: int, shape: tuple[int, ...]) -> Finding:
    return Finding(
        code="softmax-axis",
        severity="warning",
        layers=layers,
        message=f"The softmax of queries by keys goes over an axis along which the values are not summed (shape {shape}, {several(count)}).",
        measured=0.0,
        expected=1.0,
        cause="the shares of one query do not sum to 1: heads, or queries, compete for each key, and what a query gets grows with the number of "
        "keys.",
        cure="Let it go over the keys: softmax(dim=-1) of queries by keys.",
        remedy=Code("weights = scores.softmax(dim=-1)"),
    )
