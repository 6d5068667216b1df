"""Inputs drawn anew with the second moments of a batch: between elements, between positions, and between samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch

from initium.network import MOVES, op_name, shape_of
from initium.random import bits, normal_

if TYPE_CHECKING:
    from torch import Tensor, fx

    from initium.random import Stream

WORD = 32  # bits of a random word

_FEW = 2  # a tensor of so many different values is a mask


def likeness(value: Tensor, moments: tuple[float, float] | None, stream: Stream) -> Tensor:
    """A Gaussian input that is stationary along every axis but the first, with the batch's own second moments.

    Each sample is its share of the batch's mean plus noise whose spectrum is the mean of the samples'; the share is what
    two different samples have in common. Integers, truth values and masks are as they are: they choose, and carry no signal.
    """
    if not value.is_floating_point() or value.numel() < 1 or value.layout != torch.strided or _is_mask(value):
        return value
    work = value.detach().to(torch.promote_types(value.dtype, torch.float32))
    if moments is not None or work.ndim < 2 or work.shape[0] < 2:  # noqa: PLR2004 - one sample tells of no second one
        mean, std = moments or (float(work.mean()), float(work.std(correction=0)))
        return normal_(torch.empty_like(work), stream).mul_(std).add_(mean).to(value.dtype)
    samples, centre = work.shape[0], work.mean(0, keepdim=True)
    whole, shared = float(work.square().mean()), float(centre.square().mean())
    common = max((samples * shared - whole) / (samples - 1), 0.0)  # of two different samples, without bias
    centre = centre * math.sqrt(common / shared) if shared else centre
    return (centre + _noise(work - work.mean(0, keepdim=True), whole - common, stream)).to(value.dtype)


def _noise(deviations: Tensor, variance: float, stream: Stream) -> Tensor:
    """Noise of this variance and of the deviations' mean spectrum over all axes but the first."""
    axes = [axis for axis in range(1, deviations.ndim) if deviations.shape[axis] > 1]
    noise = normal_(torch.empty_like(deviations), stream)
    power = torch.fft.rfftn(deviations, dim=axes).abs().square().mean(0, keepdim=True) if axes else None
    if power is not None and float(power.sum()) > 0:
        shaped = torch.fft.rfftn(noise, dim=axes) * power.sqrt()
        noise = torch.fft.irfftn(shaped, s=[deviations.shape[axis] for axis in axes], dim=axes)
    size = float(noise.square().mean())
    return noise * math.sqrt(max(variance, 0.0) / size) if size else noise


def _is_mask(value: Tensor) -> bool:
    few = value.flatten()[: 1 << 12].unique().numel() <= _FEW
    return few and value.unique().numel() <= _FEW and value.numel() > _FEW


def hollow_input(like: Tensor, rows: int | None, moments: tuple[float, float] | None, stream: Stream) -> Tensor:
    """An input for one that has a shape and no values: N(0, 1), or indices into a table of so many rows, or ones."""
    if like.is_floating_point() or like.is_complex():
        mean, std = moments or (0.0, 1.0)
        return normal_(torch.empty(like.shape, dtype=like.dtype), stream).mul_(std).add_(mean)
    if rows is None or like.dtype == torch.bool:
        return torch.ones(like.shape, dtype=like.dtype)
    words = bits(stream, like.numel()).reshape(like.shape)
    return (words * rows >> WORD).to(like.dtype)


def rows_of_table(node: fx.Node) -> int | None:
    """Rows of the smallest table into which these indices lead; ``None`` where they lead into none."""
    found: list[int] = []
    seen, left = {node}, [node]
    while left:
        for user in left.pop().users:
            name = op_name(user)
            if name in {"embedding", "embedding_bag"} and len(user.args) > 1 and user.args[1] in seen:
                found.append(shape_of(cast("fx.Node", user.args[0]))[0])
            elif user not in seen and name in MOVES:
                seen.add(user)
                left.append(user)
    return min(found, default=None)
