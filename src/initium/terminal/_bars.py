"""Figures as bars on a logarithmic scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic axis.

    Attributes:
        low: The power of ten at the left end.
        high: The power of ten at the right end.

    Example:
        >>> Scale(-2, 0).share(0.1)
        0.5
    """

    low: int
    high: int

    def share(self, value: float) -> float:
        """Where a positive value lies: 0 at the left end, 1 at the right one."""
        place = (math.log10(value) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, place))


def scales(columns: Iterable[Iterable[float]], fewest: int = 3) -> list[Scale]:
    """One axis a column, all of one length, so that slopes compare; flat figures do not fill an axis with noise.

    Args:
        columns: The figures; what is not positive and finite has no place.
        fewest: The least number of powers of ten.

    Returns:
        The axes, each up to the power of ten above its largest figure.

    Example:
        >>> scales([[1.0, 2.0], [1e-6, 1e-2]])
        [Scale(low=-4, high=1), Scale(low=-7, high=-2)]
    """
    powers = [[math.log10(value) for value in column if 0 < value < math.inf] or [0.0] for column in columns]
    highs = [math.ceil(max(column) - 1e-9) for column in powers]
    # A column whose least figure would have no bar at all gets a little more.
    lows = [math.floor(min(column) - 0.1) for column in powers]
    length = max(fewest, *(high - low for high, low in zip(highs, lows, strict=True)))
    return [Scale(high - length, high) for high in highs]


def bar(value: float, scale: Scale, width: int, *, ascii_only: bool = False) -> str:
    """A figure as a bar.

    Args:
        value: The figure; zero and less have no bar, what is not finite fills the row with marks.
        scale: The axis.
        width: Columns.
        ascii_only: True for ``#`` in place of blocks.

    Returns:
        The bar, as wide as it is long.

    Example:
        >>> bar(0.1, Scale(-2, 0), 5)
        '██▌'
    """
    if not math.isfinite(value):
        return "!" * width
    if value <= 0:
        return ""
    eighths = max(1, round(8 * width * scale.share(value)))
    if ascii_only:
        return "#" * max(1, round(eighths / 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
