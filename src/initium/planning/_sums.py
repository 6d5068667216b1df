# pyright: basic
# Numba has no types to offer.
"""Sums over a large CPU tensor in one pass and no memory: torch would convert it first, and then pass over it again."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from initium.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1024
KINDS = frozenset((torch.float32, torch.bfloat16))
# Of a block of numbers any order of adding is as good as another; with leave to choose one, many are added at once.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}


def sums(values: torch.Tensor, about: float) -> tuple[float, float]:
    """The sums of ``v - about`` and of its square, over a contiguous float32 or bfloat16 tensor of one axis."""
    stored = values.view(torch.uint16) if values.dtype == torch.bfloat16 else values
    return _kernel(values.dtype)(stored.numpy(), np.float32(about))


@cache
def _kernel(dtype: torch.dtype) -> Callable[..., Any]:
    from numba import types  # noqa: PLC0415  as in `compiled`

    function, stored = (_brains, types.uint16) if dtype == torch.bfloat16 else (_singles, types.float32)
    signature = types.UniTuple(types.float64, 2)(types.Array(stored, 1, "C"), types.float32)
    return compiled(function, signature, **OPTIONS)


def _singles(values, about):
    total = square = 0.0
    for at in range(0, values.size, BLOCK):
        part = values[at : at + BLOCK]
        first = second = np.float32(0)
        for i in range(part.size):
            off = part[i] - about
            first += off
            second += off * off
        total += first
        square += second
    return total, square


def _brains(values, about):
    total = square = 0.0
    words = np.empty(BLOCK, np.uint32)
    floats = words.view(np.float32)
    for at in range(0, values.size, BLOCK):
        part = values[at : at + BLOCK]
        for i in range(part.size):
            words[i] = np.uint32(part[i]) << np.uint32(16)
        first = second = np.float32(0)
        for i in range(part.size):
            off = floats[i] - about
            first += off
            second += off * off
        total += first
        square += second
    return total, square
