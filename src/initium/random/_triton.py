"""The backend of GPUs: one Triton kernel, the same bits as the reference, no temporary that grows with the tensor.

It needs Triton 3.3, which comes with torch 2.7: earlier ones take no tuples.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import torch
from torch.autograd.graph import increment_version

from initium.random._laws import Bernoulli, Curved, Law, Normal, Truncated, Uniform

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import ModuleType

    from initium.random._stream import Key

# Counters a program draws, four elements each: two a thread. The interpreter takes its time for a program, however
# little that draws.
BLOCK, INTERPRETED = 256, 1 << 11

# What the kernel takes: a law as a function of the words, and its numbers.
Drawn = tuple[object, tuple[object, ...]]


@cache
def _kernels() -> ModuleType:
    from initium.random import _triton_kernels  # noqa: PLC0415  Triton is optional, and heavy

    return _triton_kernels


class Triton:
    """Stream version 1 by Triton: compiled on a GPU, or interpreted on a CPU where ``TRITON_INTERPRET=1`` is set."""

    def __init__(self) -> None:
        _kernels()  # a backend that cannot be loaded is no backend

    def words(self, out: torch.Tensor, key: Key, start: int) -> None:
        """The 32-bit words of flat indices start onwards, as int64."""
        if out.numel():
            _launch(out, key, start, (_kernels().raw, ()))

    def fill(self, out: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous tensor, rounded to its dtype."""
        if out.numel():
            _launch(out, key, start, _drawn(law))


def _drawn(law: Law) -> Drawn:
    kernels = _kernels()
    match law:
        case Uniform(centre, half):
            return kernels.uniform, (centre, half)
        case Normal(mean, std):
            return kernels.normal, (mean, std)
        case Truncated():
            return kernels.truncated, (law.mean, law.std, law.low, law.high, law.below, law.above, law.mass)
        case Curved():
            by = kernels.curved_by_log if law.by == "log" else kernels.curved_by_share
            return by, (law.edge, law.step, law.low, law.high, law.rest, law.share, law.slope, law.coefficients)
        case Bernoulli(threshold):
            return kernels.bernoulli, (threshold,)
        case _:
            assert_never(law)


def _launch(out: torch.Tensor, key: Key, start: int, drawn: Drawn) -> None:
    """Fill a tensor that is not empty; fusing a product and a sum would change half of the values."""
    law, numbers = drawn
    count, counter, skip = out.numel(), start >> 2, start & 3
    block = BLOCK if out.is_cuda else INTERPRETED
    programs = -(-(skip + count) // (4 * block))
    with _place(out):
        _kernels().fill[programs,](
            out, count, counter, skip, *key, numbers, law=law, block=block, enable_fp_fusion=False
        )
    if not out.is_inference():
        increment_version(out)  # autograd does not see what a kernel writes


def _place(flat: torch.Tensor) -> AbstractContextManager[Any]:
    """A kernel goes to the current device; the interpreter's numpy would warn of an overflow, where a GPU does not."""
    return torch.cuda.device(flat.device) if flat.is_cuda else np.errstate(all="ignore")
