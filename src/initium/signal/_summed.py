"""Whether a loss, or a part of it, is a sum over the samples, proved by asking it about every sample twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from initium.network import map_tensors, tensors_in
from initium.signal._asking import answers, asking
from initium.signal._classes import IGNORED, counts, pairs, same

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_SEVERAL, _LITTLE, _ROUNDINGS = 2, 1 << 22, 64
_MANY = 100


def summed(output: object, batch: Batch, loss: Tensor | None, function: Loss | None, samples: int) -> bool:
    """True where every sample twice costs twice as much; of a mean it costs the same. Of fewer than a hundred terms nobody asks.

    Args:
        output: What the model returned, its samples along the first axis.
        batch: With a target, likewise.
        loss: The loss that was computed; ``None`` for none.
        function: What computed it, to be asked again.
        samples: How many there are.
    """
    target = batch.target
    if loss is None or function is None or not (bool(loss != 0) and bool(loss.isfinite())):
        return False
    if not isinstance(output, torch.Tensor) or not isinstance(target, torch.Tensor):
        return False
    if samples < _MANY and not (target.numel() >= _MANY and _over_all(output, target, loss)):
        return False
    if output.shape[:1] != (samples,) or target.shape[:1] != (samples,):
        return False
    twice = answers(function, [torch.cat([output, output])], torch.cat([target, target]))
    return bool(twice) and same(twice[0], 2 * loss.detach())


def _over_all(output: Tensor, target: Tensor, loss: Tensor) -> bool:
    """Whether it is torch's sum over all that is asked of all samples, each word, pixel or number a term."""
    with torch.no_grad():
        if target.is_floating_point():
            alike = output.shape == target.shape
            sums = (F.mse_loss, F.l1_loss, F.binary_cross_entropy_with_logits) if alike else ()
            return any(same(each(output.detach(), target, reduction="sum"), loss) for each in sums)
        return any(
            counts(scores, labels)
            and same(F.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum"), loss)
            for scores, labels in pairs(output.detach(), target.long())
        )


def summed_beside(output: object, batch: Batch, function: Loss | None, samples: int) -> float:
    """How many times the gradient at what a loss sums over the samples is that at what it averages; 0 where it does one alone.

    Every sample twice leaves the gradient of a sum as it is, and halves that of a mean.

    Args:
        output: What the model returned: several tensors, their samples along the first axis.
        batch: With a target, likewise.
        function: The loss.
        samples: How many there are.
    """
    learning = [each for each in tensors_in(output) if each.is_floating_point()]
    asked = [*learning, *tensors_in(batch.target)]
    if function is None or batch.target is None or len(learning) < _SEVERAL or samples <= 1:
        return 0.0
    if any(each.shape[:1] != (samples,) for each in asked) or sum(each.numel() for each in asked) > _LITTLE:
        return 0.0
    once, twice = (_gradients(output, batch.target, function, times) for times in (1, 2))
    kept, halved = list[float](), list[float]()
    for first, second in zip(once, twice, strict=False):
        size, half = float(first.square().mean().sqrt()), second[:samples]
        if _equal(half, first):
            kept.append(size)
        elif _equal(2 * half, first):
            halved.append(size)
    return max(kept) / max(halved) if kept and halved and max(halved) > 0 else 0.0


def _equal(one: Tensor, other: Tensor) -> bool:
    """Up to the roundings of a sum over the samples."""
    largest = float(other.abs().max())
    return largest > 0 and float((one - other).abs().max()) <= _ROUNDINGS * torch.finfo(other.dtype).eps * largest


def _gradients(output: object, target: object, function: Loss, times: int) -> list[Tensor]:
    """Of the loss, at each tensor of the output, of every sample so many times; none where it does not run."""
    leaves = list["Tensor"]()

    def leaf(value: Tensor) -> Tensor:
        if not value.is_floating_point():
            return torch.cat([value] * times)
        leaves.append(torch.cat([value.detach()] * times).requires_grad_())
        return leaves[-1]

    try:
        with asking(function), torch.enable_grad():
            made = function(map_tensors(output, leaf), map_tensors(target, lambda each: torch.cat([each] * times)))
            return list(torch.autograd.grad(made, leaves, materialize_grads=True))
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return []
