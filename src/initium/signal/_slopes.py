"""Where an activation passes a gradient and where it does not: dead units and saturated elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.gains import Activation
from initium.signal._moments import as_table, others

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from initium.gains import Reach


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


def dead_units(slope: Tensor, axis: int, peak: float) -> Tensor:
    """Share of units at which no element of the batch has a slope: none, or one lost in rounding beside the peak."""
    table, axis = as_table(slope, axis)
    largest = table.abs().amax(others(table, axis))
    return (largest <= torch.finfo(torch.float32).eps * peak).float().mean()


def saturated(slope: Tensor, value: Tensor, how: Reach) -> Tensor:
    """Share of elements whose slope is below a twentieth of the peak, on the sides that saturate."""
    if not (how.below or how.above):
        return torch.zeros((), device=slope.device)
    flat = how.flat(slope)
    if not how.below:
        flat &= value.detach() > 0
    if not how.above:
        flat &= value.detach() < 0
    return flat.float().mean()
