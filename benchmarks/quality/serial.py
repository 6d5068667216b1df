"""Values of one stream against later ones: correlation at many lags, and the law of pairs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from quality.results import Result, counted, scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quality.cases import Case
    from quality.chunk import Chunk

# A Philox block holds four words: short lags look inside one and at its neighbours, powers of two at the counter's bits.
SHORT, LONG = tuple(range(1, 9)), tuple(1 << k for k in range(4, 17))
SQUARED = (1, 2, 3, 4)
GRID = 64


class Lags:
    """Sums of products of values a lag apart, within a chunk: mean 0 and variance std^4 a pair."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.lags = (*SHORT, *LONG)
        self.sums, self.pairs = np.zeros(len(self.lags)), np.zeros(len(self.lags))
        self.squares, self.squared = np.zeros(len(SQUARED)), np.zeros(len(SQUARED))

    def add(self, chunk: Chunk) -> None:
        """Multiply the chunk by itself, moved."""
        x = chunk.centred
        for place, lag in enumerate(self.lags):
            if lag < len(x):
                self.sums[place] += float(x[:-lag] @ x[lag:])
                self.pairs[place] += len(x) - lag
        if self.case.continuous:
            y = x * x
            y -= np.float32(self.case.moments[2])
            for place, lag in enumerate(SQUARED):
                self.squares[place] += float(y[:-lag] @ y[lag:])
                self.squared[place] += len(x) - lag

    def results(self) -> Iterator[Result]:
        """A z a lag, and the sum of their squares."""
        m, name = self.case.moments, self.case.name
        seen = self.pairs > 0
        z = self.sums[seen] / (m[2] * np.sqrt(self.pairs[seen]))
        yield scores(name, "serial correlation, lags 1 to 8", z[: len(SHORT)])
        if len(z) > len(SHORT):
            yield scores(name, f"serial correlation, lags 16 to {self.lags[len(z) - 1]}", z[len(SHORT) :])
        if self.case.continuous:
            variance = m[4] - m[2] ** 2
            z = self.squares / (variance * np.sqrt(self.squared))
            yield scores(name, "serial correlation of squares, lags 1 to 4", z)


class Pairs:
    """Successive values, two and two, in a grid of GRID x GRID nearly equiprobable cells."""

    def __init__(self, case: Case) -> None:
        below = case.below(case.edges)
        middle = np.concatenate([[0.0], below]) / 2 + np.concatenate([below, [1.0]]) / 2
        self.case = case
        self.of = np.minimum((middle * GRID).astype(np.int64), GRID - 1)
        self.shares = np.bincount(self.of, np.diff(below, prepend=0.0, append=1.0), GRID)
        self.counts = np.zeros(GRID * GRID, dtype=np.int64)

    def add(self, chunk: Chunk) -> None:
        """Count the pairs of a chunk."""
        at = self.of[chunk.cells]
        even = len(at) // 2 * 2
        self.counts += np.bincount(at[0:even:2] * GRID + at[1:even:2], minlength=GRID * GRID)

    def results(self) -> Iterator[Result]:
        """Chi-square against the product of the shares."""
        shares = np.outer(self.shares, self.shares).ravel()
        kept = shares > 0
        side = math.isqrt(int(kept.sum()))
        yield counted(self.case.name, f"pairs in {side} x {side} cells", self.counts[kept], shares[kept])
