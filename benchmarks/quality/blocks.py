"""Means of blocks of values: whether they scatter as means of independent values do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from quality.results import Result, both, counted, score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quality.cases import Case
    from quality.chunk import Chunk
    from quality.results import Floats

BLOCK = 1024
# Tested for normality only where the distance of the block mean's own law from the normal one is this small a part of
# what the test resolves.
UNSEEN = 0.1


class Blocks:
    """Sums of BLOCK consecutive values, one float64 a block: 8 MB for 2^30 values."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.sums: list[Floats] = []

    def add(self, chunk: Chunk) -> None:
        """Sum the whole blocks of a chunk."""
        whole = len(chunk.centred) // BLOCK * BLOCK
        self.sums.append(chunk.centred[:whole].reshape(-1, BLOCK).sum(axis=1, dtype=np.float64))

    def results(self) -> Iterator[Result]:
        """The chi-square of the block means, and their law where it is known."""
        sums, m, name = np.concatenate(self.sums), self.case.moments, self.case.name
        if not len(sums):
            return
        z = (sums - BLOCK * m[1]) / (self.case.std * math.sqrt(BLOCK))
        # The variance of z^2 is 2 plus the excess kurtosis of a block mean.
        skew, excess = m[3] / m[2] ** 1.5 / math.sqrt(BLOCK), (m[4] / m[2] ** 2 - 3) / BLOCK
        spread = (float(z @ z) - len(z)) / math.sqrt(len(z) * (2 + excess))
        yield score(name, f"chi-square of {len(z):,} means of {BLOCK}", spread)
        if not self.case.continuous:
            yield _binomial(name, sums, self.case.centre, m[1] + self.case.centre)
        elif _distance(skew, excess) * math.sqrt(len(z)) < UNSEEN:
            found = stats.kstest(z, "norm")
            scaled = math.sqrt(len(z)) * found.statistic
            p = both(1 - found.pvalue, found.pvalue)
            yield Result(name, f"normality of {len(z):,} means of {BLOCK}", f"sqrt(n) D = {scaled:.3f}", p)


def _distance(skew: float, excess: float) -> float:
    """Edgeworth: how far the law of a block mean lies from the normal one; 0.4 and 0.55 bound He2 phi and He3 phi."""
    return abs(skew) / 6 * 0.4 + abs(excess) / 24 * 0.55


def _binomial(name: str, sums: Floats, centre: float, share: float) -> Result:
    ones = np.rint(sums + BLOCK * centre).astype(np.int64)
    law = stats.binom.pmf(np.arange(BLOCK + 1), BLOCK, share)
    return counted(name, f"ones in {len(ones):,} blocks of {BLOCK}", np.bincount(ones, minlength=BLOCK + 1), law)
