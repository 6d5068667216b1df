"""Where an activation passes a gradient and where it does not: dead units and saturated elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.gains import Activation
from initium.signal._moments import as_table, others

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_FAR = 8.0
_NEAR = 0.1
_SHARE = 1 / 20
_STEPS = 1601


@dataclass(frozen=True, slots=True)
class Reach:
    """How an activation's slope runs over [-8, 8].

    Attributes:
        peak: The largest slope there.
        below: True where a large negative value saturates it.
        above: True where a large positive value does.
    """

    peak: float
    below: bool
    above: bool


def pointwise(activation: Activation | Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The activation on tensors.

    Raises:
        ArgumentError: It is a gated unit or has a random slope.
    """
    return activation.function if isinstance(activation, Activation) else activation


def slopes(function: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    """The function's slope at every element, in float32 or better; 0 where autograd sees no dependence."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = value.detach().to(torch.promote_types(value.dtype, torch.float32)).clone().requires_grad_()
        # The function may work in place, which a leaf does not allow.
        result = function(leaf.clone())
        if not result.requires_grad:
            return torch.zeros_like(leaf)
        (slope,) = torch.autograd.grad(result.sum(), leaf, materialize_grads=True)
    return slope


def reach(function: Callable[[Tensor], Tensor]) -> Reach:
    """Reads an activation's slope once, on a grid.

    It saturates where both ends are flat and it is not flat close to zero already: the negative side of ReLU6 is a
    rectifier's, only its positive side saturates.
    """
    grid = torch.linspace(-_FAR, _FAR, _STEPS, dtype=torch.float64, device="cpu")
    slope = slopes(function, grid).abs().nan_to_num(0.0, posinf=0.0)
    peak = float(slope.max())
    flat = slope < _SHARE * peak
    near = round(_NEAR / (grid[1] - grid[0]).item())
    both = bool(flat[0]) and bool(flat[-1])
    middle = _STEPS // 2
    return Reach(peak, both and not bool(flat[middle - near]), both and not bool(flat[middle + near]))


def dead_units(slope: Tensor, axis: int, peak: float) -> Tensor:
    """Share of units at which no element of the batch has a slope: none, or one lost in rounding beside the peak."""
    table, axis = as_table(slope, axis)
    largest = table.abs().amax(others(table, axis))
    return (largest <= torch.finfo(torch.float32).eps * peak).float().mean()


def saturated(slope: Tensor, value: Tensor, how: Reach) -> Tensor:
    """Share of elements whose slope is below a twentieth of the peak, on the sides that saturate."""
    if not (how.below or how.above):
        return torch.zeros((), device=slope.device)
    flat = slope.abs() < _SHARE * how.peak
    if not how.below:
        flat &= value.detach() > 0
    if not how.above:
        flat &= value.detach() < 0
    return flat.float().mean()
