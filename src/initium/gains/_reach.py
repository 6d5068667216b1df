"""How far an activation passes a gradient: its largest slope, and at which ends it is flat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from initium.gains._activation import Activation
from initium.gains._evaluate import differentiate

if TYPE_CHECKING:
    from torch import Tensor

    from initium.gains._law import TensorMap

_FAR = 8.0
_NEAR = 0.1
_SHARE = 1 / 20
_STEPS = 1601


@dataclass(frozen=True, slots=True)
class Reach:
    """How an activation's slope runs over [-8, 8].

    Attributes:
        peak: The largest slope there.
        below: True where a large negative value saturates it.
        above: True where a large positive value does.
        bounded: True where both ends are flat.
    """

    peak: float
    below: bool
    above: bool
    bounded: bool

    def flat(self, slope: Tensor) -> Tensor:
        """Where a slope is below a twentieth of the largest."""
        return slope.abs() < _SHARE * self.peak


def reach(activation: Activation | TensorMap) -> Reach:
    """Reads an activation's slope once, on a grid.

    It saturates where both ends are flat and it is not flat close to zero already: the negative side of ReLU6 is a
    rectifier's, only its positive side saturates.

    Args:
        activation: An activation of the table, or a function of one number on tensors.

    Returns:
        Its reach.

    Raises:
        ArgumentError: A gated unit, or a random slope.

    Example:
        >>> from initium.gains import Activation, reach
        >>> reach(Activation("tanh")).bounded, reach(Activation("gelu")).bounded
        (True, False)
    """
    grid = torch.linspace(-_FAR, _FAR, _STEPS, dtype=torch.float64, device="cpu")
    slope = _slope(activation, grid)
    peak = float(slope.max())
    flat = slope < _SHARE * peak
    near = round(_NEAR / (grid[1] - grid[0]).item())
    both = bool(flat[0]) and bool(flat[-1])
    middle = _STEPS // 2
    return Reach(peak, both and not bool(flat[middle - near]), both and not bool(flat[middle + near]), both)


def saturation(activation: Activation | TensorMap, std: float) -> float:
    """The share of N(0, std^2) at which the slope is below a twentieth of the largest.

    Args:
        activation: As for :func:`reach`.
        std: The inputs' standard deviation.

    Returns:
        The share, to a thousandth.

    Raises:
        ArgumentError: As for :func:`reach`.

    Example:
        >>> from initium.gains import Activation, saturation
        >>> saturation(Activation("hardtanh"), 1.0)
        0.318
    """
    return float(reach(activation).flat(_slope(activation, std * _quantiles())).double().mean())


@lru_cache(maxsize=1)
def _quantiles() -> Tensor:
    from scipy.special import ndtri  # noqa: PLC0415  scipy is slow to load: only who integrates pays

    return torch.from_numpy(ndtri((np.arange(1000) + 0.5) / 1000))


def _slope(activation: Activation | TensorMap, points: Tensor) -> Tensor:
    function = activation.function if isinstance(activation, Activation) else activation
    return differentiate(function, points)[1].double().abs().nan_to_num(0.0, posinf=0.0)
