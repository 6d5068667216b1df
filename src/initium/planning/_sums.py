# pyright: basic
# Numba has no types to offer.
"""Sums of float32 values about one of them, in float64: compiled, because torch would pass over them once for each step."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from initium.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# The order of adding is free: several sums run side by side.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz"}}


def by_torch(values: torch.Tensor, about: float) -> tuple[float, float]:
    """The sums of ``v - about`` and of its square, on any device."""
    off = values.double().sub_(about)
    return float(off.sum()), float(off.square_().sum())


@cache
def by_numba() -> Callable[[torch.Tensor, float], tuple[float, float]]:
    """The same for a float32 tensor of one axis on the CPU; by torch where Numba does not serve."""
    try:
        from numba import types  # noqa: PLC0415  as in `compiled`

        signature = types.UniTuple(types.float64, 2)(types.Array(types.float32, 1, "C"), types.float64)
        added: Callable[[Any, float], tuple[float, float]] = compiled(_added, signature, **OPTIONS)
    except Exception:  # noqa: BLE001  a compiler that does not fit its surroundings fails in many ways; torch adds as well
        return by_torch
    return lambda values, about: added(values.numpy(), about)


def _added(values, about):
    total = square = 0.0
    for i in range(values.size):
        off = values[i] - about
        total += off
        square += off * off
    return total, square
