"""Which units of an output are not the first one again, in value or in gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.signal._moments import as_table, largest_of, not_zero, others
from initium.signal._parts import Parts, worth_parts

if TYPE_CHECKING:
    from torch import Tensor

# Sums of n products in another order differ by about sqrt(n) roundings; the rest is room for several such sums.
_ROUNDINGS = 16


def gaps(value: Tensor, axis: int, largest: Tensor | None = None, enough: float = math.inf) -> Tensor:
    """For each unit the largest distance from the first unit, relative to the value's largest magnitude.

    Each unit is compared with the first alone: linear in the number of units, and all that symmetry needs. The largest
    magnitude may be known already. Where every unit is found to be further away than is ``enough``, a large value is not
    read to its end.
    """
    if value.ndim > 1 and largest is not None and worth_parts(value):
        return Parts(value.detach(), axis % value.ndim).gaps(not_zero(largest), enough)
    tabled, axis = as_table(value, axis)
    if tabled.numel() == 0:
        return tabled.new_zeros(tabled.shape[axis])
    distance = (tabled - tabled.narrow(axis, 0, 1)).abs_().amax(others(tabled, axis))
    return distance / not_zero(largest_of(tabled) if largest is None else largest)


def rounding(dtype: torch.dtype, terms: float) -> float:
    """What rounding alone may put between two equal units: one step of the result, and the order of ``terms`` products."""
    summed = torch.finfo(torch.promote_types(dtype.to_real(), torch.float32)).eps
    return 2 * torch.finfo(dtype).eps + _ROUNDINGS * math.sqrt(terms) * summed


def distinct(differs: Tensor) -> Tensor:
    """Share of the units after the first that differ from it; 1 where there is only one, which repeats nobody."""
    if differs.numel() < 2:  # noqa: PLR2004 - a unit and another
        return torch.ones((), device=differs.device)
    return differs[1:].float().mean()
