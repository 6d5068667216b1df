"""What was found for one piece of a weight, and why there may be no factor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.calibrate._pieces import Piece
    from initium.calibrate._spread import Spread
    from initium.network import Use


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for one piece of a weight.

    Attributes:
        before: Statistic of its output before the factor.
        factor: What it is multiplied by.
        target: What its output was to have.
        note: Why the factor is 1 although the output has another statistic.
        how: How often it was tried, where one sweep does not tell the factor.
    """

    before: float
    factor: float
    target: float
    note: str = ""
    how: str = ""


def found(spread: Spread, target: float) -> Found:
    """The factor, or the reason why there is none."""
    factor = spread.factor(target)
    if spread.constant:
        return Found(
            spread.std, 1.0, target, "its output is constant: zero or constant input, or a zero weight; not divided by"
        )
    if not spread.varies:
        note = "its output is the same for the whole batch: constant input; not divided by"
        return Found(spread.std, 1.0, target, note)
    if factor is None:
        own = math.sqrt(max(spread.bias, 0.0))
        return Found(spread.std, 1.0, target, f"no factor reaches the target: the bias alone has std {own:.4g}")
    return Found(spread.std, factor, target)


def after(before: Mapping[Piece, Found], now: Mapping[Piece, Found]) -> dict[Piece, Found]:
    """What was found from where the factors ``before`` had led, as found from where those began."""
    return {
        piece: replace(before[piece], factor=before[piece].factor * one.factor, note=before[piece].note or one.note)
        if piece in before
        else one
        for piece, one in now.items()
    }


def check_finite(use: Use, largest: float) -> None:
    """Refuses an output that is not finite.

    Raises:
        BatchError: Naming the weight.
    """
    if not math.isfinite(largest):
        raise BatchError(
            f"the output of `{use.name}` ({use.op}) is not finite (its largest magnitude is {largest}). Nothing was "
            "changed. Look for NaN in the weight itself, for an input that its precision cannot hold, or work in float32."
        )
