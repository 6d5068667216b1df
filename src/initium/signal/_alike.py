"""How far apart a layer's answers to different samples are: whether the network can still tell its inputs apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.signal._moments import not_zero
from initium.signal._thinned import thinned

if TYPE_CHECKING:
    from torch import Tensor

# Of so many samples the mean over pairs is known to a few per cent, as a cosine is from so many elements.
_SAMPLES, _ELEMENTS = 32, 1024


def batch_size(inputs: list[Tensor], targets: list[Tensor]) -> int:
    """How many samples a batch holds: the first size that its tensors share, or that of the target; 0 where none is."""
    sizes = {tensor.shape[0] for tensor in inputs if tensor.ndim}
    if len(sizes) != 1:
        sizes &= {tensor.shape[0] for tensor in targets if tensor.ndim}
    return sizes.pop() if len(sizes) == 1 else 0


def one_each(target: object, samples: int) -> bool:
    """Whether a target holds one number for each sample."""
    return isinstance(target, torch.Tensor) and target.ndim > 0 and target.shape[0] == samples == target.numel()


def apart(value: Tensor, samples: int) -> Tensor | None:
    """1 less the mean cosine between two samples along the first axis; ``None`` where that axis holds no samples.

    With ``u_i`` the samples at length 1, ``sum |u_i - mean(u)|^2 / (n - 1)``: the same number, and no difference of two that
    are nearly equal.
    """
    if value.ndim < 2 or value.shape[0] != samples or samples < 2 or value.is_complex() or not value.numel():  # noqa: PLR2004 - a pair
        return None
    few = thinned(value.detach(), (0,), _SAMPLES)
    few = thinned(few, tuple(range(few.ndim - 1, 0, -1)), _ELEMENTS).reshape(len(few), -1)
    few = few.to(torch.promote_types(few.dtype, torch.float32))
    few = few / not_zero(few.abs().amax(1, keepdim=True))
    length = few.norm(dim=1, keepdim=True)
    there = (length > 0).to(few.dtype)
    unit, count = few / not_zero(length), there.sum()
    return (unit - unit.sum(0) / count).square().mul(there).sum() / (count - 1).clamp(min=0)
