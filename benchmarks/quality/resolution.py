"""How far each law as computed in float32 lies from the exact one, with no chance in it: evenly spaced words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from initium.random import _truncated
from initium.random._laws import Normal, Uniform
from initium.random._reference import values
from quality.cases import cases
from quality.chunk import CHUNK, seen
from quality.distribution import Cells, Moments, binned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.random._laws import Law
    from quality.cases import Case

WORDS = 1 << 26
SAMPLE = 1 << 30


def laws() -> dict[str, Law]:
    """The laws of ``cases`` as the library computes them from a word."""
    return {
        "uniform": Uniform(0.0, 1.0),
        "normal": Normal(0.0, 1.0),
        "truncated": _truncated.law(0.0, 1.0, -2.0, 2.0),
        "far": _truncated.law(0.0, 1.0, 5.0, math.inf),
        "narrow": _truncated.law(0.0, 1.0, 0.25, 0.5),
    }


def lines() -> Iterator[tuple[str, ...]]:
    """For each law: the largest gap of its distribution, and what the tests would see of it in 2^30 values."""
    for word, law in laws().items():
        case = cases()[word]
        cells, moments = Cells(case), Moments(case)
        step = (1 << 32) // WORDS
        for at in range(0, WORDS, CHUNK):
            chunk = seen(case, values(torch.arange(at, at + CHUNK).mul_(step).add_(step // 2), law).numpy())
            cells.add(chunk)
            moments.add(chunk)
        gap = float(np.abs(cells.counts.cumsum()[:-1] / WORDS - case.below(case.edges)).max())
        moved = max(abs(z) for z in moments.scores()) * math.sqrt(SAMPLE / WORDS)
        seen_by = (_chi_square(case, cells, bins) for bins in (case.bins, 1 << 12))
        yield case.name, f"{gap:.1e}", f"{gap * math.sqrt(SAMPLE):.3f}", f"{moved:.3f}", *seen_by


def _chi_square(case: Case, cells: Cells, bins: int) -> str:
    """How many of its standard deviations the chi-square of so many bins moves at 2^30 values."""
    shares, observed = binned(case, cells.counts, bins)
    moved = SAMPLE * float(((observed / WORDS - shares) ** 2 / shares).sum())
    return f"{moved / math.sqrt(2 * len(shares)):.2f} ({bins:,} bins)"
