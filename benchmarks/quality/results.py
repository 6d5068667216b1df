"""One result a test, p-values from scipy's exact laws, and the rule for many tests at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# The chance that a perfect stream is called suspect by one whole run, however many tests there are.
LEVEL = 1e-3
# Below so many expected counts, a cell is joined with its neighbours before a chi-square.
LEAST = 16.0


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        source: What was drawn.
        test: What was asked of it.
        statistic: The figure found and the figure expected, as text.
        p: The chance that a perfect source is at least as far off, in either direction.
    """

    source: str
    test: str
    statistic: str
    p: float


def suspects(results: list[Result]) -> set[int]:
    """Holm (1979): the places of the results that are rejected at LEVEL over all; right however they depend."""
    order = sorted(range(len(results)), key=lambda place: results[place].p)
    found: set[int] = set()
    for rank, place in enumerate(order):
        if not results[place].p * (len(results) - rank) <= LEVEL:
            break
        found.add(place)
    return found


def both(lower: float, upper: float) -> float:
    """Two-sided: a fit that is too good is as suspect as one that is too bad."""
    return min(1.0, 2 * min(lower, upper))


def score(source: str, test: str, z: float) -> Result:
    """A statistic that is normal with mean 0 and std 1."""
    return Result(source, test, f"z = {z:+.2f}", 2 * float(special.ndtr(-abs(z))))


def scores(source: str, test: str, each: Floats) -> Result:
    """Several such statistics, uncorrelated: the sum of their squares is chi-square."""
    total, n = float(each @ each), len(each)
    text = f"chi2 = {total:,.1f} of {n:,}, largest |z| {np.abs(each).max():.2f}"
    return Result(source, test, text, both(float(stats.chi2.cdf(total, n)), float(stats.chi2.sf(total, n))))


def counted(source: str, test: str, observed: Counts, shares: Floats) -> Result:
    """Pearson's chi-square of counts in cells that have these shares of the mass."""
    expected = shares * (observed.sum() / shares.sum())
    observed, expected = _joined(observed, expected)
    total, degrees = float(((observed - expected) ** 2 / expected).sum()), len(expected) - 1
    text = f"chi2 = {total:,.1f} of {degrees:,}"
    return Result(source, test, text, both(float(stats.chi2.cdf(total, degrees)), float(stats.chi2.sf(total, degrees))))


def _joined(observed: Counts, expected: Floats) -> tuple[Floats, Floats]:
    """Neighbouring cells put together until each expects enough for the chi-square law to hold."""
    if expected.min() >= LEAST:
        return observed.astype(np.float64), expected
    group, total, place = np.zeros(len(expected), dtype=np.int64), 0.0, 0
    for cell, each in enumerate(expected):
        if total >= LEAST:
            total, place = 0.0, place + 1
        total, group[cell] = total + each, place
    if total < LEAST and place:
        group[group == place] = place - 1
    return np.bincount(group, observed), np.bincount(group, expected)


def rare(source: str, test: str, count: int, trials: int, share: float) -> Result:
    """A count of something rare, against the exact binomial law."""
    lower, upper = stats.binom.cdf(count, trials, share), stats.binom.sf(count - 1, trials, share)
    return Result(source, test, f"{count:,} of {trials * share:,.1f}", both(float(lower), float(upper)))
