"""Closed forms for the normal distribution function: erf, the Laplace activation, and the exact GELU.

With P the standard normal distribution function, p its density, x ~ N(m, v), h = m / sqrt(1 + v):

- E[P(x)] = P(h);  E[P(x)^2] = P(h) - 2 T(h, 1 / sqrt(1 + 2 v)), T being Owen's function (Owen 1956, "Tables for
  computing bivariate normal probabilities", eq. 2.1). At m = 0 this is 1/4 + asin(v / (1 + v)) / (2 pi).
- Stein's identity E[(x - m) f(x)] = v E[f'(x)] lowers every power of x.
- A factor p(x) or p(x)^2 changes the normal law to another one.

At m = 0 and v = 1 the second moment of GELU is 1/4 + 1/12 + 1 / (2 pi sqrt 3): the diagonal of the GELU kernel of
Tsuchida, Pearce, van der Heide, Roosta & Gallagher, "Avoiding Kernel Fixed Points" (AAAI 2021).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from initium.gains._law import Bounded, Estimate

_EPS = 2.0**-52
# Each term is a dozen roundings, and the tails of the normal distribution magnify those of their argument.
_ROUNDINGS = 256


def _sum(*terms: float) -> Bounded:
    """A sum, and what rounding can have done to it."""
    return Bounded(math.fsum(terms), _ROUNDINGS * _EPS * sum(map(abs, terms)))


def _density(x: float, variance: float) -> float:
    """The density of N(0, variance)."""
    return math.exp(-x * x / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def _cdf(x: float) -> float:
    """The standard normal distribution function."""
    return math.erfc(-x / math.sqrt(2)) / 2


def _square_of_cdf(mean: float, variance: float) -> tuple[float, ...]:
    """Terms of E[P(x)^2]; at mean 0 they are 1/4 and an arcsine, so that taking 1/4 away loses nothing."""
    if mean == 0:
        return 0.25, math.asin(variance / (1 + variance)) / (2 * math.pi)
    from scipy.special import owens_t  # noqa: PLC0415  scipy is slow to load: only who integrates pays

    h = mean / math.sqrt(1 + variance)
    return _cdf(h), -2 * float(owens_t(h, 1 / math.sqrt(1 + 2 * variance)))


def affine_cdf(scale: float, shift: float, height: float, base: float) -> Callable[[float, float], Estimate]:
    """The moments, as a function of mean and variance, of base + height * P(scale x + shift)."""
    level, slope = base + height / 2, height * scale

    def closed(mean: float, variance: float) -> Estimate:
        m, v = scale * mean + shift, scale * scale * variance
        # Written about the centre P = 1/2, where an odd function such as erf loses nothing: E[P] - 1/2 is an erf.
        odd = math.erf(m / math.sqrt(2 * (1 + v))) / 2
        square = _square_of_cdf(m, v)
        centred = square[1:] if m == 0 else (*square, -0.25, -odd)
        return Estimate(
            mean=_sum(level, height * odd),
            second=_sum(level * level, 2 * level * height * odd, *(height * height * term for term in centred)),
            slope_mean=_sum(slope * _density(m, 1 + v)),
            slope_second=_sum(slope * slope * _density(m, 0.5 + v) / math.sqrt(4 * math.pi)),
        )

    return closed


@dataclass(frozen=True, slots=True)
class _Tilted:
    """The law N(mean, variance) times a weight: what a power of p(x) makes of a normal law."""

    weight: float
    mean: float
    variance: float


def _tilt(mean: float, variance: float, power: int) -> _Tilted:
    """N(x; mean, variance) * p(x)^power."""
    share = 1 + power * variance
    constant = (2 * math.pi) ** ((1 - power) / 2) / math.sqrt(power)
    return _Tilted(constant * _density(mean, 1 / power + variance), mean / share, variance / share)


def _mean_of_gelu(mean: float, variance: float) -> tuple[float, float]:
    """Terms of E[x P(x)] = m P(h) + v / sqrt(1 + v) p(h)."""
    h = mean / math.sqrt(1 + variance)
    return mean * _cdf(h), variance / math.sqrt(1 + variance) * _density(h, 1)


def gelu(mean: float, variance: float) -> Estimate:
    """Moments of x P(x), by E[x^2 P^2] = (m^2 + v) E[P^2] + 2 m v E[P p] + 2 v E[x P p]."""
    m, v = mean, variance
    first, second = _tilt(m, v, 1), _tilt(m, v, 2)
    square = _square_of_cdf(m, v)
    cross = first.weight * _cdf(first.mean / math.sqrt(1 + first.variance))
    crosses = [first.weight * term for term in _mean_of_gelu(first.mean, first.variance)]
    bell = second.weight * (second.variance + second.mean**2)
    return Estimate(
        mean=_sum(*_mean_of_gelu(m, v)),
        second=_sum(*((m * m + v) * s for s in square), 2 * m * v * cross, *(2 * v * c for c in crosses)),
        slope_mean=_sum(_cdf(m / math.sqrt(1 + v)), first.weight * first.mean),
        slope_second=_sum(*square, *(2 * c for c in crosses), bell),
    )
