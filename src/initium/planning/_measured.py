"""The std of values that are there, in one pass and little memory: a receipt must cost less than what it is about."""

from __future__ import annotations

import math

import torch

from initium.planning._sums import by_numba, by_torch

# Elements at a time: their float32 copy stays near a core.
CHUNK = 1 << 16
# From so many on, loading Numba is worth its second; to fill them has loaded it already.
LARGE = 1 << 22


def measured_std(values: torch.Tensor) -> float:
    """The std of the values; NaN where there are none."""
    if values.is_meta or not values.numel():
        return math.nan
    if values.numel() <= CHUNK or values.is_complex() or values.dtype == torch.float64:
        wide = values if values.is_complex() or values.dtype == torch.float64 else values.float()
        return float(wide.std(correction=0))
    # About one of the values, so that a spread that is small beside the mean is not lost; of a constant it is exactly 0.
    about, count = float(values[(0,) * values.dim()]), values.numel()
    added = by_numba() if count >= LARGE and values.is_cpu else by_torch
    beside = torch.empty(CHUNK, dtype=torch.float32, device=values.device)
    parts = [added(beside[: len(part)].copy_(part), about) for part in _in_memory_order(values).split(CHUNK)]
    total, square = (sum(column) / count for column in zip(*parts, strict=True))
    return math.sqrt(max(0.0, square - total**2)) if math.isfinite(square) else math.nan


def _in_memory_order(values: torch.Tensor) -> torch.Tensor:
    """All values in one row, in whatever order costs no copy."""
    order = sorted(range(values.dim()), key=values.stride, reverse=True)
    return values.permute(order).reshape(-1)
