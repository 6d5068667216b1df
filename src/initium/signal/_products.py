"""The law of a product with random weights, without the weights.

For independent weights of mean 0, ``y = W x`` is Gaussian given x: its units are independent, and two positions covary by
``std^2 x_p . x_q``. So ``y = std R z`` with ``x x' = R R'`` and z white: a matrix of positions takes the weight's place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from initium.random import Stream, normal_

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        name: Of the weight.
        norms: Takes the L2 norm of the weight's gradient, under its name: by itself, so that no way back holds the walk.
    """

    shape: tuple[int, ...]
    std: float
    fan_in: float
    fan_out: float
    exact: bool
    stream: Stream
    name: str
    norms: dict[str, float]


class RandomProduct(torch.autograd.Function):
    """A product and its derivative with a weight that is known by its law; the same weight is not met twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, anchor: Tensor, product: Product) -> Tensor:  # noqa: ANN401 - autograd's context
        """Draws the output; the anchor, one number in the weight's place, is what a backward pass is asked for.

        For the way back the covariances of positions are kept, or the second moment, and not the input.
        """
        ctx.save_for_backward(anchor)
        ctx.product, ctx.shape = product, x.shape
        stream, matrix = product.stream.child("forward"), x.reshape(-1, x.shape[-1])
        ctx.seen = seen = _seen(matrix, product)
        if product.exact:
            return _drawn(matrix, seen, product.shape[-1], product.std, stream).reshape(product.shape)
        return _white(x, product.shape, product.std * math.sqrt(product.fan_in), stream)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        """Draws the input's gradient by the same law, of the transposed weight."""
        (anchor,), product, g = ctx.saved_tensors, ctx.product, gradients[0]
        stream, matrix = product.stream.child("backward"), g.reshape(-1, g.shape[-1])
        seen = _seen(matrix, product)
        positions = matrix.shape[0] if product.exact else g.numel() / product.fan_out
        norm = _norm(ctx.seen, seen, positions, product)
        product.norms[product.name] = math.hypot(product.norms.get(product.name, 0.0), norm)
        if product.exact:
            back = _drawn(matrix, seen, ctx.shape[-1], product.std, stream).reshape(ctx.shape)
        else:
            back = _white(g, ctx.shape, product.std * math.sqrt(product.fan_out), stream)
        return back, torch.zeros_like(anchor), None


def _seen(matrix: Tensor, product: Product) -> Tensor:
    """The covariances of few positions, in double precision; of many, or of a product of another kind, the mean square."""
    wide = matrix.double()
    return wide @ wide.T if product.exact and matrix.shape[0] <= SEEN else wide.square().mean()


def _norm(x: Tensor, g: Tensor, positions: float, product: Product) -> float:
    """Of the weight's gradient ``g' x``: by the covariances of positions where these are few, else as if there were none."""
    if x.ndim:
        return float((x * g).sum().clamp(min=0).sqrt())
    return math.sqrt(float(x * g) * product.fan_in * product.fan_out * positions)


def _white(x: Tensor, shape: Sequence[int], factor: float, stream: Stream) -> Tensor:
    """Independent values whose second moment is the factor's square times that of x."""
    size = x.float().square().mean().sqrt() * factor
    return (normal_(torch.empty(shape, device=x.device), stream) * size).to(x.dtype)


def _drawn(x: Tensor, seen: Tensor, units: int, std: float, stream: Stream) -> Tensor:
    """``x W`` for a matrix x of (positions, inputs), seen by its covariances, and a W of (inputs, units) by its law."""
    positions, inputs = x.shape
    if positions >= inputs:  # the weight is the smaller one
        root = x.float()
    elif positions <= SEEN:
        root = _root(seen).float()
    else:
        mixed = normal_(torch.empty(inputs, SEEN, device=x.device), stream.child("mixed"), 0.0, 1 / math.sqrt(SEEN))
        root = x.float() @ mixed
    white = normal_(torch.empty(root.shape[1], units, device=x.device), stream.child("white"))
    return (root @ white).mul_(std).to(x.dtype)


def _root(square: Tensor) -> Tensor:
    """An R with ``R R'`` the positive semidefinite one; NaN where that is not finite."""
    root, failed = torch.linalg.cholesky_ex(square)
    if not failed:
        return root
    if not square.isfinite().all():
        return torch.full_like(square, math.nan)
    values, vectors = torch.linalg.eigh(square)  # of positions that are alike
    return vectors * values.clamp(min=0).sqrt()
