"""A few of many: every k-th place along some axes, as a view, so that a figure costs little whatever the size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def steps(shape: Sequence[int], axes: Sequence[int], most: int) -> tuple[slice, ...]:
    """The slices that leave at most about so many places of these axes together; those named first are thinned first."""
    left, found = math.prod(shape[axis] for axis in axes), [slice(None)] * len(shape)
    for axis in axes:
        step = min(max(1, -(-left // most)), shape[axis])
        found[axis] = slice(None, None, step)
        left = left // shape[axis] * -(-shape[axis] // step) if shape[axis] else 0
    return tuple(found)


def thinned(value: Tensor, axes: Sequence[int], most: int) -> Tensor:
    """The value at those places."""
    return value[steps(value.shape, axes, most)]
