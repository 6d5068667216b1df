"""A loss that is asked again, about other values: it shall not notice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from initium.network import unchanged

if TYPE_CHECKING:
    from collections.abc import Generator

    from initium.signal._objective import Loss


@contextlib.contextmanager
def asking(loss: Loss) -> Generator[None]:
    """Within, the loss may be called: random states stay as they were, and so do the buffers of one that is a module."""
    kept = unchanged(loss) if isinstance(loss, nn.Module) else contextlib.nullcontext()
    with torch.random.fork_rng(devices=[]), torch.no_grad(), kept:
        yield
