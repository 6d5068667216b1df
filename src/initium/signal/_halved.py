"""What a walk keeps for its way back, in half the memory: of a model that is too large to be drawn, it is nearly all."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import saved_tensors_hooks

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

# Of fewer elements a copy is not worth its making.
_LEAST = 1 << 16


def halved(*, worth: bool) -> AbstractContextManager[object]:
    """In which float32 values are kept for derivatives as bfloat16: its range is the same, and its error 2^-8 at most, at random.

    A figure is a root mean square of very many, and errs by less.
    """
    return saved_tensors_hooks(_packed, _unpacked) if worth else nullcontext()


def _packed(value: Tensor) -> Tensor | tuple[Tensor]:
    if value.dtype == torch.float32 and value.numel() >= _LEAST and not value.is_leaf:
        return (value.to(torch.bfloat16),)
    return value


def _unpacked(kept: Tensor | tuple[Tensor]) -> Tensor:
    return kept[0].float() if isinstance(kept, tuple) else kept
