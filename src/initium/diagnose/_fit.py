"""A slope over depth that one odd layer cannot bend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pairs grow with the square of the depth: of a longer network every k-th layer is taken.
_MOST = 200
_QUANTILE = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Fit:
    """A multiplier a layer.

    Attributes:
        factor: The median multiplier over all pairs of layers.
        low: Lower end of its 95 % confidence interval.
        high: Upper end.
    """

    factor: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.factor:.3g} a layer (95 %: {self.low:.3g} to {self.high:.3g})"


def fit(logs: Sequence[float]) -> Fit:
    """Theil's and Sen's median slope, with Sen's interval from the variance of Kendall's score (Sen 1968, eq. 2.6)."""
    points = list(enumerate(logs))[:: max(1, -(-len(logs) // _MOST))]
    slopes = sorted((b - a) / (j - i) for (i, a), (j, b) in combinations(points, 2))
    n = len(points)
    spread = _QUANTILE * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = slopes[max(0, math.floor((len(slopes) - spread) / 2))]
    high = slopes[min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))]
    return Fit(math.exp(median(slopes)), math.exp(low), math.exp(high))
