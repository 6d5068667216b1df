"""Inputs drawn anew with the second moments of a batch: between elements, between positions, and between samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch

from initium.network import MOVES, op_name, shape_of
from initium.random import bits, normal_, orthogonal_, permutation

if TYPE_CHECKING:
    from torch import Tensor, fx

    from initium.random import Stream

WORD = 32  # bits of a random word

_TURNED = 64  # samples are turned together so many at most: a mixture of as many is near Gaussian
_FEW = 2  # a tensor of so many different values is a mask
# Of an embedding bag, the places of the indices, of where bags start, and of whether the last start is the end.
_INDICES, _STARTS, _CLOSED = 1, 2, 7


def likeness(value: Tensor, moments: tuple[float, float] | None, stream: Stream) -> Tensor:
    """An input drawn from Gaussian samples that have the batch's own mean and second moments, elements and samples alike.

    Such samples are the batch's turned about their mean by a Haar rotation (Langsrud 2005, "Rotation tests"); many are turned
    in groups, which keep their means. Integers, truth values and masks are as they are: they choose, and carry no signal. So is
    one number of each sample, where all have one sign, and no moments are asked for: a time, or the size of noise, of which
    a root or a logarithm may be taken.
    """
    if not value.is_floating_point() or value.numel() < 1 or value.layout != torch.strided or _is_mask(value):
        return value
    if moments is None and _is_level(value):
        return value
    work = value.detach().to(torch.promote_types(value.dtype, torch.float32))
    if moments is not None or work.ndim < 2 or work.shape[0] < 2:  # noqa: PLR2004 - one sample tells of no second one
        mean, std = moments or (float(work.mean()), float(work.std(correction=0)))
        return normal_(torch.empty_like(work), stream).mul_(std).add_(mean).to(value.dtype)
    samples, found = work.flatten(1), torch.empty_like(work).flatten(1)
    order = permutation(len(work), stream.child("order"), device=work.device)
    groups = order.tensor_split(-(-len(work) // _TURNED))
    turns = {size: _rotation(size, stream.child(str(size))).to(work) for size in set(map(len, groups))}
    for group in groups:
        some = samples[group]
        centre = some.mean(0)
        found[group] = centre + turns[len(group)] @ (some - centre)
    return found.reshape(work.shape).to(value.dtype)


def _rotation(samples: int, stream: Stream) -> Tensor:
    """A Haar rotation of deviations from a mean: of the space of so many numbers whose sum is zero."""
    away = torch.full((samples,), samples**-0.5, dtype=torch.float64, device="cpu")
    away[0] -= 1
    mirror = torch.eye(samples, dtype=torch.float64, device="cpu") - 2 * torch.outer(away, away) / away.square().sum()
    inner = mirror[:, 1:]  # an orthonormal basis of that space: the mirror sends the first axis to the mean
    return (
        inner @ orthogonal_(torch.empty(samples - 1, samples - 1, dtype=torch.float64, device="cpu"), stream) @ inner.T
    )


def _is_level(value: Tensor) -> bool:
    """One number a sample, of several, all of one sign."""
    return value.ndim > 0 and 1 < len(value) == value.numel() and bool((value >= 0).all() | (value <= 0).all())


def _is_mask(value: Tensor) -> bool:
    few = value.flatten()[: 1 << 12].unique().numel() <= _FEW
    return few and value.unique().numel() <= _FEW and value.numel() > _FEW


def hollow_input(like: Tensor, rows: int | None, moments: tuple[float, float] | None, stream: Stream) -> Tensor:
    """An input for one that has a shape and no values: N(0, 1), or indices into a table of so many rows, or ones."""
    if like.is_floating_point() or like.is_complex():
        mean, std = moments or (0.0, 1.0)
        return normal_(torch.empty(like.shape, dtype=like.dtype, device="cpu"), stream).mul_(std).add_(mean)
    if rows is None or like.dtype == torch.bool:
        return torch.ones(like.shape, dtype=like.dtype, device="cpu")
    words = bits(stream, like.numel()).reshape(like.shape)
    return (words * rows >> WORD).to(like.dtype)


def bag_starts(node: fx.Node, like: Tensor) -> Tensor | None:
    """Where bags of one size start among the indices, for an input that tells so; ``None`` of any other."""
    for user in node.users:
        if "embedding_bag" in op_name(user) and user.args[_STARTS] is node:
            count = math.prod(shape_of(cast("fx.Node", user.args[_INDICES])))
            bags = len(like) - (len(user.args) > _CLOSED and bool(user.args[_CLOSED]))
            return (torch.arange(len(like), device="cpu") * count // max(bags, 1)).to(like.dtype)
    return None


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
