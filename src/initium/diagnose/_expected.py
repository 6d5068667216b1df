"""What the weights say that a layer does, before anything is measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.errors import InitiumError
from initium.gains import Moments, moments, variance_slope

if TYPE_CHECKING:
    from initium.diagnose._links import Link
    from initium.network import Neighbour

# Enough digits for a figure in a report, few enough that the layers of a network share one integral.
_DIGITS = 2
_SMALL = 1e-3
_DRIFT = 5.0


def around(neighbour: Neighbour, rms: float = 1.0) -> Moments | None:
    """The moments of an activation at inputs of this rms; ``None`` where there is none, or no integral."""
    if neighbour.activation is None or not math.isfinite(rms) or rms <= 0:
        return None
    try:
        return moments(neighbour.activation, variance=_rounded(rms) ** 2)
    except (InitiumError, RuntimeError, OverflowError):
        return None


def factor(last: Link, link: Link) -> float | None:
    """The factor on the second moment of whatever depends on the input: ``fan_in * weight_rms^2 * E[phi'(z)^2]``.

    ``phi`` is the activation between the two links and ``z ~ N(0, out_rms^2)`` its input as measured. Before ReLU it is
    also the factor on the whole second moment, ``E[phi^2] = E[phi'^2] = 1/2``; and with fan_out in place of fan_in it is
    the gradient's (Poole et al. 2016, eq. 5; Schoenholz et al. 2017, eq. 6: chi_1).
    """
    if not link.plain:
        return None
    if link.use.before.kind == "linear":
        return link.gain**2
    at = around(link.use.before, last.row.out_rms)
    return None if at is None or math.isnan(at.slope_second) else link.gain**2 * at.slope_second


def needed(neighbour: Neighbour) -> tuple[float, float] | None:
    """The smallest and largest gain that are right before an activation; ``None`` where none is known.

    One keeps the second moment of a signal of unit variance, ``1 / sqrt(E[phi(z)^2])``; the other that of a small one,
    ``1 / sqrt(E[phi'(0)^2])``. Before ReLU both are sqrt(2); before tanh a signal settles between them for any gain from
    1 (Glorot's) to 1.59.
    """
    unit, small = around(neighbour), around(neighbour, _SMALL)
    if unit is None or small is None or not (unit.second > 0 and small.slope_second > 0):
        return None
    low, high = sorted((unit.gain, small.backward_gain))
    return low, high


def flat(neighbour: Neighbour) -> bool:
    """True where the activation has no slope anywhere (sign, round): no start makes a gradient pass."""
    if neighbour.activation is None:
        return False
    at = around(neighbour)
    return at is not None and at.slope_second == 0


def drifts(neighbour: Neighbour, depth: int) -> bool:
    """True where unit variance is no stable point of the activation: over this depth no gain alone holds a signal there."""
    if neighbour.activation is None:
        return False
    try:
        return variance_slope(neighbour.activation) ** depth > _DRIFT
    except (InitiumError, RuntimeError, OverflowError):
        return False


def centred(neighbour: Neighbour) -> bool:
    """True where the activation's output is mostly signal: its mean carries less than half of its second moment."""
    at = around(neighbour)
    return at is None or at.mean**2 <= at.second / 2


def _rounded(value: float) -> float:
    return round(value, _DIGITS - 1 - math.floor(math.log10(value)))
