"""How a packed parameter falls into blocks, and which fill fits which shape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
    from initium.records import Fill

MATRIX = 2
CONVOLUTIONS = (3, 4, 5)


def parts_of(fill: Packed | Blocks) -> int:
    """How many blocks."""
    return fill.parts if isinstance(fill, Packed) else len(fill.fills)


def block_shape(shape: tuple[int, ...], fill: Packed | Blocks) -> tuple[int, ...]:
    """The shape of one block; a block of one in a stack is the matrix of the other axes."""
    size = shape[fill.axis] // parts_of(fill)
    before, after = shape[: fill.axis], shape[fill.axis + 1 :]
    return (*before, *after) if stacked(shape, fill) else (*before, size, *after)


def stacked(shape: tuple[int, ...], fill: Packed | Blocks) -> bool:
    """True where each block is one place of the axis, and the other axes are matrix enough.

    A convolution's axis of outputs is no such stack: of one channel a group, a block is still (1, in, *kernel).
    """
    convolved = isinstance(fill, Packed) and isinstance(fill.each, DeltaOrthogonal)
    return shape[fill.axis] == parts_of(fill) and len(shape) > MATRIX and not convolved


def elementwise(fill: Fill) -> bool:
    """True where an element of the fill does not depend on the others, nor on its place."""
    if isinstance(fill, Packed):
        return elementwise(fill.each)
    return isinstance(fill, Constant | Normal | TruncatedNormal | Uniform | Keep)


def misfit(fill: Fill, shape: tuple[int, ...]) -> str:  # noqa: PLR0911 - one a kind of fill
    """Why a fill does not fit a shape; empty where it does."""
    match fill:
        case Orthogonal() if len(shape) < MATRIX:
            return f"an orthogonal fill needs 2 or more axes, and shape {shape} has {len(shape)}"
        case Identity() if len(shape) != MATRIX:
            return f"an identity needs a matrix of 2 axes, and shape {shape} has {len(shape)}"
        case DeltaOrthogonal():
            return _no_delta(shape)
        case Factor():
            return _no_factor(fill, shape)
        case Values(values) if len(values) != math.prod(shape):
            return f"shape {shape} has {math.prod(shape)} elements, and {len(values)} values are given"
        case Packed() | Blocks():
            return _misfit_in_blocks(fill, shape)
        case _:
            return ""


def _no_delta(shape: tuple[int, ...]) -> str:
    if len(shape) not in CONVOLUTIONS:
        return f"a delta-orthogonal fill needs 3 to 5 axes (out, in, *kernel), and shape {shape} has {len(shape)}"
    return f"a delta-orthogonal fill needs out >= in, and shape {shape} has less" if shape[0] < shape[1] else ""


def _no_factor(fill: Factor, shape: tuple[int, ...]) -> str:
    if len(shape) < MATRIX or math.prod(shape[2:]) != 1:
        return f"a factor needs a matrix of 2 axes (or a convolution of one tap), and shape {shape} is none"
    width = shape[1 - fill.axis]
    return (
        f"a factor of rank {fill.rank} needs a width of as much, and shape {shape} has {width}"
        if fill.rank > width
        else ""
    )


def _misfit_in_blocks(fill: Packed | Blocks, shape: tuple[int, ...]) -> str:
    if not 0 <= fill.axis < len(shape):
        return f"axis {fill.axis} is none of shape {shape}'s"
    if shape[fill.axis] % parts_of(fill):
        return f"axis {fill.axis} of shape {shape} does not divide into {parts_of(fill)} equal blocks"
    inner = block_shape(shape, fill)
    each = (fill.each,) if isinstance(fill, Packed) else fill.fills
    return next((wrong for one in each if (wrong := misfit(one, inner))), "")
