"""Whether a loss is a sum over the samples, proved by asking it about every sample twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._asking import answers
from initium.signal._classes import same

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

MANY = 1000
"""From so many samples on it is asked: a gradient so many times as large as that of a mean."""


def summed(output: object, batch: Batch, loss: Tensor | None, function: Loss | None, samples: int) -> bool:
    """True where every sample twice costs twice as much; of a mean it costs the same. Of fewer than a thousand nobody asks.

    Args:
        output: What the model returned, its samples along the first axis.
        batch: With a target, likewise.
        loss: The loss that was computed; ``None`` for none.
        function: What computed it, to be asked again.
        samples: How many there are.
    """
    target = batch.target
    if loss is None or function is None or samples < MANY or not bool(loss != 0):
        return False
    if not isinstance(output, torch.Tensor) or not isinstance(target, torch.Tensor):
        return False
    if output.shape[:1] != (samples,) or target.shape[:1] != (samples,):
        return False
    twice = answers(function, [torch.cat([output, output])], torch.cat([target, target]))
    return bool(twice) and same(twice[0], 2 * loss.detach())
