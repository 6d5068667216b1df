"""One signal of several: the typical one."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import Signal, SignalRow

_SIZES = "out_std out_rms unit_std grad_rms weight_std weight_rms bias_rms bias_median weight_grad_norm weight_grad_mean_abs".split()
# A mean of logarithms is near enough at this standard error, and a signal where all but this share of its figures are.
_ERROR, _UNSURE = 0.07, 0.2
_SHARES = ("out_mean", "dead", "saturated", "distinct")


def typical(signals: Sequence[Signal]) -> Signal:
    """Sizes by their geometric mean, shares and means by their mean; notes and the rest as in the first.

    Raises:
        IndexError: There is none.
    """
    first = signals[0]
    rows = tuple(_typical(each) for each in zip(*(signal.rows for signal in signals), strict=True))
    losses = [signal.loss for signal in signals if signal.loss is not None]
    return replace(
        first,
        rows=rows,
        loss=sum(losses) / len(losses) if losses else None,
        output_finite=all(signal.output_finite for signal in signals),
    )


def settled(signals: Sequence[Signal]) -> bool:
    """True where the geometric means of most sizes of activations and gradients have a standard error that is small."""
    figures = [
        [getattr(row, field) for row in rows]
        for rows in zip(*(signal.rows for signal in signals), strict=True)
        for field in ("out_rms", "grad_rms")
    ]
    positive = [each for each in figures if min(each) > 0 and math.isfinite(sum(each))]
    errors = [stdev(map(math.log, each)) / math.sqrt(len(each)) for each in positive]
    return sum(error > _ERROR for error in errors) <= _UNSURE * len(errors)


def _typical(rows: Sequence[SignalRow]) -> SignalRow:
    sizes = {field: _geometric([getattr(row, field) for row in rows]) for field in _SIZES}
    shares = {field: sum(getattr(row, field) for row in rows) / len(rows) for field in _SHARES}
    return replace(rows[0], **sizes, **shares, finite=all(row.finite for row in rows))


def _geometric(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return values[0]
    if min(values) > 0 and math.isfinite(sum(values)):
        return math.exp(sum(map(math.log, values)) / len(values))
    return sum(values) / len(values)
