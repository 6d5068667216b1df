"""How far an activation passes a gradient: its largest slope, and at which ends it is flat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from initium.checks import number
from initium.errors import ArgumentError
from initium.gains._activation import Activation
from initium.gains._apart import apart
from initium.gains._callable import guarded
from initium.gains._describe import identify
from initium.gains._evaluate import differentiate

if TYPE_CHECKING:
    from typing import SupportsFloat

    from torch import Tensor

    from initium.gains._describe import Nonlinearity

_FAR = 8.0
_NEAR = 0.1
_SHARE = 1 / 20
_STEPS = 1601


@dataclass(frozen=True, slots=True)
class Reach:
    """How an activation's slope runs over [-8, 8].

    Attributes:
        peak: The largest slope there; 0 where it is not finite everywhere (log, sqrt), and nothing counts as flat.
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


@apart()
def reach(activation: Nonlinearity) -> Reach:
    """Reads an activation's slope once, on a grid.

    It saturates where both ends are flat and it is not flat close to zero already: the negative side of ReLU6 is a
    rectifier's, only its positive side saturates.

    Args:
        activation: Whatever `moments` takes. Where autograd has no derivative, the slope counts as 0.

    Returns:
        Its reach.

    Raises:
        ArgumentError: A gated unit, or a random slope.
        ArgumentTypeError: See `moments`.
        UnknownNameError: No activation has that name.

    Example:
        >>> from initium.gains import Activation, reach
        >>> reach(Activation("tanh")).bounded, reach(Activation("gelu")).bounded
        (True, False)
    """
    middle = _STEPS // 2
    # With 0 itself, where a slope without a bound shows: linspace misses it by rounding.
    grid = torch.arange(-middle, middle + 1, dtype=torch.float64, device="cpu") * (_FAR / middle)
    slope = _slope(activation, grid)
    if not bool(slope.isfinite().all()):
        return Reach(0.0, below=False, above=False, bounded=False)
    peak = float(slope.max())
    flat = slope < _SHARE * peak
    near = round(_NEAR / (grid[1] - grid[0]).item())
    both = bool(flat[0]) and bool(flat[-1])
    return Reach(peak, both and not bool(flat[middle - near]), both and not bool(flat[middle + near]), both)


@apart()
def saturation(activation: Nonlinearity, std: SupportsFloat) -> float:
    """The share of N(0, std^2) at which the slope is below a twentieth of the largest.

    Args:
        activation: As for :func:`reach`.
        std: The inputs' standard deviation, finite and >= 0.

    Returns:
        The share, to a thousandth.

    Raises:
        ArgumentError: As for :func:`reach`; a standard deviation that is none.
        ArgumentTypeError: As for :func:`reach`.
        UnknownNameError: No activation has that name.

    Example:
        >>> from initium.gains import Activation, saturation
        >>> saturation(Activation("hardtanh"), 1.0)
        0.318
    """
    spread = number(std, "std")
    if not 0 <= spread < math.inf:
        message = f"a standard deviation is finite and >= 0; got {spread!r}."
        raise ArgumentError(message)
    return float(reach(activation).flat(_slope(activation, spread * _quantiles())).double().mean())


@lru_cache(maxsize=1)
def _quantiles() -> Tensor:
    from scipy.special import ndtri  # noqa: PLC0415  scipy is slow to load: only who integrates pays

    return torch.from_numpy(ndtri((np.arange(1000) + 0.5) / 1000))


def _slope(activation: Nonlinearity, points: Tensor) -> Tensor:
    found = identify(activation, {})
    function = found.function if isinstance(found, Activation) else guarded(found)
    slopes = differentiate(function, points)[1]
    return torch.zeros_like(points) if slopes is None else slopes.double().abs()
