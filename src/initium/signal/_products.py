"""The law of a product with random weights, without the weights.

For independent weights of mean 0, ``y = W x`` is Gaussian given x: its units are independent, and two positions covary by
``std^2 x_p . x_q``. So ``y = std R' z`` with ``x' = Q R`` and z white: a matrix of positions takes the weight's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from initium.random import Stream, normal_

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

# More positions than these are seen through so many random projections of them: covariances then err by its root.
SEEN = 512


@dataclass(frozen=True, slots=True)
class Product:
    """A weight operation that is known by its weight's law.

    Attributes:
        shape: Of the output.
        std: Of the weight.
        fan_in: Inputs summed into one output.
        fan_out: Outputs that one input reaches.
        exact: True for a plain matrix product over the last axis, whose law is known to the covariances of positions.
        stream: Of the draws.
        norm: Called with the L2 norm of the weight's gradient.
    """

    shape: tuple[int, ...]
    std: float
    fan_in: float
    fan_out: float
    exact: bool
    stream: Stream
    norm: Callable[[float], None]


class RandomProduct(torch.autograd.Function):
    """A product and its derivative with a weight that is known by its law; the same weight is not met twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, product: Product) -> Tensor:  # noqa: ANN401 - autograd's context
        """Draws the output; the anchor, one number in the weight's place, is what a backward pass is asked for."""
        ctx.save_for_backward(x, anchor)
        ctx.product = product
        stream = product.stream.child("forward")
        if product.exact:
            return _drawn(x.reshape(-1, x.shape[-1]), product.shape[-1], product.std, stream).reshape(product.shape)
        return _white(x, product.shape, product.std * math.sqrt(product.fan_in), stream)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        """Draws the input's gradient by the same law, of the transposed weight."""
        x, anchor = ctx.saved_tensors
        product, g = ctx.product, gradients[0]
        stream = product.stream.child("backward")
        product.norm(_norm(x, g, product))
        if product.exact:
            back = _drawn(g.reshape(-1, g.shape[-1]), x.shape[-1], product.std, stream).reshape(x.shape)
        else:
            back = _white(g, x.shape, product.std * math.sqrt(product.fan_out), stream)
        return back, torch.zeros_like(anchor), None


def _norm(x: Tensor, g: Tensor, product: Product) -> float:
    """Of the weight's gradient ``g' x``: by the covariances of positions where these are few, else as if there were none."""
    rows = x.numel() // x.shape[-1]
    if product.exact and rows <= SEEN:
        left, right = x.reshape(rows, -1).double(), g.reshape(rows, -1).double()
        return float(((left @ left.T) * (right @ right.T)).sum().clamp(min=0).sqrt())
    positions = g.numel() / product.fan_out if not product.exact else rows
    return math.sqrt(
        float(x.double().square().mean() * g.double().square().mean()) * product.fan_in * product.fan_out * positions
    )


def _white(x: Tensor, shape: Sequence[int], factor: float, stream: Stream) -> Tensor:
    """Independent values whose second moment is the factor's square times that of x."""
    size = x.float().square().mean().sqrt() * factor
    return (normal_(torch.empty(shape, device=x.device), stream) * size).to(x.dtype)


def _drawn(x: Tensor, units: int, std: float, stream: Stream) -> Tensor:
    """``x W`` for a matrix x of (positions, inputs) and a W of (inputs, units) by its law."""
    positions, inputs = x.shape
    work = x.float()
    if positions >= inputs:  # the weight is the smaller one
        root = work
    elif positions <= SEEN:
        root = torch.linalg.qr(work.T, mode="r").R.T
    else:
        mixed = normal_(torch.empty(inputs, SEEN, device=x.device), stream.child("mixed"), 0.0, 1 / math.sqrt(SEEN))
        root = work @ mixed
    white = normal_(torch.empty(root.shape[1], units, device=x.device), stream.child("white"))
    return (root @ white).mul_(std).to(x.dtype)
