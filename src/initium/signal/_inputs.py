"""The size of what comes into a network, where the first weight reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.signal._moments import unit_moments

if TYPE_CHECKING:
    from torch import Tensor


def input_figures(value: Tensor, axis: int) -> dict[str, Tensor]:
    """The figures of an input whose features stand along an axis."""
    moments = unit_moments(value, axis)
    features = (moments.var + moments.mean.square()).sqrt()
    return {
        "mean": moments.total_mean,
        "std": moments.std,
        "rms": moments.rms,
        "largest": moments.largest,
        "spread": features.max() / features.median(),
    }
