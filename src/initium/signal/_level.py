"""Axes along which an answer does not change at all, while its target does: positions that nothing tells apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._classes import compared

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch

_AXES, _PLACES = 3, 12
# Beside the largest answer: what rounding makes of equal positions, and what is certainly more than that.
_SAME, _OTHER = 1e-6, 1e-3


def level(output: object, batch: Batch) -> tuple[tuple[int, int], ...]:
    """Each such axis of the output, and how long it is; none where all answers are alike, be it over the samples.

    Args:
        output: What the model returned.
        batch: With a target of the output's shape, or of classes along its second or its last axis.
    """
    asked = compared(output, batch)
    if asked is None:
        return ()
    answer, target = asked
    if answer.ndim < _AXES or answer.is_complex() or target.is_complex() or not answer.numel():
        return ()
    pairs, lengths = _pairs(answer, target), answer.shape
    answer, target = _few(answer), _few(target)
    size = float(answer.abs().max())
    if not 0 < size < torch.inf or float((answer - answer[:1]).abs().max()) <= _OTHER * size:
        return ()
    return tuple(
        (axis, lengths[axis])
        for axis, place in pairs
        if lengths[axis] > 1 and _alike(answer, axis, _SAME * size) and not _alike(target, place, 0)
    )


def _few(value: Tensor) -> Tensor:
    """Every k-th place along each axis: what is the same at so many is no chance."""
    return value[tuple(slice(None, None, max(1, size // _PLACES)) for size in value.shape)]


def _pairs(answer: Tensor, target: Tensor) -> list[tuple[int, int]]:
    """The axes behind the first that are axes of both."""
    if answer.shape == target.shape:
        return [(axis, axis) for axis in range(1, answer.ndim)]
    if answer.shape[:1] + answer.shape[2:] == target.shape:
        return [(axis, axis - 1) for axis in range(2, answer.ndim)]
    return [(axis, axis) for axis in range(1, target.ndim)] if answer.shape[:-1] == target.shape else []


def _alike(value: Tensor, axis: int, slack: float) -> bool:
    return bool(((value - value.narrow(axis, 0, 1)).abs() <= slack).all())
