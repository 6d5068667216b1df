"""Where an activation passes a gradient and where it does not: dead units and saturated elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.gains import Activation
from initium.signal._moments import others
from initium.signal._parts import Parts

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


def passing(
    function: Callable[[Tensor], Tensor], value: Tensor, axis: int, how: Reach, *, steps: bool
) -> tuple[Tensor, Tensor] | None:
    """The shares of dead units and of saturated elements, part after part of the value.

    Where nothing can saturate, a value is read until no unit is dead. ``None`` where the function changes the shape; and where ``steps`` are expected, where it has no slope anywhere.
    """
    table = value.detach() if value.ndim > 1 else value.detach().reshape(1, -1)
    axis = axis % value.ndim if value.ndim > 1 else 1
    largest, flat = list[torch.Tensor](), list[torch.Tensor]()
    for part in Parts(table, axis).cut():
        slope = slopes(function, part)
        if slope.shape != part.shape:
            return None
        largest.append(slope.abs().amax(others(part, axis)))
        flat.append(saturated(slope, part, how))
        if not (how.below or how.above) and value.device.type == "cpu" and not bool(_dead(largest[-1], how.peak).any()):
            break
    peaks = torch.stack(largest).amax(0)
    if steps and not peaks.any():
        return None
    seen = table.isfinite().sum().clamp(min=1) if how.below or how.above else table.numel()
    return dead_units(peaks, how.peak), torch.stack(flat).sum() / seen


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


def dead_units(largest: Tensor, peak: float) -> Tensor:
    """Share of units at which no element of the batch has a slope: none, or one lost in rounding beside the peak."""
    return _dead(largest, peak).float().mean()


def _dead(largest: Tensor, peak: float) -> Tensor:
    return largest <= torch.finfo(torch.float32).eps * peak


def saturated(slope: Tensor, value: Tensor, how: Reach) -> Tensor:
    """How many elements have a slope below a twentieth of the peak, on the sides that saturate; infinite ones were masked out."""
    if not (how.below or how.above):
        return torch.zeros((), device=slope.device)
    flat = how.flat(slope) & value.isfinite()
    if not how.below:
        flat &= value > 0
    if not how.above:
        flat &= value < 0
    return flat.sum(dtype=torch.float64)
