"""Whether the loss takes what the model gives: the loss is recomputed from the output, and the output is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from initium.signal._classes import IGNORED, compared, counts, pairs, same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from initium.network import Batch

_MATRIX = 2
# Sums of many probabilities, each rounded.
_ROUNDINGS = 64


def misfit(output: object, batch: Batch, loss: Tensor | None) -> str:
    r"""How an output does not fit its loss; empty where it does, or where the loss is not recognised.

    Formula:
        ``CE(z, y) = -log softmax(z)_y`` takes any ``z``; where every ``z >= 0`` and ``sum_c z_c = 1``, a softmax was applied
        before. ``NLL(z, y) = -z_y`` is a likelihood only where ``sum_c exp(z_c) = 1``.

    Args:
        output: What the model returned.
        batch: With the target, or with labels among what the model was called with.
        loss: The loss that was computed; ``None`` for none.
    """
    asked = compared(output, batch)
    if loss is None or asked is None:
        return ""
    scores, target = asked
    if not scores.is_floating_point() or scores.numel() == 0 or scores.element_size() == 1:
        return ""
    with torch.no_grad():
        rounding = _ROUNDINGS * torch.finfo(scores.dtype).eps
        wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
        if target.is_floating_point():
            return _of_chances(wide, target, loss.detach())
        return next(_of_classes(wide, target, loss.detach(), rounding), "")


def _of_classes(output: Tensor, target: Tensor, loss: Tensor, rounding: float) -> Iterator[str]:
    if target.dtype == torch.bool or target.is_complex() or output.ndim < _MATRIX:
        return
    for scores, labels in pairs(output, target.long()):
        if scores.shape[1] > 1 and counts(scores, labels):
            within = _chances(scores)
            if within and same(F.cross_entropy(scores, labels, ignore_index=IGNORED), loss):
                yield "softmax twice" if _sums_to_one(scores, rounding) else "chances as logits"
            elif bool(loss != 0) and same(F.nll_loss(scores, labels, ignore_index=IGNORED), loss):
                yield from _of_likelihoods(scores, rounding)


def _of_likelihoods(scores: Tensor, rounding: float) -> Iterator[str]:
    if not _sums_to_one(scores.exp(), rounding):
        yield "no log" if _chances(scores) and _sums_to_one(scores, rounding) else "no softmax"


def _of_chances(scores: Tensor, target: Tensor, loss: Tensor) -> str:
    """Against numbers from 0 to 1, in the same shape."""
    if scores.shape != target.shape or not (_chances(scores) and _chances(target)):
        return ""
    labels = target.to(scores.dtype)
    return "chances as logits" if same(F.binary_cross_entropy_with_logits(scores, labels), loss) else ""


def _chances(value: Tensor) -> bool:
    return bool(((value >= 0) & (value <= 1)).all())


def _sums_to_one(scores: Tensor, rounding: float) -> bool:
    slack = rounding * max(1.0, float(scores.shape[1]) ** 0.5)
    return bool(((scores.sum(1) - 1).abs() <= slack).all())
