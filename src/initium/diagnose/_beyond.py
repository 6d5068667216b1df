"""When no chain can be judged: a fall or a rise between the two ends of a network that no design has.

Gates, recurrent sums and products of two signals end a chain (:mod:`._links`), and what is beyond them has no predicted
slope. One thing still tells: the largest gradient in the first quarter of the uses against the largest in the last. The
largest of each, because a branch may be as faint as its designer wants (LayerScale, nested, makes 1e-17) while the stream
beside it carries a gradient to the first layer.

Limit: 1e12, some eps^-2 of float32 short: a step that suits one end is beyond rounding at the other, nearly twice over. It
is empirical; no library model of a hundred at its own start is beyond it. Fewer than eight uses are not judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._because import LSUV
from initium.diagnose._figures import shown
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.records import Signal, SignalRow

_WIDEST, _FEWEST = 1e12, 8


def check(signal: Signal) -> Iterator[Finding]:
    """At most one finding: no gradient anywhere, or one that differs beyond measure."""
    rows = [row for row in signal.rows if row.finite]
    if rows and all(row.grad_rms == 0 for row in rows):
        yield _none(rows)
    quarter = len(rows) // 4
    if len(rows) < _FEWEST:
        return
    early, late = (max(part, key=lambda row: row.grad_rms) for part in (rows[:quarter], rows[-quarter:]))
    low, high = sorted((early.grad_rms, late.grad_rms))
    if low > 0 and high > _WIDEST * low:
        yield _finding(late, early)


def _none(rows: list[SignalRow]) -> Finding:
    smallest = min(row.out_rms for row in rows)
    return Finding(
        code="vanishing-gradient",
        severity="error",
        layers=tuple(dict.fromkeys(row.name for row in rows)),
        message="No gradient reaches the output of any weight.",
        measured=0.0,
        expected=1.0,
        cause=f"between the loss and the last weight the gradient is lost, or it is below the smallest number of its dtype; "
        f"the smallest signal is {shown(smallest)}.",
        cure="Rescale the weights on real data, or normalise the signal between the steps.",
        fix=LSUV,
    )


def _finding(start: SignalRow, end: SignalRow) -> Finding:
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
        cure="Rescale the weights on real data, or normalise the signal between the steps.",
        fix=LSUV,
    )
