"""Moments of a tensor, unit by unit, that neither overflow nor underflow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.signal._parts import by_units, worth_parts

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class UnitMoments:
    r"""Mean and variance of each unit, of a value divided by its largest magnitude.

    A signal that shrank to 1e-30 or grew to 1e30 has squares that float32 does not hold; its quotient has. Everything
    is a tensor on the value's device, so that nothing waits for the host until somebody asks for a number.

    Attributes:
        largest: ``max |value|``, a scalar; NaN or infinite where the value is not finite.
        mean: Mean of ``value / largest`` for each unit.
        var: Variance of the same, dividing by n.
    """

    largest: Tensor
    mean: Tensor
    var: Tensor

    @property
    def total_mean(self) -> Tensor:
        """Mean of all elements."""
        return self.largest * self.mean.mean()

    @property
    def std(self) -> Tensor:
        """Standard deviation of all elements: the variance within units plus that between them."""
        return self.largest * (self.var.mean() + self.mean.var(correction=0)).sqrt()

    @property
    def rms(self) -> Tensor:
        """Root mean square of all elements."""
        return self.largest * (self.var + self.mean.square()).mean().sqrt()

    @property
    def unit_std(self) -> Tensor:
        """Root mean square over units of each unit's standard deviation."""
        return self.largest * self.var.mean().sqrt()


def unit_moments(value: Tensor, axis: int) -> UnitMoments:
    """The moments of a value whose units stand along an axis; float32, or float64 where the value is; ``|z|`` if complex.

    Example:
        >>> import torch
        >>> unit_moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), axis=1).unit_std
        tensor(0.7071)
    """
    if value.ndim > 1 and worth_parts(value):
        found = _in_parts(value.detach(), axis % value.ndim)
        if found is not None:
            return found
    tabled, axis = as_table(value, axis)
    if tabled.numel() == 0:
        nothing = tabled.new_zeros(1)
        return UnitMoments(nothing[0], nothing, nothing)
    largest, reduced = largest_of(tabled), others(tabled, axis)
    count = tabled.numel() // tabled.shape[axis]
    scaled = tabled / not_zero(largest)
    mean = scaled.sum(reduced, keepdim=True) / count
    # In place: a fresh tensor of this size costs more than all the sums.
    var = scaled.sub_(mean).square_().sum(reduced) / count
    return UnitMoments(largest, mean.flatten(), var)


def _in_parts(value: Tensor, axis: int) -> UnitMoments | None:
    """The same, of a large value; ``None`` of one that is not finite."""
    largest, mean, var = by_units(value, None, axis)
    if not math.isfinite(largest):
        return None
    scale, made = largest or 1.0, torch.promote_types(value.dtype, torch.float32)
    numbers = (
        torch.tensor(largest, dtype=made, device="cpu"),
        (mean / scale).to(made),
        (var / scale**2).clamp_(min=0).to(made),
    )
    return UnitMoments(*numbers)


def all_moments(value: Tensor) -> UnitMoments:
    """The moments of a value as one unit."""
    return unit_moments(value.detach().reshape(1, -1), axis=0)


def as_table(value: Tensor, axis: int) -> tuple[Tensor, int]:
    """The value in real arithmetic that is accurate enough, with two or more axes, and where its units stand then."""
    value = unpacked(value.detach())
    if value.is_complex():
        value = value.abs()
    value = value.to(torch.promote_types(value.dtype, torch.float32))
    return (value.reshape(1, -1), 1) if value.ndim < 2 else (value, axis % value.ndim)  # noqa: PLR2004 - axes of a table


def unpacked(value: Tensor) -> Tensor:
    """The value itself, float32 where it is float8: torch neither computes with that nor promotes it."""
    return value.float() if value.is_floating_point() and value.element_size() == 1 else value


def others(value: Tensor, axis: int) -> list[int]:
    """Every axis but one."""
    return [other for other in range(value.ndim) if other != axis]


def largest_of(value: Tensor) -> Tensor:
    """Largest magnitude of a value that has elements; NaN where it holds one."""
    low, high = torch.aminmax(value)
    return torch.maximum(-low, high).abs()  # of zeros it would be -0


def not_zero(largest: Tensor) -> Tensor:
    """A divisor: a value that is zero everywhere stays zero."""
    return torch.where(largest == 0, torch.ones_like(largest), largest)
