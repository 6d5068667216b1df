"""Whether a loss hears a label of 0, proved by asking it: one of margins takes -1 and 1, and multiplies by them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from initium.network import map_tensors, tensors_in
from initium.signal._asking import asking

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss


# What is answered already has no gradient; answers to one side of it, and to the other, have.
_SHIFTS = (0.0, 2.0, -2.0)


def hears_one_side(output: object, batch: Batch, function: Loss | None) -> bool:
    r"""Whether what is answered to samples of label 0 makes no difference to a loss, where it would at -1.

    Formula:
        A loss of margins is a function of ``t z``: at ``t = 0`` it is a constant, and ``dL/dz = 0`` for every answer to these samples.
        Put at -1 they are heard, as those of label 1 are.

    Args:
        output: What the model returned, its samples along the first axis of each of its tensors.
        batch: With zeros and ones for a target, one a sample and some of each.
        function: The loss, to be asked again.
    """
    target = batch.target
    if function is None or not isinstance(target, torch.Tensor) or not _two_labels(target):
        return False
    zero = target.flatten() == 0
    here = [_heard(output, target, function, shift) for shift in _SHIFTS]
    heard = [each for each in here if each is not None]
    if (
        len(heard) < len(here)
        or any(bool(each[zero].any()) for each in heard)
        or not any(map(bool, map(torch.any, heard)))
    ):
        return False
    other = torch.where(target == 0, -torch.ones_like(target), target)
    there = [_heard(output, other, function, shift) for shift in _SHIFTS]
    return any(each is not None and bool(each[zero].any()) for each in there)


def _two_labels(target: Tensor) -> bool:
    single = (
        target.ndim > 0 and target.numel() == len(target) and target.dtype != torch.bool and not target.is_complex()
    )
    return single and bool(((target == 0) | (target == 1)).all()) and bool(target.any()) and not bool(target.all())


def _heard(output: object, target: Tensor, function: Loss, shift: float) -> Tensor | None:
    """For each sample whether the loss has a gradient at any of its answers; ``None`` where it cannot be told."""
    asked = map_tensors(output, partial(_apart, shift=shift))
    answers = [each for each in tensors_in(asked) if each.requires_grad]
    if not answers or any(each.ndim == 0 or len(each) != len(target) for each in answers):
        return None
    try:
        with asking(function), torch.enable_grad():
            function(asked, target.clone()).backward(inputs=answers)
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return None
    heard = [each.flatten(1).ne(0).any(1) if each.ndim > 1 else each.ne(0) for each in map(_gradient, answers)]
    return torch.stack(heard).any(0)


def _gradient(answer: Tensor) -> Tensor:
    return torch.zeros_like(answer) if answer.grad is None else answer.grad


def _apart(value: Tensor, shift: float) -> Tensor:
    return (value.detach() + shift).requires_grad_() if value.is_floating_point() else value.detach().clone()
