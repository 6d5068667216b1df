"""What a loss would cost if the network answered nothing at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.signal._asking import answers

if TYPE_CHECKING:
    from initium.network import Batch
    from initium.signal._objective import Loss


def at_zero(output: object, batch: Batch, function: Loss | None) -> float | None:
    """The loss of zeros in the place of an output that is all answer; ``None`` where it has no such loss.

    Args:
        output: What the model returned.
        batch: With a target, which is what the answers are for.
        function: The loss, to be asked again.
    """
    if function is None or batch.target is None or not isinstance(output, torch.Tensor):
        return None
    if not output.is_floating_point() or not output.numel():
        return None
    told = answers(function, [torch.zeros_like(output)], batch.target)
    value = float(told[0]) if told and not told[0].is_complex() else math.nan
    return value if math.isfinite(value) else None
