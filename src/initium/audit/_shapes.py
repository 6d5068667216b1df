"""The continuous laws that values can be drawn from: likelihood, distance from the sample, chance of that distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch

from initium.audit._values import tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from initium.audit._values import Values

CUTS = (2.0, 3.0)
_LOG_ROOT = 0.5 * math.log(2 * math.pi)
Sample: TypeAlias = "NDArray[np.float64]"
_PLACES = 1 << 12
_NEVER = 20  # below so many values a fourth moment has no known law


@dataclass(frozen=True, slots=True)
class Shape:
    """A law fitted to a sample.

    Attributes:
        kind: ``normal``, ``uniform`` or ``truncated_normal``.
        cut: Of a truncated one, at how many standard deviations.
        scale: The std (before the cut), or the bound.
        farthest: The largest value, from the centre.
        likelihood: The logarithm of the likelihood.
        distance: Kolmogorov's: the largest gap between the two distribution functions.
        chance: How likely a gap, or a fourth moment, at least as far off would be under the law.
    """

    kind: str
    cut: float
    scale: float
    farthest: float
    likelihood: float
    distance: float
    chance: float

    @property
    def text(self) -> str:
        """The law in words."""
        return f"normal cut at {self.cut:.3g} std" if self.kind == "truncated_normal" else self.kind

    @property
    def std(self) -> float:
        """The std that the scale gives."""
        match self.kind:
            case "uniform":
                return self.scale / math.sqrt(3)
            case "truncated_normal":
                return self.scale * cut_std(self.cut)
            case _:
                return self.scale

    @property
    def kurtosis(self) -> float:
        """The fourth moment over the squared second."""
        match self.kind:
            case "uniform":
                return 9 / 5
            case "truncated_normal":
                return _cut_kurtosis(self.cut)
            case _:
                return 3.0


def shapes(values: Values, centre: float) -> list[Shape]:
    """The simple laws about a centre, the simplest first."""
    seen = _seen(values, centre)
    return [_normal(seen), _uniform(seen), *(_truncated(seen, cut) for cut in CUTS)]


def any_cut(values: Values, centre: float) -> Shape | None:
    """A normal cut wherever its ends and its second moment say; none where there is no such cut."""
    seen = _seen(values, centre)
    wanted = math.sqrt(seen.second) / seen.farthest
    low, high = 0.5, 4.0  # rms over bound falls from 0.57 to 0.25
    if not cut_std(high) / high < wanted < cut_std(low) / low:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cut_std(middle) / middle > wanted else (low, middle)
    return _truncated(seen, (low + high) / 2)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the laws are fitted to: a sample about its centre, in order statistics that are evenly spread.

    The gap at some of them is no larger than the gap at all.
    """

    count: int
    second: float
    fourth: float
    low: float
    high: float
    x: Sample
    above: Sample
    step: float
    about_zero: bool

    @property
    def farthest(self) -> float:
        return max(-self.low, self.high)

    def gap(self, under: Sample) -> float:
        """Kolmogorov's, at the chosen places, from both sides."""
        return max(float((self.above - under).max()), float((under - self.above).max()) + 1 / self.count)

    def chance(self, gap: float) -> float:
        """Massart's bound, of the gap beyond what rounding alone can make; a fitted law is nearer still."""
        return min(1.0, 2 * math.exp(-2 * self.count * max(0.0, gap - self.step / 2) ** 2))


def _seen(values: Values, centre: float) -> _Seen:
    x = values.sample - centre if centre else values.sample
    count, square = len(x), x * x
    places = np.linspace(0, count - 1, min(count, _PLACES)).astype(np.int64)
    return _Seen(
        count=count,
        second=float(square.mean()),
        fourth=float((square * square).mean()),
        low=float(x[0]),
        high=float(x[-1]),
        x=x[places],
        above=(places + 1) / count,
        step=values.step,
        about_zero=not centre,
    )


def _normal(seen: _Seen) -> Shape:
    count, scale = seen.count, math.sqrt(seen.second)
    gap = seen.gap(_below(seen.x / scale))
    # Two tests at half the level each; rounding moves the fourth moment by less than its step.
    kurtosis = _kurtosis_chance(seen.fourth / seen.second**2, count, seen.step)
    chance = min(1.0, 2 * min(seen.chance(gap), kurtosis))
    return Shape("normal", math.inf, scale, seen.farthest, -count * (math.log(scale) + _LOG_ROOT + 0.5), gap, chance)


def _uniform(seen: _Seen) -> Shape:
    low, high = (-seen.farthest, seen.farthest) if seen.about_zero else (seen.low, seen.high)
    bound = (high - low) / 2
    gap = seen.gap((seen.x - low) / (2 * bound))
    return Shape("uniform", math.inf, bound, bound, -seen.count * math.log(2 * bound), gap, seen.chance(gap))


def _truncated(seen: _Seen, cut: float) -> Shape:
    # Most likely is the least scale that the largest value allows.
    scale = max(seen.farthest / cut, math.sqrt(seen.second))
    mass = math.erf(cut / math.sqrt(2))
    likelihood = -seen.count * (math.log(scale * mass) + _LOG_ROOT + seen.second / scale**2 / 2)
    gap = seen.gap((_below(seen.x / scale) - (1 - mass) / 2) / mass)
    # Two tests at half the level each: the gap, and the second moment beside the one that the ends imply.
    off = abs(seen.second / (scale * cut_std(cut)) ** 2 - 1) - 2 * seen.step
    spread = tail(max(0.0, off) / math.sqrt((_cut_kurtosis(cut) - 1) / seen.count))
    chance = min(1.0, 2 * min(seen.chance(gap), spread))
    return Shape("truncated_normal", cut, scale, seen.farthest, likelihood, gap, chance)


def cut_std(cut: float) -> float:
    """The std of a standard normal cut at ``cut`` on both sides."""
    mass = math.erf(cut / math.sqrt(2))
    return math.sqrt(1 - 2 * cut * _density(cut) / mass)


def _cut_kurtosis(cut: float) -> float:
    mass = math.erf(cut / math.sqrt(2))
    fourth = 3 - 2 * (cut**3 + 3 * cut) * _density(cut) / mass
    return fourth / cut_std(cut) ** 4


def _density(x: float) -> float:
    return math.exp(-x * x / 2 - _LOG_ROOT)


def _below(x: Sample) -> Sample:
    """The standard normal's distribution function."""
    return 0.5 + 0.5 * torch.erf(torch.from_numpy(x / math.sqrt(2))).numpy()


def _kurtosis_chance(fourth: float, count: int, step: float) -> float:
    """Of a normal sample (Anscombe and Glynn 1983)."""
    if count < _NEVER:
        return 1.0
    n, off = count, fourth - 3 + 6 / (count + 1)
    off = math.copysign(max(0.0, abs(off) - step), off)
    x = off / math.sqrt(24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5)))
    skew = 6 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / skew * (2 / skew + math.sqrt(1 + 4 / skew**2))
    inner = 1 + x * math.sqrt(2 / (a - 4))
    root = math.copysign(abs((1 - 2 / a) / inner) ** (1 / 3), inner) if inner else 0.0
    return tail((1 - 2 / (9 * a) - root) / math.sqrt(2 / (9 * a)))
