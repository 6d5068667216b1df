"""A fixed random gradient at the output, where there is no loss."""

from __future__ import annotations

import torch

from initium.random import Stream, normal_


def cotangent(root: torch.Tensor, index: int) -> torch.Tensor:
    """Independent draws of mean 0 and variance 1, the same for every call, in the root's shape, dtype and place."""
    empty = torch.empty(root.shape, dtype=root.dtype, device=root.device)
    return normal_(empty, Stream(0).child("cotangent").child(str(index)))
