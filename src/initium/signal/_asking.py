"""A loss that is asked again, about other values: it shall not notice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from initium.network import map_tensors, unchanged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from torch import Tensor

    from initium.signal._objective import Loss


@contextlib.contextmanager
def asking(loss: Loss) -> Generator[None]:
    """Within, the loss may be called: random states stay as they were, and so do the buffers of one that is a module."""
    kept = unchanged(loss) if isinstance(loss, nn.Module) else contextlib.nullcontext()
    with torch.random.fork_rng(devices=[]), torch.no_grad(), kept:
        yield


def answers(loss: Loss, others: Iterable[object], target: object) -> list[Tensor]:
    """The losses of other outputs against a target; none where it does not answer every one with one number."""
    try:
        with asking(loss):
            told = [loss(each, map_tensors(target, torch.clone)) for each in others]
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return []
    return told if all(isinstance(each, torch.Tensor) and each.numel() == 1 for each in told) else []
