"""The one function that changes a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch

from initium.errors import ArgumentError
from initium.planning._blocks import elementwise, misfit, stacked
from initium.random import (
    Stream,
    delta_orthogonal_,
    factor_,
    normal_,
    orthogonal_,
    trunc_normal_,
    truncated_std,
    uniform_,
)
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)

if TYPE_CHECKING:
    from torch import Tensor

    from initium.records import Fill


def write(tensor: Tensor, fill: Fill, stream: Stream) -> None:
    """Fills a tensor in place; its values are a function of the stream's seed and name, and of the index.

    A fill of independent elements gives the same values packed or not. The blocks of a packed orthogonal fill, and blocks of
    different fills, draw from the children ``0``, ``1``, ... of the stream.

    Args:
        tensor: What is filled: a parameter's ``data``.
        fill: With what.
        stream: A named stream.

    Raises:
        ArgumentError: The fill does not fit the tensor.
        ArgumentTypeError: The tensor holds integers.

    Example:
        >>> import torch
        >>> from initium.random import Stream
        >>> from initium.records import Constant
        >>> weight = torch.empty(2)
        >>> write(weight, Constant(0.5), Stream(0).child("w"))
        >>> weight
        tensor([0.5000, 0.5000])
    """
    match fill:
        case Keep():
            pass
        case Constant(value):
            tensor.fill_(value)
        case Normal() | TruncatedNormal() | Uniform():
            _write_drawn(tensor, fill, stream)
        case Orthogonal(gain):
            orthogonal_(tensor, stream, gain=gain)
        case DeltaOrthogonal(gain):
            delta_orthogonal_(tensor, stream, gain=gain)
        case Identity() | Values():
            _write_given(tensor, fill)
        case Factor():
            _write_factor(tensor, fill, stream)
        case Packed():
            _write_packed(tensor, fill, stream)
        case Blocks():
            _write_blocks(tensor, fill, stream)
        case _:
            assert_never(fill)


def _write_drawn(tensor: Tensor, fill: Normal | TruncatedNormal | Uniform, stream: Stream) -> None:
    match fill:
        case Normal(std):
            normal_(tensor, stream, mean=0.0, std=std)
        case TruncatedNormal(std, cut):
            whole = std / truncated_std(1.0, -cut, cut)
            trunc_normal_(tensor, stream, mean=0.0, std=whole, low=-cut * whole, high=cut * whole)
        case Uniform(bound):
            uniform_(tensor, stream, low=-bound, high=bound)


def _write_given(tensor: Tensor, fill: Identity | Values) -> None:
    """What no stream decides."""
    if wrong := misfit(fill, tuple(tensor.shape)):
        raise ArgumentError(f"{wrong}.")
    if isinstance(fill, Identity):
        tensor.zero_().diagonal().fill_(fill.gain)
    else:
        tensor.copy_(torch.tensor(fill.values, dtype=torch.float64, device="cpu").reshape(tensor.shape))


def _write_factor(tensor: Tensor, fill: Factor, stream: Stream) -> None:
    """Drawn under the name that both sides of the product share."""
    if wrong := misfit(fill, tuple(tensor.shape)):
        raise ArgumentError(f"{wrong}.")
    coefficients = {"alpha": fill.alpha, "beta": fill.beta}
    matrix = tensor.view(tensor.shape[:2])
    whole = matrix.T if fill.axis else matrix
    _ = factor_(whole, Stream(stream.seed).child(fill.key), fill.side, fill.rank, start=fill.start, **coefficients)


def _write_packed(tensor: Tensor, fill: Packed, stream: Stream) -> None:
    if elementwise(fill):
        write(tensor, fill.each, stream)
    else:
        _write_blocks(tensor, fill, stream)


def _write_blocks(tensor: Tensor, fill: Packed | Blocks, stream: Stream) -> None:
    for index, (each, block) in enumerate(pieces(tensor, fill)):
        write(block, each, stream.child(str(index)))


def pieces(tensor: Tensor, fill: Packed | Blocks) -> list[tuple[Fill, Tensor]]:
    """The blocks of a tensor, each with its fill; they share the tensor's memory.

    Args:
        tensor: What is filled in blocks.
        fill: The fill that it has.

    Returns:
        The fill of each block, and the block.

    Example:
        >>> import torch
        >>> from initium.records import Blocks, Constant
        >>> [block.shape for _, block in pieces(torch.empty(8), Blocks(0, (Constant(0.0), Constant(1.0))))]
        [torch.Size([4]), torch.Size([4])]
    """
    fills = [fill.each] * fill.parts if isinstance(fill, Packed) else fill.fills
    alone = stacked(tuple(tensor.shape), fill)
    blocks = tensor.chunk(len(fills), fill.axis)
    return [(each, block.squeeze(fill.axis) if alone else block) for each, block in zip(fills, blocks, strict=True)]
