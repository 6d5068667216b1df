"""The float32 numbers next to a Python float: a law's numbers are rounded once, on the host."""

from __future__ import annotations

from ctypes import c_float

import numpy as np


def nearest(value: float) -> float:
    """The float32 number nearest to ``value``."""
    return c_float(value).value


def step(value: float, towards: float) -> float:
    """The next float32 number after a float32 number."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.nextafter(np.float32(value), np.float32(towards)))


def inward(low: float, high: float) -> tuple[float, float]:
    """The widest float32 interval inside [low, high]; where none is, the nearest number twice."""
    first, last = nearest(low), nearest(high)
    first = step(first, np.inf) if first < low else first
    last = step(last, -np.inf) if last > high else last
    return (first, last) if first <= last else (nearest(low), nearest(low))


def centred(low: float, high: float) -> tuple[float, float]:
    """Centre and half-width, float32, such that ``centre + half * u`` never leaves [low, high] for any u in [-1, 1]."""
    first, last = inward(low, high)
    centre, half = min(max(nearest(low / 2 + high / 2), first), last), nearest(high / 2 - low / 2)
    gap = float(np.spacing(np.float32(max(abs(first), abs(last)))))
    while half > 0 and not first <= nearest(centre - half) <= nearest(centre + half) <= last:
        half = max(nearest(half - gap), 0.0)
    return centre, half
