"""When no chain can be judged: a fall or a rise between the ends of a network that no design has.

Gates, residual and recurrent sums and products of two signals end a chain (:mod:`._links`), and what is beyond them has no
predicted slope. Two things still tell. The largest hidden signal against the largest in the first quarter of the uses: a
residual stream whose branches are as large as itself doubles its variance with every block. And the largest gradient in
the first quarter against the largest in the last. The largest of each, because a branch may be as faint as its designer
wants (LayerScale, nested, makes 1e-17) while the stream beside it carries a gradient to the first layer.

Limits: 1000 for the signal, where it ends above 1, at which one step of a usual size overshoots (:mod:`._slopes` for the measure). 1e12 for the
gradient, some eps^-2 of float32 short: a step that suits one end is beyond rounding at the other, nearly twice over. Both
are empirical: of the library models at their own start none is beyond a tenth of the first, or beyond the second. Fewer than
eight uses have no quarters: of those the signal is judged against the first use. A weight's own gradient, which sums the steps
inside a fused recurrent operation, is judged against the last weight's, by the same limit,
or by the signal's where its gain is above 2 as well.

One weight that is used again and again, eight times or more, is a product of powers: its gradient's parts at all uses are
added, so that the first steps alone are learned where the gradient grows on its way back. A thousandfold rise from the last use
to the first, by the measure of the signal, is an error (Pascanu, Mikolov & Bengio 2013, section 2.1). On a stream that others
read behind a norm, a gradient falls as the stream has grown, and no step is lost by that: there the gradient counts times the
signal, which no size of the stream changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._constant import constant
from initium.diagnose._figures import shown
from initium.diagnose._large_bias import drowning
from initium.diagnose._links import links
from initium.diagnose._words import LSUV, TEXTBOOK
from initium.network import ways_back
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal, SignalRow

_HIGHEST, _WIDEST, _FEWEST = 1e3, 1e12, 8
# Of a recurrent matrix: twice the gain at which a linear recurrence keeps its size.
_LARGE = 2.0
_CURE = "Rescale the weights on real data, or normalise the signal between the steps."


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """At most one finding of the signal, and one of the answer or the gradient: none anywhere, or one that differs beyond measure."""
    # What a table that drowns the signal adds to it is no growth of the signal.
    told = "large-bias" if drowning(signal) else ""
    yield from _signal([link for link in links(network, signal) if link.row.finite], told)
    again = _again(signal, _renewed(network))
    if again is not None:
        yield again
        return
    rows = [row for row in signal.rows if row.finite]
    lost = bool(rows) and all(row.weight_grad_norm == 0 for row in rows) and not _unseen(network)
    same = (
        constant(network, signal) if not lost or rows[-1].grad_rms > 0 else None
    )  # else it is lost behind the last weight
    if same is not None:
        yield same
    elif lost:
        yield _none(rows)
    largest = max(rows, key=lambda row: row.weight_grad_norm, default=None)
    gates = {use.name for use in network.uses if use.layout == "gates"}
    wild = largest is not None and largest.name in gates and largest.weight_rms * math.sqrt(largest.fan_in) > _LARGE
    widest = _HIGHEST if wild else _WIDEST
    if largest is not None and largest.weight_grad_norm > widest * rows[-1].weight_grad_norm > 0:
        yield _weights(rows[-1], largest)
        return
    quarter = len(rows) // 4
    if len(rows) < _FEWEST:
        return
    early, late = (max(part, key=lambda row: row.grad_rms) for part in (rows[:quarter], rows[-quarter:]))
    low, high = sorted((early.grad_rms, late.grad_rms))
    if low > 0 and high > _WIDEST * low:
        yield _gradient(late, early)


def _signal(every: list[Link], told: str) -> Iterator[Finding]:
    hidden = [link for link in every if link.hidden]
    if len(hidden) < 2:  # noqa: PLR2004 - a first and a later one
        return
    early = max(hidden[: max(1, len(hidden) // 4)], key=lambda link: link.row.out_std)
    peak = max(hidden, key=lambda link: link.row.out_std)
    grown = peak.row.out_std >= _HIGHEST * early.row.out_std > 0
    if not grown or peak.row.out_std <= 1:  # from a faint table to the usual size is no explosion
        return
    total = peak.row.out_std / early.row.out_std
    steps = hidden.index(peak) - hidden.index(early)  # the early ones hold no peak, so it lies behind them
    yield Finding(
        code="exploding-signal",
        severity="error",
        layers=(early.use.name, peak.use.name),
        message=f"The signal grows from std {shown(early.row.out_std)} at `{early.use.name}` to {shown(peak.row.out_std)} at "
        f"`{peak.use.name}`.",
        measured=total,
        expected=1.0,
        cause=f"sums, gates or products stand between these uses, so that no slope is predicted for them; over {steps + 1} "
        f"weights the signal is multiplied by {shown(total)}, {shown(math.exp(math.log(total) / steps))} a weight.",
        cure="Make the last weight of each branch small (zero, or 1 / sqrt(branches)), or normalise what a branch reads; "
        "or rescale the weights on real data.",
        remedy=LSUV,
        part_of=told,
    )


def _renewed(network: Network) -> frozenset[str]:
    """The weights that add to a stream that a branch reads behind a norm."""
    streams = [(use, use.residual) for use in network.uses if use.residual and use.residual.stream]
    behind = {place.stream.number for _, place in streams if place.norm_first and place.stream}
    return frozenset(use.name for use, place in streams if place.stream and place.stream.number in behind)


def _rise(rows: list[SignalRow], *, renewed: bool) -> float:
    """By what the gradient grows from the last use back to the first, the size of a stream that norms renew left out."""
    first, last = rows[0], rows[-1]
    sizes = first.out_rms / last.out_rms if renewed and last.out_rms > 0 else 1.0
    return sizes * first.grad_rms / last.grad_rms


def _again(signal: Signal, renewed: frozenset[str]) -> Finding | None:
    """The weight through whose uses the gradient grows most, if that is beyond measure."""
    uses: dict[str, list[SignalRow]] = {}
    for row in signal.rows:
        uses.setdefault(row.name, []).append(row)
    grown = [
        (_rise(rows, renewed=name in renewed), rows)
        for name, rows in uses.items()
        if len(rows) >= _FEWEST and all(row.finite for row in rows) and rows[-1].grad_rms > 0
    ]
    # Where a sum feeds several of them the gradient is one: the last is what the others are added to.
    total, rows = max(grown, key=lambda each: (each[0], each[1][0].fan_in), default=(0.0, []))
    if total <= _HIGHEST:
        return None
    first, last, steps = rows[0], rows[-1], len(rows) - 1
    return Finding(
        code="exploding-gradient",
        severity="error",
        layers=(first.name,),
        message=f"The gradient grows through the {len(rows)} uses of `{first.name}`: from {shown(last.grad_rms)} at the last to "
        f"{shown(first.grad_rms)} at the first.",
        measured=total,
        expected=1.0,
        cause=f"one weight multiplies again and again, by {shown(math.exp(math.log(total) / steps))} a use on the way back; the "
        "first steps make nearly all of its gradient.",
        cure="Give a recurrent weight an orthogonal start of gain 1, or normalise between the steps.",
        remedy=TEXTBOOK,
    )


def _unseen(network: Network) -> bool:
    """Whether gradients may pass that the graph has not: some step there has a backward of its own that no walk can run."""
    return bool(ways_back(network).missed)


def _none(rows: list[SignalRow]) -> Finding:
    smallest = min(row.out_rms for row in rows)
    return Finding(
        code="vanishing-gradient",
        severity="error",
        layers=tuple(dict.fromkeys(row.name for row in rows)),
        message="No weight gets a gradient.",
        measured=0.0,
        expected=1.0,
        cause=f"between the loss and the last weight the gradient is lost (a scale of zero, a step), or it is below the smallest "
        f"number of its dtype; the smallest signal is {shown(smallest)}.",
        cure="Start every weight and every scale of a normalisation at its usual size.",
        remedy=TEXTBOOK,
    )


def _weights(last: SignalRow, largest: SignalRow) -> Finding:
    total = largest.weight_grad_norm / last.weight_grad_norm
    return Finding(
        code="exploding-gradient",
        severity="error",
        layers=(largest.name, last.name),
        message=f"The gradient of `{largest.name}` has norm {shown(largest.weight_grad_norm)}, that of `{last.name}`, the last "
        f"weight, {shown(last.weight_grad_norm)}.",
        measured=total,
        expected=1.0,
        cause=f"inside `{largest.op}` or between the two the gradient is multiplied again and again: a factor of "
        f"{shown(total)} is beyond any design.",
        cure="Give recurrent weights an orthogonal start of gain 1; rescale the others on real data, or normalise between the steps.",
        remedy=TEXTBOOK,
    )


def _gradient(start: SignalRow, end: SignalRow) -> Finding:
    total = end.grad_rms / start.grad_rms
    return Finding(
        code="vanishing-gradient" if total < 1 else "exploding-gradient",
        severity="error",
        layers=tuple(dict.fromkeys((start.name, end.name))),
        message=f"The gradient {'falls' if total < 1 else 'grows'} on its way back from {shown(start.grad_rms)} at "
        f"`{start.name}` (use {start.use}) to {shown(end.grad_rms)} at `{end.name}` (use {end.use}).",
        measured=total,
        expected=1.0,
        cause="gates, products or recurrent sums stand between these uses, so no slope is predicted for them; a factor "
        f"of {shown(max(total, 1 / total))} is beyond any design: the factors of the steps between multiply.",
        cure=_CURE,
        remedy=LSUV,
    )
