"""Second moments of an operation's output, unit by unit and with its bias apart, and how they pool."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, assert_never

import torch

from initium.calibrate._spread import Spread
from initium.signal import by_units, rounding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

Statistic = Literal["std", "rms", "channel"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Moments of ``y + b`` by unit: y is linear in the weight, b (a bias) does not depend on it.

    Attributes:
        count: Elements of each unit.
        mean: Mean of y, by unit; float64 on the CPU, as all of them. Of complex outputs it and ``offset`` are complex, and the
            second moments are those of magnitudes: ``E|y - mean|^2``, and the real part of a covariance.
        var: Variance of y within a unit.
        offset: Mean of b.
        shared: Covariance of y and b within a unit.
        spread: Variance of b within a unit.
        largest: Largest magnitude of the output; NaN or infinite where it is not finite.
        noise: What rounding alone may put between two elements, relative to y's size.
    """

    count: int
    mean: Tensor
    var: Tensor
    offset: Tensor
    shared: Tensor
    spread: Tensor
    largest: float
    noise: float

    def of(self, units: Sequence[tuple[int, int]]) -> Seen:
        """The same of some of the units."""
        parts = {
            name: torch.cat([getattr(self, name)[a:b] for a, b in units])
            for name in ("mean", "var", "offset", "shared", "spread")
        }
        return replace(self, **parts)

    def over(self, factor: float) -> Seen:
        """The same of y divided by a factor."""
        mean, var, shared = self.mean / factor, self.var / factor**2, self.shared / factor
        return self if factor == 1 else replace(self, mean=mean, var=var, shared=shared)


def seen_of(output: Tensor, bias: Tensor | None, axis: int, terms: float, counts: Tensor | None = None) -> Seen:
    """Reads the moments off an operation's output, units along ``axis``, ``terms`` products summed.

    Of its positions those alone for which ``counts`` is true, where it is given.
    """
    if counts is not None:
        bias = None if bias is None else bias.expand(output.shape).movedim(axis, -1)[counts]
        output, axis = output.movedim(axis, -1)[counts], -1
    if output.is_complex() or (bias is not None and any(size > 1 for size in _others(bias, axis))):
        return _seen_beside(output, bias, axis, terms)
    largest, mean, var = by_units(*_with_axes(output, bias, axis))
    offset = torch.zeros_like(mean) if bias is None else bias.reshape(-1).cpu().double().expand_as(mean)
    zero = torch.zeros_like(mean)
    count = output.numel() // max(1, len(mean))
    return Seen(count, mean, var, offset, zero, zero, largest, rounding(output.dtype, terms))


def _with_axes(output: Tensor, bias: Tensor | None, axis: int) -> tuple[Tensor, Tensor | None, int]:
    """An output of two axes or more, a bias of as many, and the units' axis, counted from the front."""
    if output.ndim < 2:  # noqa: PLR2004 - a table's axes
        output, axis = output.reshape(1, -1), 1
    if bias is not None and bias.ndim < output.ndim:
        bias = bias.reshape(*[1] * (output.ndim - bias.ndim), *bias.shape)
    return output, bias, axis % output.ndim


def _others(bias: Tensor, axis: int) -> Iterator[int]:
    """The sizes of the axes on which nothing but units should differ."""
    return (size for place, size in enumerate(bias.shape) if place != axis % bias.ndim)


def _seen_beside(output: Tensor, bias: Tensor | None, axis: int, terms: float) -> Seen:
    """As above, of a bias that differs from place to place, or of complex numbers."""
    wide = torch.promote_types(output.dtype, torch.float32)
    whole = output.to(wide)
    beside = whole.new_zeros(()) if bias is None else bias.to(wide)
    if bias is not None and beside.ndim == 1 < whole.ndim:
        beside = beside.reshape([-1 if place == axis % whole.ndim else 1 for place in range(whole.ndim)])
    added, product = (
        each.movedim(axis, -1).reshape(-1, output.shape[axis]) for each in (beside.expand(output.shape), whole - beside)
    )
    y, b = product - product.mean(0), added - added.mean(0)
    mean, offset = (each.mean(0).cpu() for each in (product, added))
    var, shared, spread = ((one * two.conj()).real.mean(0).cpu().double() for one, two in ((y, y), (y, b), (b, b)))
    exact = torch.promote_types(wide, torch.float64)
    largest, noise = float(output.abs().max()), rounding(output.dtype, terms)
    return Seen(len(product), mean.to(exact), var, offset.to(exact), shared, spread, largest, noise)


def spread_of(several: Sequence[Seen], statistic: Statistic) -> Spread:
    """The pooled second moments of several outputs of one weight, as a function of its factor."""
    every = _by_unit(several) if statistic == "channel" else list(several)
    weight = torch.cat([torch.full_like(each.var, float(each.count)) for each in every])
    weight /= weight.sum()
    mean, var, offset, shared, spread = (
        torch.cat([getattr(each, name) for each in every]) for name in ("mean", "var", "offset", "shared", "spread")
    )
    within = [float(weight @ each) for each in (var, shared, spread)]
    y, b = (each - (weight * each).sum() for each in (mean, offset))
    between = [float(weight @ (one * two.conj()).real) for one, two in ((y, y), (y, b), (b, b))]
    raw = [float(weight @ (one * two.conj()).real) for one, two in ((mean, mean), (mean, offset), (offset, offset))]
    match statistic:
        case "std":
            found = [a + b for a, b in zip(within, between, strict=True)]
        case "rms":
            found = [a + b for a, b in zip(within, raw, strict=True)]
        case "channel":
            found = within
        case _:
            assert_never(statistic)
    noise = max(each.noise for each in several) * math.sqrt(within[0] + raw[0])
    return Spread(
        product=found[0],
        shared=found[1],
        bias=found[2],
        largest=max((each.largest for each in several), key=lambda x: math.inf if math.isnan(x) else x),
        constant=math.sqrt(within[0] + between[0]) <= noise,
        varies=sum(each.count for each in several) == 1 or math.sqrt(_within_all(several)) > noise,
    )


def _within_all(several: Sequence[Seen]) -> float:
    """Variance within units, over all outputs of as many units together."""
    every = _by_unit(several)
    return sum(each.count * float(each.var.sum()) for each in every) / sum(each.count * len(each.var) for each in every)


def _by_unit(several: Sequence[Seen]) -> list[Seen]:
    """Outputs of as many units as one: what a unit is in one batch, it is in the next."""
    alike: dict[int, Seen] = {}
    for each in several:
        before = alike.get(len(each.mean))
        alike[len(each.mean)] = each if before is None else _together(before, each)
    return list(alike.values())


def _together(one: Seen, other: Seen) -> Seen:
    count = one.count + other.count
    a, b = one.count / count, other.count / count
    y, c = one.mean - other.mean, one.offset - other.offset
    return Seen(
        count,
        a * one.mean + b * other.mean,
        a * one.var + b * other.var + a * b * (y * y.conj()).real,
        a * one.offset + b * other.offset,
        a * one.shared + b * other.shared + a * b * (y * c.conj()).real,
        a * one.spread + b * other.spread + a * b * (c * c.conj()).real,
        max(one.largest, other.largest),
        max(one.noise, other.noise),
    )
