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
    """The same of what it picks: a column against a row.

    A column and a row that learn both are two answers; one of itself, turned, ranks its numbers among each other.
    """
    return any(
        (each.kind in {"distance", "product"} and _crossed(each))
        or (each.kind == "own" and _crossed(each) and not torch.equal(each.mine.flatten(), each.theirs.flatten()))
        for each in compared
    )


def repeated_inside(compared: Iterable[Compared]) -> bool:
    """Whether one of torch's own errors takes shapes of which one is spread over the other; one number may be compared with all."""
    return any(each.kind == "error" and _repeated(each) for each in compared)


def _crossed(each: Compared) -> bool:
    """A column against a row, of several numbers."""
    count = each.mine.numel()
    shapes = sorted((each.mine.shape, each.theirs.shape))
    return count == each.theirs.numel() > 1 and shapes == [(count,), (count, 1)]


def _repeated(each: Compared) -> bool:
    """Several numbers that are compared more than once."""
    wide = torch.broadcast_shapes(each.mine.shape, each.theirs.shape).numel()
    return min(each.mine.numel(), each.theirs.numel()) > 1 and wide > min(each.mine.numel(), each.theirs.numel())
