"""Whether a loss teaches anything at all in half precision, proved by asking it in double."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.network import map_tensors
from initium.signal._asking import asking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.network import Batch
    from initium.records import SignalRow
    from initium.signal._objective import Loss

_HALVES = frozenset({torch.float16, torch.bfloat16})


def rounded_away(output: object, batch: Batch, function: Loss | None, measured: Sequence[SignalRow]) -> bool:
    """Whether no weight got a gradient, while the loss of the same output in double precision has one.

    Args:
        output: What the model returned.
        batch: With the target, where the loss takes one.
        function: The loss, to be asked again.
        measured: What was measured at each use of a weight.
    """
    if function is None or not isinstance(output, torch.Tensor) or output.dtype not in _HALVES:
        return False
    if any(row.grad_rms > 0 for row in measured):
        return False
    wide = output.detach().double().requires_grad_()
    arguments = (wide,) if batch.target is None else (wide, map_tensors(batch.target, torch.clone))
    try:
        with asking(function), torch.enable_grad():
            (gradient,) = torch.autograd.grad(function(*arguments), wide)
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return False
    return bool(gradient.any())
