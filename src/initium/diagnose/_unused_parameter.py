"""``unused-parameter``: trainable parameters that get no gradient at all, which no optimizer will ever change.

Theory: autograd computes a gradient for what the loss depends on by differentiable operations. ``None``, which is another
thing than a gradient of zero, means that no such way exists: the parameter is not used in this forward pass, the loss does
not ask for what it makes, or a ``.detach()`` or ``torch.no_grad()`` lies on every way to the output.

Limits: exact. An error where nothing at all gets a gradient, where the values leave torch on the way (numpy), and where
the whole body is cut off: at least half of the weights, and no weight that learns can see the input but through them. A
warning where a weight is cut off in the middle: weights behind it learn, it never will; and where weights that nothing
reads, and that look forgotten (:mod:`._forgotten`), hold a tenth of all that can be trained: a layer that was made and not
called. A warning too where a loss was given and a matrix, a kernel or a table is among the rest; else an info: scales, tokens for masks,
and whatever the model's own loss leaves out.

A warning too where weights reach the output, or a weight that learns, by way of a choice alone (argmax, a comparison) and a loss
was given: an encoder before a codebook, with no straight-through estimator; where what a weight makes is multiplied by a zero
that stands in the program, on every way to the output, so that its gradient is zero at every step; and where weights that
require a gradient are no parameters of the model (layers in a plain list). So it is where both matrices, or more, of a layer inside a
recurrent operation get a gradient of exactly zero and another layer's do not: nothing reads its states. And where a weight that is used twice and
more reads nothing but zeros that stand in the program.

Not a fault: frozen parameters; a factor that is zero and learned (ReZero); a target network under no_grad beside the one that learns; a codebook behind a
straight-through estimator; parts of another mode, as far as their model's own loss knows; routers that choose by argmax, without
a loss (an info).

Example:
    >>> import torch, initium
    >>> class Cut(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body, self.head = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    ...
    ...     def forward(self, x):
    ...         return self.head(self.body(x).relu().detach())
    >>> initium.diagnose(Cut(), torch.randn(256, 64)).findings[0].code
    'unused-parameter'
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._forgotten import forgotten
from initium.diagnose._links import behind, links, readers
from initium.diagnose._times_zero import times_zero, zero_times
from initium.diagnose._unread_layers import unread_layers
from initium.network import chosen, heedless, severed
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal

_LOOKUP = frozenset({"lookup", "added"})
_SHOWN, _LARGE = 3, 0.1


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for what is multiplied by zero, one for what is cut off, and one for what is merely not used; or one for all."""
    yield from times_zero(network, signal)
    yield from zero_times(network, signal)
    yield from unread_layers(network, signal)
    if network.strays:
        yield _unregistered(network)
    lost = dict.fromkeys(signal.unreached)
    trainable = [facts.name for facts in network.parameters if not (facts.frozen or facts.whole)]
    if not lost:
        return
    if len(lost) < len(trainable) and heedless(network):
        yield _left(signal, tuple(lost))
        return
    if len(lost) == len(trainable):
        yield _nothing(signal, tuple(lost))
        return
    cuts, every = severed(network), links(network, signal)
    cut = _cut(network, every, lost, cuts)
    if cut:
        whole = _whole_body(network, every, lost, cut)
        yield _severed(cut, cuts, "error" if whole else "warning", len({link.use.name for link in every}))
    owners = {_owner(link.use.name) for link in cut}
    rest = tuple(name for name in lost if _owner(name) not in owners)
    by_choice = _chosen(network, every, rest) if signal.loss is not None else ()
    if by_choice:
        yield _by_choice(by_choice)
        rest = tuple(name for name in rest if _owner(name) not in {_owner(each) for each in by_choice})
    if rest:
        yield _unused(network, rest, asked=signal.objective.startswith("loss("))


def _chosen(network: Network, every: tuple[Link, ...], rest: tuple[str, ...]) -> tuple[str, ...]:
    """The weights that lead to the output, or to a weight that learns, by way of a choice alone."""
    weights = {link.facts.name for link in every if link.use.layout not in _LOOKUP and link.use.sources}
    learning = {link.use.node for link in every if link.use.name not in rest and not link.facts.frozen}
    led = chosen(network) | chosen(network, learning)
    return tuple(name for name in rest if name in weights & led)


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


def _cut(network: Network, every: tuple[Link, ...], lost: Iterable[str], cuts: dict[str, str]) -> tuple[Link, ...]:
    """The weights that are cut off while a weight behind them learns."""
    names = set(lost)
    readers_of = readers(network)
    learning = {link.use.node for link in every if link.use.name not in names and not link.facts.frozen}
    return tuple(
        link
        for link in every
        if link.facts.name in names & cuts.keys()
        and link.use.layout not in _LOOKUP
        and link.use.sources
        and not learning.isdisjoint(behind([link.use.node], readers_of))
    )


def _whole_body(network: Network, every: tuple[Link, ...], lost: Iterable[str], cut: tuple[Link, ...]) -> bool:
    """No weight that learns sees the input but through those that are cut off, and these are half of all."""
    names, off = set(lost), {link.use.node for link in cut}
    inputs = {source for use in network.uses for source in use.sources} - {use.node for use in network.uses}
    learning = {link.use.node for link in every if link.use.name not in names and not link.facts.frozen}
    count = len({link.use.name for link in every if not link.facts.frozen})
    return (
        learning.isdisjoint(behind(inputs, readers(network), off)) and 2 * len({link.use.name for link in cut}) >= count
    )


def _nothing(signal: Signal, lost: tuple[str, ...]) -> Finding:
    others = any(row.weight_grad_norm > 0 for row in signal.rows)
    return Finding(
        code="unused-parameter",
        severity="error",
        layers=tuple(dict.fromkeys(row.name for row in signal.rows if row.name in lost)) or lost[:_SHOWN],
        message="No trainable parameter gets a gradient: nothing will be learned.",
        measured=float(len(lost)),
        expected=0.0,
        cause="the output depends on frozen parameters alone, by differentiable operations."
        if others
        else "nothing in the output carries a gradient: it was computed under torch.no_grad(), detached, or turned into whole "
        "numbers (argmax, rounding).",
        cure="Take .detach(), .data, torch.no_grad() and argmax out of forward(); choose and round outside of the model.",
        remedy=Code("with torch.enable_grad():\n    output = model(batch)\nassert output.requires_grad"),
    )


def _left(signal: Signal, lost: tuple[str, ...]) -> Finding:
    return Finding(
        code="unused-parameter",
        severity="error",
        layers=lost[:_SHOWN],
        message=f"No gradient reaches {several(len(lost), 'trainable parameter')}, and nothing of the batch reaches the output by operations "
        "of torch.",
        measured=float(len(lost)),
        expected=0.0,
        cause="on the way the values leave torch (.numpy(), .item(), .tolist(), torch.tensor(...)) and come back as new ones, which know "
        f"nothing of what they were made of ({signal.objective or 'the loss'} sees constants).",
        cure="Compute with torch's own operations all the way through forward().",
        remedy=Code("h = h * 2  # and not torch.tensor(h.detach().numpy() * 2)"),
    )


def _severed(cut: tuple[Link, ...], cuts: dict[str, str], severity: Severity, count: int) -> Finding:
    names = tuple(dict.fromkeys(link.use.name for link in cut))
    by = cuts[cut[-1].facts.name]
    whole = severity == "error"
    return Finding(
        code="unused-parameter",
        severity=severity,
        layers=names,
        message=f"{several(len(names), 'weight')} of {count} never get a gradient, from `{names[0]}` to `{names[-1]}`, though weights "
        f"behind them do{': only what follows them will learn' if whole else ''}.",
        measured=float(len(names)),
        expected=0.0,
        cause=f"{by} stands between `{names[-1]}` and what follows it: the values go on, the gradient does not come back.",
        cure=f"Take the {by} away; or, where these weights are meant to stay as they are, freeze them, so that the program says so.",
        remedy=Code(f'model.get_parameter("{names[0]}").requires_grad_(False)  # only if it is meant to stay as it is'),
    )


def _by_choice(lost: tuple[str, ...]) -> Finding:
    listed = ", ".join(f"`{name}`" for name in lost[:_SHOWN]) + ("" if len(lost) <= _SHOWN else " ...")
    return Finding(
        code="unused-parameter",
        severity="warning",
        layers=lost,
        message=f"{several(len(lost), 'weight')} will never learn: {listed} reach the output by way of a choice alone.",
        measured=float(len(lost)),
        expected=0.0,
        cause="what they make is turned into whole numbers (argmax, top-k, a comparison), through which no gradient passes, and this loss "
        "asks for nothing else of them.",
        cure="Weight what is chosen by its softmax, take F.gumbel_softmax(scores, hard=True), or give the choice a loss of its own.",
        remedy=Code("choice = torch.nn.functional.gumbel_softmax(scores, hard=True)"),
    )


def _unregistered(network: Network) -> Finding:
    shapes = ", ".join(map(str, network.strays[:_SHOWN])) + ("" if len(network.strays) <= _SHOWN else " ...")
    return Finding(
        code="unused-parameter",
        severity="warning",
        layers=(),
        message=f"{several(len(network.strays), 'weight')} that {'want' if len(network.strays) > 1 else 'wants'} a gradient, and no parameter of the model, of shape {shapes}: no optimizer of "
        "model.parameters() will ever change them.",
        measured=float(len(network.strays)),
        expected=0.0,
        cause="layers in a plain list or dict, a layer that is made in forward(), or a tensor that is an attribute: neither .parameters() nor .to() nor .state_dict() sees them.",
        cure="Make layers in __init__, keep them in nn.ModuleList or nn.ModuleDict, and weights as nn.Parameter; freeze what is to stay as it is.",
        remedy=Code("self.layers = torch.nn.ModuleList(layers)"),
    )


def _unused(network: Network, rest: tuple[str, ...], *, asked: bool) -> Finding:
    listed = ", ".join(f"`{name}`" for name in rest[:_SHOWN]) + ("" if len(rest) <= _SHOWN else " ...")
    idle = {facts.name for facts in network.parameters if facts.uses == 0}
    unused = sum(name in idle for name in rest)
    reason = (
        "this forward pass does not use them"
        if unused == len(rest)
        else f"{unused} are not used in this forward pass, and the loss does not depend on what the others make"
        if unused
        else "the loss does not depend on what they make, or only by way of a choice (argmax, a comparison)"
    )
    whole = any(sum(size > 1 for size in facts.shape) > 1 for facts in network.parameters if facts.name in rest)
    sizes = {facts.name: math.prod(facts.shape) for facts in network.parameters if not (facts.frozen or facts.whole)}
    share = sum(sizes.get(name, 0) for name in forgotten(network).intersection(rest)) / max(1, sum(sizes.values()))
    return Finding(
        code="unused-parameter",
        severity="warning" if (asked and whole) or share > _LARGE else "info",
        layers=rest,
        message=f"No gradient reaches {several(len(rest), 'trainable parameter')} of {len(network.parameters)}: {listed}.",
        measured=float(len(rest)),
        expected=0.0,
        cause=f"{reason}.",
        cure="Nothing, where they serve another mode or another loss; else remove them, or freeze them (data-parallel training waits "
        "for every gradient).",
    )
