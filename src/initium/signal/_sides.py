"""Whether a loss hears a label of 0, proved by asking it: one of margins takes -1 and 1, and multiplies by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._asking import asking

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_AWAY = 2.0


def hears_one_side(scores: Tensor, batch: Batch, function: Loss | None) -> bool:
    r"""Whether every answer to a sample of label 0 costs the same, where one of -1 would be heard.

    Formula:
        A loss of margins is a function of ``t z``: at ``t = 0`` it is a constant, so that ``L(z + c) = L(z)`` for any ``c`` that is
        added to the answers of these samples alone, on either side. Put at -1 they are heard, as those of label 1 are.

    Args:
        scores: The output, one number a sample.
        batch: With zeros and ones for a target, some of each.
        function: The loss, to be asked again.
    """
    target = batch.target
    if function is None or not isinstance(target, torch.Tensor) or not _two_labels(scores, target):
        return False
    zero = (target == 0).reshape(scores.shape)
    ones, shift = ~zero, torch.full_like(scores, _AWAY)
    other = torch.where(target == 0, -torch.ones_like(target), target)
    asked = (
        (scores, target),
        (scores + shift * zero, target),
        (scores - shift * zero, target),
        (scores + shift * ones, target),
        (scores, other),
        (scores - shift * zero, other),
        (scores + shift * zero, other),
    )
    told = _asked(function, asked)
    if not told:
        return False
    here, more, less, heard, there, *moved = told
    return here == more == less != heard and any(each != there for each in moved)


def _two_labels(scores: Tensor, target: Tensor) -> bool:
    single = scores.numel() == target.numel() == (len(scores) if scores.ndim else 0)
    kind = single and target.dtype != torch.bool and not target.is_complex()
    return kind and bool(((target == 0) | (target == 1)).all()) and bool(target.any()) and not bool(target.all())


def _asked(function: Loss, pairs: tuple[tuple[Tensor, Tensor], ...]) -> list[float]:
    """The losses; none where one is not answered, or is no number."""
    try:
        with asking(function):
            told = [function(mine.clone(), theirs.clone()) for mine, theirs in pairs]
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return []
    numbers = all(isinstance(each, torch.Tensor) and each.numel() == 1 and bool(each.isfinite()) for each in told)
    return [float(each) for each in told] if numbers else []
