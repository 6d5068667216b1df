"""How a packed parameter falls into blocks, and which fill fits which shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import Orthogonal, Packed

if TYPE_CHECKING:
    from initium.records import Fill

MATRIX = 2


def block_shape(shape: tuple[int, ...], packed: Packed) -> tuple[int, ...]:
    """The shape of one block; a block of one in a stack is the matrix of the other axes."""
    size = shape[packed.axis] // packed.parts
    before, after = shape[: packed.axis], shape[packed.axis + 1 :]
    return (*before, *after) if stacked(shape, packed) else (*before, size, *after)


def stacked(shape: tuple[int, ...], packed: Packed) -> bool:
    """True where each block is one place of the axis, and the other axes are matrix enough."""
    return shape[packed.axis] == packed.parts and len(shape) > MATRIX


def elementwise(fill: Fill) -> bool:
    """True where an element of the fill does not depend on the others."""
    return elementwise(fill.each) if isinstance(fill, Packed) else not isinstance(fill, Orthogonal)


def misfit(fill: Fill, shape: tuple[int, ...]) -> str:
    """Why a fill does not fit a shape; empty where it does."""
    if isinstance(fill, Orthogonal) and len(shape) < MATRIX:
        return f"an orthogonal fill needs 2 or more axes, and shape {shape} has {len(shape)}"
    if not isinstance(fill, Packed):
        return ""
    if not 0 <= fill.axis < len(shape):
        return f"axis {fill.axis} is none of shape {shape}'s"
    if shape[fill.axis] % fill.parts:
        return f"axis {fill.axis} of shape {shape} does not divide into {fill.parts} equal blocks"
    return misfit(fill.each, block_shape(shape, fill))
