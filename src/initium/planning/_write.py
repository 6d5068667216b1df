"""The one function that changes a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from initium.planning._blocks import elementwise, stacked
from initium.random import normal_, orthogonal_, trunc_normal_, truncated_std, uniform_
from initium.records import Constant, Keep, Normal, Orthogonal, Packed, TruncatedNormal, Uniform

if TYPE_CHECKING:
    from torch import Tensor

    from initium.random import Stream
    from initium.records import Fill


def write(tensor: Tensor, fill: Fill, stream: Stream) -> None:
    """Fills a tensor in place; its values are a function of the stream's seed and name, and of the index.

    A fill of independent elements gives the same values packed or not. The blocks of a packed orthogonal fill draw from
    the children ``0``, ``1``, ... of the stream.

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
        case Normal(std):
            normal_(tensor, stream, mean=0.0, std=std)
        case TruncatedNormal(std, cut):
            whole = std / truncated_std(1.0, -cut, cut)
            trunc_normal_(tensor, stream, mean=0.0, std=whole, low=-cut * whole, high=cut * whole)
        case Uniform(bound):
            uniform_(tensor, stream, low=-bound, high=bound)
        case Orthogonal(gain):
            orthogonal_(tensor, stream, gain=gain)
        case Packed():
            _write_packed(tensor, fill, stream)
        case _:
            assert_never(fill)


def _write_packed(tensor: Tensor, fill: Packed, stream: Stream) -> None:
    if elementwise(fill):
        write(tensor, fill.each, stream)
        return
    alone = stacked(tuple(tensor.shape), fill)
    for index, block in enumerate(tensor.chunk(fill.parts, fill.axis)):
        write(block.squeeze(fill.axis) if alone else block, fill.each, stream.child(str(index)))
