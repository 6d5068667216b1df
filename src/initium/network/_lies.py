"""How the samples of a batch lie in one value that is read row by row: the sample of element e is ``(e // inner) % samples``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initium.network._ops import ATTENTIONS, PRODUCTS, op_name, shape_of
from initium.network._terms import terms

if TYPE_CHECKING:
    from torch import fx

_MATRIX, _ROWS, _COLUMNS = 2, -2, -1


def sample_axis(shape: tuple[int, ...], inner: int, samples: int) -> int | None:
    """The axis that is that of the samples and of nothing else."""
    behind = 1
    for axis in reversed(range(len(shape))):
        if behind == inner and shape[axis] == samples:
            return axis
        behind *= shape[axis]
    return None


def changes_along(shape: tuple[int, ...], axis: int, inner: int, samples: int) -> bool:
    """Whether elements that differ in their place along an axis alone are of several samples.

    Exact: they are of one sample where the axis lies whole within each sample, or steps over all samples at once.
    """
    stride = math.prod(shape[axis + 1 :])
    return shape[axis] > 1 and inner % (stride * shape[axis]) != 0 and stride % (inner * samples) != 0


def multiplied(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> int | None:
    """Where samples lie in a product of values, or an attention; ``None`` where it sums over them, or keeps them twice."""
    if op_name(node) == "einsum":
        return _by_letters(node, inner, samples)
    places = (0, 1, 2) if op_name(node) in ATTENTIONS else PRODUCTS[op_name(node)]
    operands: list[Any] = [node.args[place] for place in places]
    kept = (None, None, None) if op_name(node) in ATTENTIONS else (_ROWS, _COLUMNS)
    if operands[1] not in inner and len(shape_of(operands[1])) == _MATRIX:
        width = shape_of(operands[0])[-1]
        return inner[operands[0]] // width * shape_of(node)[-1] if inner.get(operands[0], 1) % width == 0 else None
    lies = {
        _of_operand(node, each, inner[each], axis, samples)
        for each, axis in zip(operands, kept, strict=True)
        if each in inner
    }
    return lies.pop() if len(lies) == 1 else None


def _of_operand(node: fx.Node, operand: fx.Node, inner: int, kept: int | None, samples: int) -> int | None:
    """Where one operand's samples lie in the product: whole matrices of each, or an axis that comes out."""
    given, shape = shape_of(operand), shape_of(node)
    if min(len(given), len(shape)) < _MATRIX:
        return None
    block = math.prod(given[_ROWS:])
    if inner % block == 0 and math.prod(given[:_ROWS]) == math.prod(shape[:_ROWS]):
        return inner // block * math.prod(shape[_ROWS:])
    axis = sample_axis(given, inner, samples)
    if axis is None or (axis - len(given) >= _ROWS and axis - len(given) != kept):
        return None
    there = axis - len(given) + len(shape)
    return math.prod(shape[there + 1 :]) if there >= 0 and shape[there] == samples else None


def _by_letters(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> int | None:
    """Of an ``einsum``: the one letter of the samples, if all operands agree on it and it comes out."""
    letters, output = sample_letters(node, inner, samples)
    named = {letter for letter in letters.values() if letter is not None}
    if len(named) != 1 or None in letters.values() or not named <= set(output):
        return None
    return math.prod(shape_of(node)[output.index(named.pop()) + 1 :])


def sample_letters(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> tuple[dict[int, str | None], str]:
    """The letter of the samples in each operand of an ``einsum`` in which they lie, and the letters of what comes out."""
    given, output = terms(str(node.args[0]))
    operands: Any = node.args[1]
    if "." in output or any("." in each for each in given):
        return {}, output
    axes = {
        place: sample_axis(shape_of(each), inner[each], samples) for place, each in enumerate(operands) if each in inner
    }
    return {place: None if axis is None else given[place][axis] for place, axis in axes.items()}, output
