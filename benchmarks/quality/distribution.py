"""The law of single values: moments, Kolmogorov-Smirnov, Anderson-Darling, chi-square, tails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special, stats

from quality.results import Result, both, counted, rare, score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quality.cases import Case
    from quality.chunk import Chunk
    from quality.results import Counts, Floats

MOMENTS = ("mean", "second moment", "third moment", "fourth moment")
LEAST_IN_BIN = 64


class Moments:
    """Means of (x - centre)^k: the variance of such a mean is (m_2k - m_k^2) / n, exactly."""

    def __init__(self, case: Case) -> None:
        self.case, self.n = case, 0
        self.sums = np.zeros(len(MOMENTS) if case.continuous else 1)

    def add(self, chunk: Chunk) -> None:
        """Sum in float64 the powers taken in float32, whose roundings cancel."""
        power = np.ones_like(chunk.centred)
        for order in range(len(self.sums)):
            power *= chunk.centred
            self.sums[order] += power.sum(dtype=np.float64)
        self.n += len(power)

    def scores(self) -> Iterator[float]:
        """One z a moment."""
        m = self.case.moments
        for order, total in enumerate(self.sums, start=1):
            yield (total / self.n - m[order]) / math.sqrt((m[2 * order] - m[order] ** 2) / self.n)

    def results(self) -> Iterator[Result]:
        """The same, named."""
        for name, z in zip(MOMENTS, self.scores(), strict=False):
            yield score(self.case.name, name, z)


class Cells:
    """Counts in fine cells of equal width, from which the tests of the whole distribution follow at the edges."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.counts = np.zeros(len(case.edges) + 1, dtype=np.int64)

    def add(self, chunk: Chunk) -> None:
        """Count."""
        self.counts += np.bincount(chunk.cells, minlength=len(self.counts))

    def results(self) -> Iterator[Result]:
        """Kolmogorov-Smirnov and Anderson-Darling on the edges, chi-square of nearly equiprobable bins, tails."""
        case, n = self.case, int(self.counts.sum())
        below, above = case.below(case.edges), case.above(case.edges)
        found = self.counts.cumsum()[:-1] / n
        inner = (below > 0) & (above > 0)
        gap = np.where(inner, found - below, 0.0)
        yield _kolmogorov(case.name, f"Kolmogorov-Smirnov, {len(gap):,} edges", float(np.abs(gap).max()), n)
        squared = _anderson(gap[inner], below[inner], above[inner], n)
        p = both(1 - anderson_sf(squared), anderson_sf(squared))
        yield Result(case.name, f"Anderson-Darling, {len(gap):,} edges", f"A^2 = {squared:.3f}", p)
        shares, observed = binned(case, self.counts, max(2, min(case.bins, n // LEAST_IN_BIN)))
        yield counted(case.name, f"chi-square of {len(shares):,} bins", observed, shares)
        for point in case.tails:
            yield self._beyond(point, n)

    def _beyond(self, point: float, n: int) -> Result:
        """Values from ``point`` on and, where the law is symmetric, below ``-point``."""
        case = self.case
        edges, place = case.edges, np.array([point])
        upper = int(self.counts[int(np.searchsorted(edges, point)) + 1 :].sum())
        if case.low >= 0:
            return rare(case.name, f"values beyond {point:g}", upper, n, float(case.above(place)[0]))
        lower = int(self.counts[: int(np.searchsorted(edges, -point)) + 1].sum())
        share = float((case.above(place) + case.below(-place))[0])
        return rare(case.name, f"values beyond {point:g} on either side", upper + lower, n, share)


def binned(case: Case, counts: Counts, bins: int) -> tuple[Floats, Counts]:
    """Whole cells put together into so many nearly equiprobable bins: the shares of the mass, and the counts."""
    below = case.below(case.edges)
    middle = np.concatenate([[0.0], below]) / 2 + np.concatenate([below, [1.0]]) / 2
    of = np.minimum((middle * bins).astype(np.int64), bins - 1)
    shares = np.bincount(of, np.diff(below, prepend=0.0, append=1.0), bins)
    kept = shares > 0
    return shares[kept], np.bincount(of, counts, bins).astype(np.int64)[kept]


def _kolmogorov(source: str, test: str, distance: float, n: int) -> Result:
    """The largest distance on the edges: a lower bound of the one over all points, and near it for fine cells."""
    scaled = math.sqrt(n) * distance
    p = both(float(stats.kstwobign.cdf(scaled)), float(stats.kstwobign.sf(scaled)))
    return Result(source, test, f"sqrt(n) D = {scaled:.3f}", p)


def _anderson(gap: Floats, below: Floats, above: Floats, n: int) -> float:
    """The integral of ``n gap^2 / (F (1 - F)) dF``, by the trapezium rule over the edges."""
    return float(np.trapezoid(n * gap**2 / (below * above), below))


def anderson_sf(squared: float) -> float:
    """P(A^2 > x) for a law that is known beforehand and n to infinity: Marsaglia & Marsaglia (2004), to 2e-6."""
    z = squared
    if z <= 0:
        return 1.0
    if z < 2:  # noqa: PLR2004  where the paper's two fits meet
        fit = 2.00012 + (0.247105 - (0.0649821 - (0.0347962 - (0.0116720 - 0.00168691 * z) * z) * z) * z) * z
        return 1 - math.exp(-1.2337141 / z) / math.sqrt(z) * fit
    fit = 1.0776 - (2.30695 - (0.43424 - (0.082433 - (0.008056 - 0.0003146 * z) * z) * z) * z) * z
    # Beyond the range of the fit the law falls like sqrt(3 / (pi x)) exp(-x).
    return -math.expm1(-math.exp(fit)) if z < 8 else math.sqrt(3 / (math.pi * z)) * math.exp(-z)  # noqa: PLR2004


class Samples:
    """Exact Kolmogorov-Smirnov and Anderson-Darling on whole chunks, and whether their p-values are uniform."""

    MOST = 128

    def __init__(self, case: Case, count: int, size: int) -> None:
        self.case, self.size = case, min(size, count)
        self.every = max(1, count // self.size // self.MOST)
        self.seen = 0
        self.kolmogorov: list[float] = []
        self.anderson: list[float] = []

    def add(self, chunk: Chunk) -> None:
        """Sort every so-manieth chunk."""
        self.seen += 1
        if (self.seen - 1) % self.every or len(chunk.values) < self.size:
            return
        x = np.sort(chunk.values).astype(np.float64)
        below, above = (np.clip(side(x), 1e-300, 1.0) for side in (self.case.below, self.case.above))
        n = len(x)
        steps = np.arange(n + 1) / n
        distance = max(float((steps[1:] - below).max()), float((below - steps[:-1]).max()))
        self.kolmogorov.append(float(special.kolmogorov(math.sqrt(n) * distance)))
        weights = 2 * np.arange(n) + 1
        self.anderson.append(anderson_sf(-n - float(weights @ (np.log(below) + np.log(above[::-1]))) / n))

    def results(self) -> Iterator[Result]:
        """The p-values of a perfect stream are uniform: their own exact Kolmogorov-Smirnov test."""
        for name, found in (("Kolmogorov-Smirnov", self.kolmogorov), ("Anderson-Darling", self.anderson)):
            if found:
                distance, p = stats.kstest(found, "uniform")
                test = f"exact {name} on {len(found)} x {self.size:,}"
                yield Result(self.case.name, test, f"p-values: D = {distance:.3f}", _combined(p, found))


def _combined(p: float, found: list[float]) -> float:
    """One p-value that is far too small, or all of them out of shape: the worse, twice for having looked twice."""
    return min(1.0, 2 * min(p, len(found) * min(found)))
