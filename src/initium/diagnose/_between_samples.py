"""Attentions among the samples, rows that a view cut from several, and pools over samples that come back: parts of ``batch-axis``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._softmax_axis import makers
from initium.network import RECURRENT, cut_rows, pooled_back, transposed
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def turned(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for the attentions that take samples for positions."""
    found = transposed(network, signal.samples)
    if not found:
        return
    shape = found[0][1]
    yield Finding(
        code="batch-axis",
        severity="error",
        layers=makers(network, signal, found),
        message=f"{several(len(found), 'attention')} of the samples among each other: scores of shape {shape} weigh the {shape[-1]} samples of the "
        "batch, at each position by itself.",
        measured=float(shape[-1]),
        expected=float(shape[0]),
        cause="the batch's first axis is read as that of the positions (nn.MultiheadAttention and nn.TransformerEncoderLayer take positions "
        "first, unless batch_first=True), and each sample has an answer of its own.",
        cure="Make it with batch_first=True, or transpose what it reads: x.transpose(0, 1).",
        remedy=Code("layer = torch.nn.MultiheadAttention(width, heads, batch_first=True)"),
    )


def cut(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for the first operation along steps or keys of several samples: an error of a recurrent layer, whose rows are the batch."""
    found = cut_rows(network, signal.samples)
    if found is None:
        return
    node, op, shape = found
    yield Finding(
        code="batch-axis",
        severity="error" if op in RECURRENT else "warning",
        layers=_from(network, node),
        message=f"{op} goes along numbers of several samples as along those of one: what it reads, of shape {shape}, has an axis as long as the batch, "
        f"{signal.samples}, which is not that of the samples.",
        measured=float(signal.samples),
        expected=1.0,
        cause="a view (view, reshape) stands in the place of a transposition: it moves no number, it only counts them in another way.",
        cure="Let axes change places by transpose or permute: x.transpose(0, 1).",
        remedy=Code("x = x.transpose(0, 1)  # samples, steps, features to steps, samples, features"),
    )


def pooled(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for the first pool over the samples that is joined to each of them."""
    found = pooled_back(network, signal.samples)
    if found is None:
        return
    node, op, shape = found
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=_from(network, node),
        message=f"{op.removeprefix('linalg_vector_')} goes over the {signal.samples} samples of {shape}, and what it gives comes back into each of them.",
        measured=float(signal.samples),
        expected=1.0,
        cause="it was given the axis of the samples (dim=0, or another letter of an einsum) for that of the positions or features: what is answered "
        "to a sample depends on who else is in the batch.",
        cure="Let it go over an axis of one sample: h.mean(1, keepdim=True), torch.nn.functional.normalize(h, dim=-1), "
        "einsum('bqd,bkd->bqk', q, k).",
        remedy=Code("context = h.mean(dim=1, keepdim=True)"),
    )


def _from(network: Network, node: str) -> tuple[str, ...]:
    """The weight that an operation has, or the first one behind it."""
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    places = {each.name: place for place, each in enumerate(nodes)}
    return tuple(use.name for use in network.uses if places.get(use.node, -1) >= places[node])[:1]
