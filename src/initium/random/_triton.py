"""The backend of GPUs: one Triton kernel, the same bits as the reference, no temporary that grows with the tensor.

It needs Triton 3.3, which comes with torch 2.7: earlier ones take no tuples. ``obstacle`` tells what is amiss.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import torch

from initium.checks import holds_nothing
from initium.random._laws import Bernoulli, Curved, Law, Normal, Truncated, Uniform
from initium.random._reference import Reference

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import ModuleType

    from initium.random._stream import Key

# Counters a program draws, four elements each: two a thread. The interpreter takes its time for a program, however
# little that draws.
BLOCK, INTERPRETED = 256, 1 << 11
# Dtypes that the kernel rounds to by itself; the others are copied from float32, so many elements at a time.
DIRECT = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
CHUNK = 1 << 22
# How many normals tell whether a machine keeps the bits: where products and sums are fused, every other one is wrong.
TRIAL = 1 << 12

# What the kernel takes: a law as a function of the words, and its numbers.
Drawn = tuple[object, tuple[object, ...]]


@cache
def _kernels() -> ModuleType:
    from initium.random import _triton_kernels  # noqa: PLC0415  Triton is optional, and heavy

    return _triton_kernels


class Triton:
    """Stream version 1 by Triton: compiled on a GPU, or interpreted on a CPU where ``TRITON_INTERPRET=1`` is set."""

    def words(self, key: Key, start: int, count: int, device: torch.device) -> torch.Tensor:
        """The 32-bit words of flat indices start to start + count, as int64."""
        out = torch.empty(count, dtype=torch.int64, device=device)
        if not holds_nothing(out):
            _launch(out, key, start, (_kernels().raw, ()))
        return out

    def fill(self, flat: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous 1-d tensor of any floating dtype (or bool)."""
        if holds_nothing(flat):
            return
        if flat.dtype in DIRECT or (flat.dtype == torch.bool and isinstance(law, Bernoulli)):
            _launch(flat, key, start, _drawn(law))
        else:
            for at in range(0, flat.numel(), CHUNK):
                part = flat[at : at + CHUNK]
                values = torch.empty(part.numel(), dtype=torch.float32, device=flat.device)
                _launch(values, key, start + at, _drawn(law))
                part.copy_(values)


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


def _launch(flat: torch.Tensor, key: Key, start: int, drawn: Drawn) -> None:
    """Fill a tensor that is not empty; fusing a product and a sum would change half of the values."""
    law, numbers = drawn
    count, counter, skip = flat.numel(), start >> 2, start & 3
    block = BLOCK if flat.is_cuda else INTERPRETED
    programs = -(-(skip + count) // (4 * block))
    with _place(flat):
        _kernels().fill[programs,](
            flat, count, counter, skip, *key, numbers, law=law, block=block, enable_fp_fusion=False
        )
    # Autograd cannot see a kernel's writes.
    torch.autograd.graph.increment_version(flat)


def _place(flat: torch.Tensor) -> AbstractContextManager[Any]:
    """A kernel goes to the current device; the interpreter's numpy would warn of an overflow, where a GPU does not."""
    return torch.cuda.device(flat.device) if flat.is_cuda else np.errstate(all="ignore")


@cache
def obstacle(device: torch.device) -> str | None:
    """Why Triton cannot serve a device, found by trying once, or None where it gives the reference's bits."""
    if device.type not in {"cpu", "cuda"}:
        return f"the Triton backend does not know devices of type {device.type!r}"
    key, normal = (1, 2, 3, 4), Normal(0.0, 1.0)
    drawn, expected = (torch.empty(TRIAL, dtype=torch.float32, device=device) for _ in range(2))
    try:
        Triton().fill(drawn, key, 0, normal)
    except Exception as error:  # noqa: BLE001  no Triton, compiler or driver: each raises its own kind
        return f"Triton does not run here: {type(error).__name__}: {error}".partition("\n")[0]
    Reference().fill(expected, key, 0, normal)
    if torch.equal(drawn, expected):
        return None
    return "what Triton compiles for this device has other bits than the reference"
