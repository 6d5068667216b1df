"""Whether a loss takes the logarithm of chances, proved by asking it, and whether the output holds any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from initium.signal._asking import answers
from initium.signal._classes import counts, pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_MATRIX = 2
# What a small number before a logarithm, or a limit on it, may make of the loss of chances that are far from 0.
_ROOM = 0.01
# Scores near 0, where every loss is a parabola, and far from it, where a logarithm is a line.
_SIZES = (0.5, 2.0, 6.0)
_RECTIFIERS = frozenset({"relu", "relu6"})


def of_chances(scores: Tensor, batch: Batch, function: Loss | None, end: str) -> str:
    r"""How an output, or a target, does not fit a loss that takes chances and their logarithm.

    Formula:
        A loss takes chances where ``L(softmax(z)) = k CE(z, y)``, or ``L(sigmoid(z)) = k BCE(z, t)``, with one ``k > 0`` for every
        ``z``: asked of three. Written by hand it refuses nothing: a score below 0 has no logarithm and is cut off at a small
        number, which has no slope; neither has what a ReLU gives below 0.

    Args:
        scores: The output.
        batch: With its target.
        function: The loss, to be asked again.
        end: The model's last operation.

    Returns:
        ``no chances`` where a binary target lies beyond 0 to 1, ``scores as chances`` where the output does, where its rows do
        not sum to 1 for a loss that does not divide by their sum, or where a ReLU makes it; ``scores as shares`` where a loss of
        overlap (Dice, Jaccard) is given what lies beyond 0 to 1; else nothing.
    """
    target = batch.target
    if function is None or not isinstance(target, torch.Tensor) or target.is_complex() or not scores.numel():
        return ""
    if (
        target.is_floating_point()
        and target.shape == scores.shape
        and _takes(
            scores, batch, function, torch.sigmoid, lambda z: F.binary_cross_entropy_with_logits(z, target.to(z.dtype))
        )
    ):
        if not bool(((target >= 0) & (target <= 1)).all()):
            return "no chances"
        return "scores as chances" if end in _RECTIFIERS or not _within(scores) else ""
    if not _within(scores) and _overlaps(scores, target, batch, function):
        return "scores as shares"
    for axis in {1, scores.ndim - 1} if scores.ndim >= _MATRIX else set[int]():
        entropy = _entropy(scores, target, axis)
        if entropy and _takes(scores, batch, function, lambda z, at=axis: z.softmax(at), entropy):
            wrong = end in _RECTIFIERS or bool((scores < 0).any()) or bool(scores.isnan().any())
            return "scores as chances" if wrong or not _shared(scores, batch, function, axis) else ""
    return ""


def _overlaps(scores: Tensor, target: Tensor, batch: Batch, function: Loss) -> bool:
    """A loss that is 0 of the target itself, which is zeros and ones, falls below where it is answered twice over, and rises of ones throughout.

    An angle between rotations, a line in the answer, is 0 of the target and below of twice that; what is answered beside, it does not hear.
    """
    if (
        not target.is_floating_point()
        or target.shape != scores.shape
        or not bool(((target == 0) | (target == 1)).all())
    ):
        return False
    alike = target.to(scores.dtype)
    asked = _asked(function, batch, [alike, 2 * alike, 0 * alike, torch.ones_like(alike)])
    return len(asked) > _MATRIX and abs(asked[0]) <= _ROOM < min(-asked[1], *asked[2:])


def _entropy(scores: Tensor, target: Tensor, axis: int) -> Callable[[Tensor], Tensor] | None:
    """The cross-entropy of scores of this shape against the target; ``None`` where the target is none of classes."""
    if target.dtype == torch.bool or scores.shape[axis] < _MATRIX:
        return None
    if target.is_floating_point():
        if target.shape != scores.shape or not bool(((target >= 0) & (target <= 1)).all()):
            return None
        return lambda z: F.cross_entropy(z.movedim(axis, 1), target.to(z.dtype).movedim(axis, 1))
    moved = scores.movedim(axis, 1)
    fitting = [
        labels for each, labels in pairs(moved, target.long()) if each.shape == moved.shape and counts(each, labels)
    ]
    return (lambda z: F.cross_entropy(z.movedim(axis, 1), fitting[0])) if fitting else None


def _takes(
    scores: Tensor,
    batch: Batch,
    function: Loss,
    squash: Callable[[Tensor], Tensor],
    entropy: Callable[[Tensor], Tensor],
) -> bool:
    """Whether the loss of chances is the entropy of their scores, times one number, for small scores and large ones."""
    wave = torch.arange(scores.numel(), device=scores.device, dtype=torch.float32).sin().reshape(scores.shape)
    probes = [(size * wave).to(scores.dtype) for size in _SIZES]
    asked = _asked(function, batch, [squash(each) for each in probes])
    if len(asked) < len(probes):
        return False
    known = [float(entropy(each)) for each in probes]
    if not all(known):
        return False
    times = [mine / theirs for mine, theirs in zip(asked, known, strict=True)]
    return min(times) > 0 and max(times) - min(times) <= _ROOM * min(times)


def _asked(function: Loss, batch: Batch, others: list[Tensor]) -> list[float]:
    """The losses of other outputs; none where it does not answer with a number."""
    asked = answers(function, others, batch.target)
    plain = all(not each.is_complex() and bool(each.isfinite()) for each in asked)
    return [float(each) for each in asked] if plain else []


def _within(scores: Tensor) -> bool:
    return bool(((scores >= 0) & (scores <= 1)).all())


def _shared(scores: Tensor, batch: Batch, function: Loss, axis: int) -> bool:
    """Rows that sum to 1, or a loss to which their sum is nothing."""
    if bool(((scores.sum(axis) - 1).abs() <= _ROOM).all()):
        return True
    asked = _asked(function, batch, [scores, scores / 2])
    return len(asked) == _MATRIX and abs(asked[0] - asked[1]) <= _ROOM * abs(asked[0])
