"""Whether a loss compares each answer with each target: the shapes broadcast where nobody meant it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._asking import asking
from initium.signal._classes import same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._inside import Compared
    from initium.signal._objective import Loss


def spread_out(output: Tensor, target: Tensor, batch: Batch, loss: Tensor, function: Loss | None) -> bool:
    """Whether the loss compares each number of the output with each of the target: a column against a row.

    Args:
        output: What the model returned.
        target: What it is compared with.
        batch: Where the target comes from: labels that the model itself compares are its own affair.
        loss: The loss that was computed.
        function: What computed it.
    """
    if function is None or batch.target is None or output.shape == target.shape or output.numel() != target.numel():
        return False
    try:
        wide = torch.broadcast_shapes(output.shape, target.shape)
        if wide.numel() == output.numel():
            return False
        with asking(function):
            asked = function(output.expand(wide).clone(), target.expand(wide).clone())
    except Exception:  # noqa: BLE001 - shapes that do not broadcast, and somebody's loss, which need not answer this question
        return False
    return isinstance(asked, torch.Tensor) and asked.numel() == 1 and same(asked, loss)


def spread_inside(compared: Iterable[Compared]) -> bool:
    """The same of what it picks: a column that learns against a row that does not, or a row against a column."""
    return any(
        each.mine.numel() == each.theirs.numel() > 1
        and sorted((each.mine.shape, each.theirs.shape)) == [(each.mine.numel(),), (each.mine.numel(), 1)]
        for each in compared
        if each.kind == "distance"
    )
