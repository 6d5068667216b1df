"""Birthday spacings: how often two spacings between sorted birthdays are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from quality.results import Result, both

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quality.words import Words


class Birthdays:
    """Marsaglia's test with m birthdays in a year of ``m^3 / 4`` days: one coincidence expected in each batch.

    The number of equal spacings is nearly Poisson with mean ``m^3 / (4 days)``, and the nearer the longer the year
    (L'Ecuyer & Simard 2001): so a birthday is the top bits of two words.
    """

    LARGEST = 22

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.log = min(self.LARGEST, max(4, (count // 8).bit_length() - 1))
        self.kept: list[Words] = []
        self.batches = self.equal = self.held = 0

    def add(self, words: Words) -> None:
        """Gather words until they make a batch."""
        size = 2 << self.log
        self.kept.append(words)
        self.held += len(words)
        if self.held < size:
            return
        whole = np.concatenate(self.kept)
        used = len(whole) // size * size
        for batch in whole[:used].reshape(-1, size):
            self._count(batch)
        self.kept, self.held = [whole[used:]], len(whole) - used

    def _count(self, batch: Words) -> None:
        days = np.sort(batch.view(np.uint64) >> np.uint64(64 - (3 * self.log - 2)))
        spacings = np.diff(days)
        spacings.sort()
        self.equal += int((np.diff(spacings) == 0).sum())
        self.batches += 1

    def results(self) -> Iterator[Result]:
        """The total of all batches."""
        if self.batches:
            lower, upper = stats.poisson.cdf(self.equal, self.batches), stats.poisson.sf(self.equal - 1, self.batches)
            test = f"birthday spacings, {self.batches:,} x 2^{self.log} days of 2^{3 * self.log - 2}"
            yield Result(self.name, test, f"{self.equal} of {self.batches}", both(float(lower), float(upper)))
