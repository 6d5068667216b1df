"""The std of values that are there, in one pass and little memory: a receipt must cost less than what it is about."""

from __future__ import annotations

import math
from contextlib import suppress

import torch

from initium.planning._sums import KINDS, sums

# Elements at a time: their float32 copy stays near a core.
CHUNK = 1 << 18
# From so many on, loading Numba is worth its second; to fill them has loaded it already.
LARGE = 1 << 22


def measured_std(values: torch.Tensor) -> float:
    """The std of the values; NaN where there are none. Above a chunk, good to 1e-6 of itself."""
    if values.is_meta or not values.numel():
        return math.nan
    if values.numel() <= CHUNK or values.is_complex() or values.dtype == torch.float64:
        wide = values if values.is_complex() or values.dtype == torch.float64 else values.float()
        return float(wide.std(correction=0))
    # About one of the values, so that a spread that is small beside the mean is not lost; of a constant it is exactly 0.
    about = float(values[(0,) * values.dim()])
    total, square = _sums(_in_memory_order(values), about)
    count = values.numel()
    return math.sqrt(max(0.0, square / count - (total / count) ** 2)) if math.isfinite(square) else math.nan


def _sums(row: torch.Tensor, about: float) -> tuple[float, float]:
    """The sums of ``v - about`` and of its square."""
    plain = type(row) is torch.Tensor and row.is_cpu and row.is_contiguous() and not row.is_neg()
    if plain and row.numel() >= LARGE and row.dtype in KINDS:
        with suppress(ImportError):
            return sums(row, about)
    total = square = 0.0
    for chunk in row.split(CHUNK):
        wide = chunk.to(torch.float32, copy=True).sub_(about)
        total += float(wide.sum())
        square += float(wide.square_().sum())  # pairwise, where a dot product adds one after the other
    return total, square


def _in_memory_order(values: torch.Tensor) -> torch.Tensor:
    """All values in one row, in whatever order costs no copy."""
    order = sorted(range(values.dim()), key=values.stride, reverse=True)
    return values.permute(order).reshape(-1)
