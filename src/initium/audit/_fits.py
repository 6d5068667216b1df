"""Whether drawn values can be of the very law that was planned: its figures are known, so that few values do as well as many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.audit._values import deviate
from initium.records import Normal, TruncatedNormal, Uniform

if TYPE_CHECKING:
    from initium.records import Fill

_NORMAL = 3.0  # the kurtosis; a cut normal has less, and strays by less


@dataclass(frozen=True, slots=True)
class Fits:
    """What of a planned law the values allow.

    Attributes:
        std: The planned std may be theirs.
        mean: So may the mean 0.
    """

    std: bool
    mean: bool


NOTHING = Fits(std=False, mean=False)


def fits(fill: Fill, wide: torch.Tensor, step: float, level: float) -> Fits:
    """Two tests at half the level each.

    The mean of n values over std / sqrt(n) is normal. Their mean square over the variance is chi-squared over n degrees,
    and its cube root is nearly normal (Wilson and Hilferty 1931). Of a uniform law P(the largest of n < b t) = t^n.
    """
    if not isinstance(fill, Normal | TruncatedNormal | Uniform) or not wide.numel() or wide.is_complex():
        return NOTHING
    count, planned = wide.numel(), fill.bound / math.sqrt(3) if isinstance(fill, Uniform) else fill.std
    if not planned:
        return NOTHING
    spread, centre = (float(each) for each in torch.std_mean(wide, correction=0))
    mean = abs(centre) <= planned * (deviate(level / 2) / math.sqrt(count) + step / 2)
    if isinstance(fill, Uniform):
        largest = float(wide.abs().max()) / fill.bound
        return Fits((level / 2) ** (1 / count) - step <= largest <= 1 + step, mean)
    part = (_NORMAL - 1) / (9 * count)
    root = (math.hypot(spread, centre) / planned) ** (2 / 3)
    return Fits(abs(root - (1 - part)) <= deviate(level / 2) * math.sqrt(part) + step, mean)
