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
        one ``k > 0`` for every ``c``. A cross-entropy of scores does not change, a distance is no line.

    Args:
        scores: The output.
        batch: With classes for a target (whole numbers, of fewer axes than the output), or their probabilities.
        function: The loss, to be asked again.
    """
    if function is None or not isinstance(batch.target, torch.Tensor) or not _of_classes(scores, batch.target):
        return False
    asked = answers(function, [scores + shift for shift in (0.0, 1.0, 2.0)], batch.target)
    if not asked:
        return False
    here, there, further = (float(each) for each in asked)
    slack = _ROUNDINGS * torch.finfo(scores.dtype).eps * max(abs(here), abs(further))
    return here - there > slack and abs((here - there) - (there - further)) <= slack


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
