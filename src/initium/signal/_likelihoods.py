"""Whether a loss is a likelihood of log-probabilities, proved by asking it: of anything else it has no bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._asking import answers

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_MATRIX = 2
# Two differences of three losses, each of which was rounded.
_ROUNDINGS = 64


def takes_logarithms(scores: Tensor, batch: Batch, function: Loss | None) -> bool:
    r"""Whether a loss of classes takes what it is given for log-probabilities.

    Formula:
        ``-log p`` of any product of probabilities (``NLL``, ``KL``, a path of CTC), of ``z = log p``: ``L(z + c) = L(z) - k c`` with
        one ``k > 0`` for every ``c``, and ``L(0) <= 0``, since at ``z = 0`` each of them claims the probability 1. A cross-entropy of scores
        does not change, a distance is no line, ``1 - z_y`` begins at 1, and what rewards every answer alike does not hear the target.

    Args:
        scores: The output.
        batch: With classes for a target (whole numbers, of fewer axes than the output), or their probabilities.
        function: The loss, to be asked again.
    """
    if function is None or not isinstance(batch.target, torch.Tensor) or not _of_classes(scores, batch.target):
        return False
    probes = [*(scores + shift for shift in (0.0, 1.0, 2.0)), torch.zeros_like(scores)]
    asked = answers(function, probes, batch.target)
    if not asked:
        return False
    here, there, further, sure = (float(each) for each in asked)
    slack = _ROUNDINGS * torch.finfo(scores.dtype).eps * max(abs(here), abs(further))
    line = here - there > slack and abs((here - there) - (there - further)) <= slack
    return line and sure <= slack and _hears(scores, batch.target, function)


def _hears(scores: Tensor, target: Tensor, function: Loss) -> bool:
    """Whether it matters which sample has which target; so it does where all have the same, of which nothing can be seen."""
    other = target.flip(0)
    wave = torch.arange(scores.numel(), device=scores.device, dtype=torch.float32).sin()
    answer = [wave.reshape(scores.shape).to(scores.dtype)]
    mine, theirs = answers(function, answer, target), answers(function, answer, other)
    return torch.equal(target, other) or not (mine and theirs) or not torch.equal(mine[0], theirs[0])


def _of_classes(scores: Tensor, target: Tensor) -> bool:
    if scores.ndim < _MATRIX or min(scores.shape[1], scores.shape[-1]) < _MATRIX or target.is_complex():
        return False
    if not target.is_floating_point():
        return target.dtype != torch.bool and target.ndim < scores.ndim
    return target.shape == scores.shape and (_shares(target) or _shares(target.exp()))


def _shares(target: Tensor) -> bool:
    """Probabilities of classes, along the second axis or the last."""
    rounding = _ROUNDINGS * torch.finfo(target.dtype).eps
    positive = bool((target >= 0).all())
    return positive and any(bool(((target.sum(axis) - 1).abs() <= rounding).all()) for axis in (1, -1))
