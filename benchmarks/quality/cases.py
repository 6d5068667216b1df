"""The laws that are drawn: how, and what the referee says of each. The referee knows nothing of the library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from initium.random import Stream, bernoulli_, normal_, trunc_normal_, uniform_

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from quality.results import Floats

    Draw = Callable[[torch.Tensor, Stream, int], torch.Tensor]

SHARE = 0.3
ORDERS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """A law.

    Attributes:
        name: What the table calls it.
        draw: Fills a float32 tensor from a stream and a first index.
        below: The mass below a point; of one that is not continuous, without the point itself.
        above: The mass from a point on, without cancellation in the upper tail.
        centre: A float32 number next to the mean, about which moments are taken.
        moments: E[(x - centre)^k] for k = 0 to 8.
        low: Where the cells begin.
        high: Where they end.
        cells: Cells in a unit length, a power of two: so the cell of a float32 value is found without rounding.
        tails: Points beyond which values are counted, on either side.
        bins: Nearly equiprobable bins of the chi-square: as many as the law's steps in float32 allow at 2^30.
        continuous: Whether a value has no mass of its own (up to the step of float32).
    """

    name: str
    draw: Draw
    below: Callable[[Floats], Floats]
    above: Callable[[Floats], Floats]
    centre: float
    moments: tuple[float, ...]
    low: float
    high: float
    cells: int
    tails: tuple[float, ...] = ()
    bins: int = 1 << 12
    continuous: bool = True

    @property
    def std(self) -> float:
        """The root of the second moment about the centre, which is the mean but for a rounding."""
        return math.sqrt(self.moments[2])

    @property
    def edges(self) -> Floats:
        """The inner edges of the cells: multiples of a power of two, exact in float64."""
        return np.arange(math.floor(self.low * self.cells) + 1, math.ceil(self.high * self.cells)) / self.cells


def _uniform() -> Case:
    moments = tuple(1 / (k + 1) if k % 2 == 0 else 0.0 for k in range(ORDERS + 1))
    return Case(
        "uniform on (-1, 1)",
        lambda out, stream, start: uniform_(out, stream, -1.0, 1.0, start),
        lambda x: (np.clip(x, -1, 1) + 1) / 2,
        lambda x: (1 - np.clip(x, -1, 1)) / 2,
        *(0.0, moments, -1.0, 1.0, 1 << 15),
        tails=(1 - 2.0**-10, 1 - 2.0**-15),
    )


def _normal() -> Case:
    moments = tuple(math.prod(range(1, k, 2)) * 1.0 if k % 2 == 0 else 0.0 for k in range(ORDERS + 1))
    return Case(
        "normal",
        lambda out, stream, start: normal_(out, stream, 0.0, 1.0, start),
        special.ndtr,
        lambda x: special.ndtr(-x),
        *(0.0, moments, -7.0, 7.0, 1 << 14),
        tails=(3.0, 4.0, 5.0, 5.5, 6.0),
    )


def _cut(name: str, low: float, high: float, cells: int, *, tails: tuple[float, ...] = (), bins: int = 1 << 12) -> Case:
    """The standard normal law cut to [low, high]; tail probabilities are used, which do not cancel above the mean."""
    total = special.ndtr(-low) - special.ndtr(-high)

    def above(x: Floats) -> Floats:
        return (special.ndtr(-np.clip(x, low, high)) - special.ndtr(-high)) / total

    def below(x: Floats) -> Floats:
        return (special.ndtr(-low) - special.ndtr(-np.clip(x, low, high))) / total

    end = min(high, low + 6.0)
    mean = _integral(lambda x: x, low, end)
    centre = float(np.float32(mean))
    moments = tuple(_integral(lambda x, k=k: (x - centre) ** k, low, end) for k in range(ORDERS + 1))
    draw: Draw = lambda out, stream, start: trunc_normal_(out, stream, 0.0, 1.0, low, high, start)  # noqa: E731
    return Case(name, draw, below, above, centre, moments, low, end, cells, tails, bins)


def _integral(f: Callable[[Floats], Floats], low: float, high: float) -> float:
    """E f(x) under the cut normal law, by quadrature of the density relative to its value at the lower bound."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = low + (high - low) * (nodes + 1) / 2
    density = weights * np.exp((low - x) * (low + x) / 2)
    return float(density @ f(x) / density.sum())


def _bernoulli() -> Case:
    centre = float(np.float32(SHARE))
    moments = tuple(SHARE * (1 - centre) ** k + (1 - SHARE) * (-centre) ** k for k in range(ORDERS + 1))
    return Case(
        f"Bernoulli({SHARE})",
        lambda out, stream, start: bernoulli_(out, stream, SHARE, start),
        lambda x: np.where(x <= 0, 0.0, np.where(x <= 1, 1 - SHARE, 1.0)),
        lambda x: np.where(x <= 0, 1.0, np.where(x <= 1, SHARE, 0.0)),
        *(centre, moments, 0.0, 2.0, 1),
        continuous=False,
    )


@cache
def cases() -> dict[str, Case]:
    """Every law by the word that the command line has for it."""
    return {
        "uniform": _uniform(),
        "normal": _normal(),
        "truncated": _cut("normal cut at 2 std", -2.0, 2.0, 1 << 14),
        "far": _cut("normal beyond 5 std", 5.0, math.inf, 1 << 16, tails=(6.0, 7.0), bins=1 << 7),
        "narrow": _cut("normal cut to [0.25, 0.5]", 0.25, 0.5, 1 << 18),
        "bernoulli": _bernoulli(),
    }
