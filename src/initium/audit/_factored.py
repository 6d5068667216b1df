"""One side of a product that was cut in two by its singular values: orthogonal vectors, whose lengths are known on average."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.planning import expected_std

if TYPE_CHECKING:
    import torch

    from initium.records import Factor

# Rounding of a vector's elements, and of the few sums that are made of them.
_ROUNDING = 8.0
# A decomposition's own rounding, at most so much for every row.
_DOUBLE = 2.0**-52
# What a finite width takes off the limit of a great one, in elements of the diagonal.
_FINITE = 2.0


def factored(wide: torch.Tensor, fill: Factor, step: float, level: float) -> bool:
    """True where the vectors of every head are orthogonal, and the sum of their squares is as large as it should be.

    That sum is a head's r largest singular values. It moves by at most sqrt(r) times what the matrix moves, and so is within
    ``alpha sqrt(2 r log(2 / level) / d)`` of its mean but for a chance of ``level`` (Gaussian concentration).
    """
    units = (wide.flatten(1).T if fill.axis else wide.flatten(1)).double()
    width, level = units.shape[1], level / max(1, len(units) // fill.rank)
    expected = width * (expected_std(fill, tuple(wide.shape)) or 0.0) ** 2
    first = 0
    while first < len(units):
        whole = fill.rank - (fill.start + first) % fill.rank
        head = units[first : first + whole]
        first += len(head)
        lengths = head.norm(dim=1)
        if not bool((lengths > 0).all()):
            return False
        unit = head / lengths[:, None]
        cosines = (unit @ unit.T).fill_diagonal_(0)
        if float(cosines.abs().max()) > _ROUNDING * step + width * _DOUBLE:
            return False
        stray = fill.alpha * math.sqrt(2 * math.log(2 / level) / (fill.rank * width)) + _FINITE * expected / width
        off = abs(float(lengths.square().mean()) - expected)
        if len(head) == fill.rank and off > stray:
            return False
    return True
