"""What a measuring walk kept, as rows: every figure stays on its device until one transfer brings them all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.records import SignalRow
from initium.signal._distinct import distinct, rounding
from initium.signal._fetched import fetched
from initium.signal._moments import all_moments, largest_of, not_zero
from initium.signal._parts import Parts, plain_size, worth_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.network import Use
    from initium.signal._measuring import Measuring, Reduced


@dataclass(frozen=True, slots=True)
class WeightFigures:
    """What is kept of a weight or a bias.

    Attributes:
        largest: Largest magnitude.
        std: Its standard deviation.
        rms: Its root mean square.
        median: Its median magnitude, of a bias; 0 of a matrix, where nobody asks.
    """

    largest: Tensor
    std: Tensor
    rms: Tensor
    median: Tensor


@dataclass(frozen=True, slots=True)
class GradientFigures:
    """What is kept of a weight's gradient.

    Attributes:
        largest: Largest magnitude.
        norm: L2 norm.
        mean_abs: Mean magnitude.
    """

    largest: Tensor
    norm: Tensor
    mean_abs: Tensor


def weight_figures(weight: Tensor) -> WeightFigures:
    """The figures of a weight's values."""
    moments = all_moments(weight)
    return WeightFigures(moments.largest, moments.std, moments.rms, _median(weight.detach()).to(moments.rms.dtype))


def _median(value: Tensor) -> Tensor:
    if value.ndim != 1 or not value.numel():
        return torch.zeros((), device=value.device)
    return (value if value.is_complex() else value.float()).abs().median()


def gradient_figures(gradient: Tensor) -> GradientFigures:
    """The figures of a gradient; of a sparse one, with its missing rows counted as zeros."""
    count = max(gradient.numel(), 1)
    if worth_parts(gradient):
        largest, total, squares = Parts(gradient.detach().reshape(1, -1), 0).sizes()
        if plain_size(float(largest)):
            made = largest.dtype
            return GradientFigures(largest, squares.sqrt().to(made), (total / count).to(made))
    values = (gradient.coalesce().values() if gradient.is_sparse else gradient).detach().abs()
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    if values.numel() == 0:
        nothing = values.new_zeros(())
        return GradientFigures(nothing, nothing, nothing)
    largest = largest_of(values)
    scaled = values.div_(not_zero(largest))
    mean_abs = largest * scaled.sum() / count
    return GradientFigures(largest, largest * scaled.square_().sum().sqrt(), mean_abs)


def rows(
    walk: Measuring, weights: Mapping[str, WeightFigures], gradients: Mapping[str, GradientFigures]
) -> tuple[SignalRow, ...]:
    """One row for each use, in execution order."""
    uses = [use for use in walk.network.uses if use.node in walk.outputs]
    figures = [_figures(walk, use, weights, gradients.get(use.name)) for use in uses]
    sizes = {each.name: math.prod(each.shape) for each in walk.network.parameters}
    found = zip(uses, fetched(figures), strict=True)
    return tuple(_row(walk, use, values, sizes.get(use.name, 0)) for use, values in found)


def _figures(
    walk: Measuring, use: Use, weights: Mapping[str, WeightFigures], own: GradientFigures | None
) -> dict[str, Tensor]:
    """The row's numbers as tensors, by field; ``finite`` is 1 or 0."""
    output, gradient = walk.outputs[use.node], walk.gradients.get(use.node)
    weight, bias = weights[use.name], weights[use.bias] if use.bias else None
    zero = torch.zeros((), device=output.moments.largest.device)
    dead, saturated = walk.activations.get(use.activated, (zero, zero))
    sizes = [output.moments.largest, weight.largest]
    sizes += [gradient.moments.largest] if gradient else []
    sizes += [own.largest] if own else []
    return {
        "out_mean": output.moments.total_mean,
        "out_std": output.moments.std,
        "out_rms": output.moments.rms,
        "unit_std": output.moments.unit_std,
        "dead": dead,
        "saturated": saturated,
        "grad_rms": gradient.moments.rms if gradient else zero,
        "weight_std": weight.std,
        "weight_rms": weight.rms,
        "bias_rms": bias.rms if bias else zero,
        "bias_median": bias.median if bias else zero,
        "weight_grad_norm": own.norm if own else zero,
        "weight_grad_mean_abs": own.mean_abs if own else zero,
        "distinct": _distinct(use, output, gradient),
        "apart": walk.apart.get(use.node, zero),
        "finite": torch.stack([torch.isfinite(size).to(zero.device) for size in sizes]).all().float(),
    }


def _distinct(use: Use, output: Reduced, gradient: Reduced | None) -> Tensor:
    differs = output.gaps > rounding(output.dtype, use.fan_in)
    if gradient:
        differs = differs | (gradient.gaps > rounding(gradient.dtype, max(use.fan_in, use.fan_out)))
    return distinct(differs)


def _row(walk: Measuring, use: Use, values: dict[str, float], elements: int) -> SignalRow:
    """A row from its numbers."""
    numbers = {field: value for field, value in values.items() if field not in {"finite", "apart"}}
    known = use.node in walk.apart and math.isfinite(values["apart"])
    return SignalRow(
        name=use.name,
        op=use.op,
        use=use.index,
        after=str(use.after),
        finite=bool(values["finite"]),
        by=walk.by(use),
        dtype=str(walk.outputs[use.node].dtype).removeprefix("torch."),
        alike=1 - values["apart"] if known else math.nan,
        elements=elements,
        fan_in=float(use.fan_in),
        **numbers,
    )
