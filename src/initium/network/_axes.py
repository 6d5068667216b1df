"""Which axis of a weight is that of its outputs, where no operation tells: the bias beside it has one value an output."""

from __future__ import annotations

import math

_MATRIX = 2


def output_axes(shape: tuple[int, ...], bias: int) -> tuple[int, ...]:
    """The axes of a weight that may be its outputs', by the length of the bias beside it.

    Known are (out, in, *kernel), as torch writes it, (in, out, *kernel), as a transposed convolution and a product from
    the right have it, and (*kernel, in, out), as Keras and JAX write it.

    Args:
        shape: The weight's shape, of two axes or more.
        bias: How many values the bias has.

    Returns:
        Each that fits, torch's own first; none where the bias fits no axis (of groups, for one).
    """
    return tuple(axis for axis in dict.fromkeys((0, 1, len(shape) - 1)) if shape[axis] == bias)


def fans_along(shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    """The fans of a weight whose outputs are on an axis that :func:`output_axes` gives.

    Args:
        shape: The weight's shape, of two axes or more.
        axis: That of its outputs.

    Returns:
        Inputs summed into one output, and outputs that one input reaches (strides not counted).
    """
    kernel = shape[2:] if axis < _MATRIX else shape[:-2]
    return math.prod(shape[:axis]) * math.prod(shape[axis + 1 :]), shape[axis] * math.prod(kernel)
