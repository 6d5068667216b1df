"""``batch-axis``: a recurrent layer or an attention takes the samples for steps, or a view stands in the place of a transposition.

Theory: ``nn.RNN``, ``nn.LSTM`` and ``nn.GRU`` read (steps, samples, features) unless they are made with ``batch_first=True``. Of a
batch of shape (samples, steps, features) they then run along the samples: the state goes from one sample to the next, the
order of the steps is never seen, and what is taken for the last step is one position of every sample.

A view cuts the same row of numbers in another way, whichever axis comes first: of the last states of a recurrent layer, (directions,
samples, units), ``h.view(samples, -1)`` lays the states of two samples side by side, and what reads them answers one from another.

Limits: exact. The operation runs along an axis as long as the batch, over two positions or more at once, and the target is one
number for each sample. An error. Likewise attentions whose keys are the samples, at each of several positions; a
recurrent layer whose rows, as many as the samples, a view cut from several of them (a warning of an attention, a mean, a place that is taken); and a weight that sums over numbers of different samples, with the samples followed from the
batch's first axis through views, transpositions, products and layers. And a warning where a view of data gives three of its sizes or more in
another order, of rows that do not lie whole in each other (an image of (rows, columns, 3 channels), viewed as (3, rows, columns)); and, around an attention,
(steps, heads * width) viewed as (heads, steps, width).
A warning where what is pooled over the samples, with positions apart, or summed over them by an einsum, comes back into each, and where a value is divided by its norm over the samples;
and where a mean, a sum, a norm or a std that was given no axis goes over the samples with all else, and its number comes back into
each, or a LayerNorm's shape holds the samples, in a network that sums over no rows.
An error where a cross-entropy takes rows of scores that lie step by step beside targets that lie sample by sample. Rows that are taken for the steps of one sequence, 30 and more, are a warning where neither what comes in nor the target has an
autocorrelation beyond chance (4 standard deviations; Box & Pierce 1970).

Not a fault: what normalises by the batch (a mean that is subtracted, a spread); rows without positions that are pooled, members of one set or nodes of one graph;
frames of several clips, fewer than the frames; steps first, where the target has as many numbers as the second axis; one long sequence with an answer for each step,
which has no other axis, and whose values say something of the next; samples of which each has an answer a step, since nobody can tell which axis is which.

Example:
    >>> import torch, initium
    >>> class Last(torch.nn.Module):
    ...     def __init__(self, first):
    ...         super().__init__()
    ...         self.steps, self.head = torch.nn.LSTM(8, 32, batch_first=first), torch.nn.Linear(32, 4)
    ...
    ...     def forward(self, x):
    ...         return self.head(self.steps(x)[0][:, -1])
    >>> batch, loss = torch.randn(64, 20, 8), torch.nn.functional.cross_entropy
    >>> initium.diagnose(Last(False), initium.Batch((batch,), target=torch.arange(64) % 4), loss).findings[0].code
    'batch-axis'
    >>> initium.diagnose(Last(True), initium.Batch((batch,), target=torch.arange(64) % 4), loss).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._between_samples import cut, pooled, turned
from initium.diagnose._figures import several
from initium.network import lost, mixed, order_of, over_all, recurred, recut, rows_for_steps
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all recurrent layers that run along the samples, else one for weights that sum over samples, else one for views."""
    found = recurred(network, signal.samples) if signal.singly else ()
    if not found:
        beside = (
            (signal.singly and (tuple(turned(network, signal)) or tuple(cut(network, signal))))
            or tuple(_rows_crossed(network, signal))
            or tuple(_side_by_side(network, signal))
            or tuple(_lost(network, signal))
            or tuple(_laid_along(signal))
            or tuple(_shared(network, signal))
            or (signal.singly and tuple(pooled(network, signal)))
        )
        yield from beside or tuple(_one_sequence(network, signal)) or _cut_anew(network)
        return
    nodes = {name for name, _ in found}
    layers = tuple(dict.fromkeys(use.name for use in network.uses if use.node in nodes))
    op, shape = next(use.op for use in network.uses if use.node in nodes), found[0][1]
    yield Finding(
        code="batch-axis",
        severity="error",
        layers=layers,
        message=f"{several(len(found), 'recurrent layer')} run along the {signal.samples} samples of the batch: {op} reads {shape} as "
        f"{shape[0]} steps of {shape[1]} samples.",
        measured=float(shape[0]),
        expected=float(shape[1]),
        cause="it takes steps first, and samples come first (batch_first=True was left out): the state goes from sample to sample.",
        cure="Make it with batch_first=True, or transpose what it reads: x.transpose(0, 1).",
        remedy=Code("layer = torch.nn.LSTM(features, width, batch_first=True)"),
    )


def _rows_crossed(network: Network, signal: Signal) -> Iterator[Finding]:
    """Rows of scores that go step by step beside targets that go sample by sample."""
    classes = signal.classes or 0
    order = order_of(network, signal.samples) if signal.rows_each > 1 else 0
    if not order or order == signal.rows_each * classes or order != classes:
        return
    heads = tuple(dict.fromkeys(use.name for use in network.uses if use.head))
    yield Finding(
        code="batch-axis",
        severity="error",
        layers=heads,
        message=f"The {signal.samples * signal.rows_each} rows of scores go step by step, {signal.samples} samples at each, and the targets beside them "
        f"sample by sample, {signal.rows_each} of each: they are compared crosswise.",
        measured=1.0,
        expected=float(signal.rows_each),
        cause="steps come first in what was flattened (batch_first=False, a transposition before), and samples in the target: row i of one is not row "
        "i of the other.",
        cure="Bring the samples first, then flatten: scores.transpose(0, 1).reshape(-1, classes).",
        remedy=Code("scores = scores.transpose(0, 1).reshape(-1, classes)"),
    )


def _one_sequence(network: Network, signal: Signal) -> Iterator[Finding]:
    found = rows_for_steps(network, signal.samples) if signal.singly and signal.unordered else ()
    if not found:
        return
    nodes = {name for name, _ in found}
    shape = found[0][1]
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=tuple(dict.fromkeys(use.name for use in network.uses if use.node in nodes)),
        message=f"The {signal.samples} rows of the batch are taken for the steps of one sequence (of shape {shape}), and they follow each other "
        "as shuffled samples do.",
        measured=float(signal.samples),
        expected=1.0,
        cause="a table of (samples, features) goes in as it is, or with an axis of one sample put before it: the state goes from sample to sample, "
        "and no column says anything of its next row.",
        cure="Give each sample an axis of steps: x[:, None] with batch_first=True; or a layer without steps, where there are none.",
        remedy=Code("states, _ = lstm(x[:, None])  # (samples, 1 step, features), batch_first=True"),
    )


def _side_by_side(network: Network, signal: Signal) -> Iterator[Finding]:
    sums = mixed(network, signal.samples).sums if signal.singly else {}
    layers = tuple(dict.fromkeys(use.name for use in network.uses if use.node in sums))
    if not layers:
        return
    shape = next(sums[use.node] for use in network.uses if use.node in sums)
    yield Finding(
        code="batch-axis",
        severity="error",
        layers=layers,
        message=f"`{layers[0]}` reads numbers of several samples as those of one: in what it takes for {shape} samples lie side by side.",
        measured=float(signal.samples),
        expected=1.0,
        cause="a view (view, reshape, flatten) cut a value in which the samples are not the first axis: it moves no number, it only counts "
        "them in another way.",
        cure="Bring the samples first, then flatten: h.transpose(0, 1).reshape(samples, -1).",
        remedy=Code("h = h.transpose(0, 1).flatten(1)"),
    )


def _lost(network: Network, signal: Signal) -> Iterator[Finding]:
    found = lost(network, signal.samples) if signal.singly else None
    if found is None:
        return
    op, shape, axis = found
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=(),
        message=f"No answer knows its sample: on every way {op} goes over the {signal.samples} samples of the batch (axis {axis} of {shape}).",
        measured=float(axis),
        expected=1.0,
        cause="it takes one sample of them, or reduces all to one, and what comes out, as long as the batch by chance, is of something else (the steps).",
        cure="Let it go over the steps: out[:, -1] of a layer with batch_first=True, h.mean(1); or bring the steps first, h.transpose(0, 1).",
        remedy=Code("h = out[:, -1]"),
    )


def _laid_along(signal: Signal) -> Iterator[Finding]:
    tables = tuple(dict.fromkeys(row.name for row in signal.added if row.along == 0)) if signal.singly else ()
    if not tables:
        return
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=tables,
        message=f"The table `{tables[0]}` is added by sample: its rows go with the {signal.samples} samples of the batch, and are the same for all "
        "positions of one.",
        measured=0.0,
        expected=1.0,
        cause="it was written for positions that come first (x.size(0) rows of shape (1, features)), and samples come first.",
        cure="Let its rows go with the positions: x + table[: x.size(1)].transpose(0, 1).",
        remedy=Code("x = x + table[: x.size(1)].transpose(0, 1)"),
    )


def _shared(network: Network, signal: Signal) -> Iterator[Finding]:
    found = over_all(network, signal.samples) if signal.singly else None
    if found is None:
        return
    op, shape = found
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=(),
        message=f"A {op.removeprefix('linalg_vector_')} goes over all of {shape}, the {signal.samples} samples too, and its one number comes back into each of them.",
        measured=float(signal.samples),
        expected=1.0,
        cause="it was given no axis, or all of them: what is answered to a sample depends on who else is in the batch, and is another at another size.",
        cure="Name the axes of one sample, and keep them: x.mean(1, keepdim=True), torch.nn.functional.normalize(x, dim=-1), "
        "F.layer_norm(x, x.shape[1:]).",
        remedy=Code("x = x - x.mean(dim=-1, keepdim=True)"),
    )


def _cut_anew(network: Network) -> Iterator[Finding]:
    found = recut(network)
    if not found or network.trace is None:
        return
    first, (before, after) = next(iter(found.items()))
    places = {node.name: place for place, node in enumerate(network.trace.graph.graph.nodes)}
    behind = [use.name for use in network.uses if places.get(use.node, 0) > places[first]]
    yield Finding(
        code="batch-axis",
        severity="warning",
        layers=tuple(behind[:1]),
        message=f"{several(len(found), 'view')} of what has other axes: {before} is viewed as {after}, which puts its axes in another order.",
        measured=float(len(found)),
        expected=0.0,
        cause="a view (view, reshape) moves no number: what it calls a row of one axis is cut from several of another, and neighbours in space "
        "or time are none any more.",
        cure="Let axes change places by permute or transpose.",
        remedy=Code("x = x.permute(0, 3, 1, 2)  # rows, columns, channels to channels, rows, columns"),
    )
