"""The normal law cut to an interval: its law in float32, its std, and the std that gives one."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from initium import checks
from initium.errors import ArgumentError
from initium.random._float32 import inward, nearest
from initium.random._laws import Curved, Law, Truncated, Uniform

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsFloat

Array = npt.NDArray[np.float64]

# From here on the quantile of a far tail would leave the range that its fit was made for: a polynomial takes over.
FAR = 3.0
# Where an interval holds less of the tail than this, in nats, probabilities near one another would be rounded together.
NARROW = 0.9
# Beyond e^-30 of the mass no 32-bit word reaches; beyond e^-40 nothing weighs in float64.
UNREACHED, WEIGHTLESS = 30.0, 40.0
DEGREE = 17
ITERATIONS = 64
DOUBLINGS = 64


@lru_cache(maxsize=1)
def _rule() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(96)
    return (nodes + 1) / 2, weights / 2


def _mass(edge: Array, y: Array) -> Array:
    """The integral from 0 to y of exp(-edge t - t^2 / 2): the mass beyond an edge, in units of the density there."""
    nodes, weights = _rule()
    t = y[:, None] * nodes
    return y * (np.exp(-t * (edge[:, None] + t / 2)) @ weights)


def _mills(edge: Array) -> Array:
    """All the mass beyond an edge: Mills' ratio."""
    return _mass(edge, np.array([_reach(float(each), WEIGHTLESS) for each in edge]))


def _nats(edge: float, y: Array) -> Array:
    """-log of the share of the tail beyond the edge that lies further than y: no cancellation, however far."""
    return y * (edge + y / 2) - np.log(_mills(edge + y) / _mills(np.array([edge])))


def _reach(edge: float, nats: float) -> float:
    """How far beyond the edge the density has fallen by so many nats."""
    return 2 * nats / (math.hypot(edge, math.sqrt(2 * nats)) + edge)


def _tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def _mirrored(mean: float, std: float, low: float, high: float) -> tuple[bool, float]:
    """Whether the interval lies mostly below the mean, and its edge nearer to the mean as if it lay above, in stds."""
    lower, upper = (low - mean) / std, (high - mean) / std
    return (True, -upper) if lower + upper < 0 else (False, lower)


@lru_cache(maxsize=256)
def law(mean: float, std: float, low: float, high: float) -> Law:
    """The law of N(mean, std^2) cut to [low, high], by the way that keeps float32 exact enough there."""
    first, last = inward(low, high)
    if nearest(std) == 0 or first == last:
        return Uniform(min(max(nearest(mean), first), last), 0.0)
    mirrored, edge = _mirrored(mean, std, low, high)
    if edge < -FAR:
        return _central(mean, std, low, high)
    width = min((high - low) / std, _reach(edge, UNREACHED))
    nats = float(_nats(edge, np.array([width]))[0])
    narrow = nats < NARROW
    if edge < FAR and not narrow:
        return _central(mean, std, low, high)
    rest = nearest(math.exp(-nats))
    return Curved(
        edge=nearest(high if mirrored else low),
        step=nearest(-std * width if mirrored else std * width),
        low=first,
        high=last,
        by="share" if narrow else "log",
        rest=rest,
        share=nearest(1 - rest),
        slope=nearest(2.0 if narrow else 2 / nats),
        coefficients=_polynomial(lambda t: _by_share(edge, width, t) if narrow else _by_log(edge, nats, t) / width),
    )


def _central(mean: float, std: float, low: float, high: float) -> Truncated:
    lower, upper = (low - mean) / std, (high - mean) / std
    # The difference is taken in the tail where it does not cancel.
    mass = _tail(lower) - _tail(upper) if lower + upper >= 0 else _tail(-upper) - _tail(-lower)
    first, last = inward(low, high)
    return Truncated(
        nearest(mean), nearest(std), first, last, nearest(_tail(-lower)), nearest(_tail(upper)), nearest(mass)
    )


def _polynomial(distance: Callable[[Array], Array]) -> tuple[float, ...]:
    """The coefficients in t on [-1, 1], from the highest power."""
    fitted = np.polynomial.Chebyshev.interpolate(distance, DEGREE)
    return tuple(nearest(float(each)) for each in fitted.convert(kind=np.polynomial.Polynomial).coef[::-1])


def _by_share(edge: float, width: float, t: Array) -> Array:
    """The distance beyond the edge, in widths, that holds the share (t + 1) / 2 of the mass up to width."""
    wanted = (t + 1) / 2 * _mass(np.array([edge]), np.array([width]))
    y = wanted
    for _ in range(ITERATIONS):
        y = np.clip(y + (wanted - _mass(np.full_like(y, edge), y)) * np.exp(y * (edge + y / 2)), 0.0, width)
    return y / width


def _by_log(edge: float, nats: float, t: Array) -> Array:
    """The distance beyond the edge at which (t + 1) / 2 of the nats of the tail are used up."""
    wanted = (t + 1) / 2 * nats
    y = np.zeros_like(t)
    for _ in range(ITERATIONS):
        y = np.maximum(y - (_nats(edge, y) - wanted) * _mills(edge + y), 0.0)
    return y


def truncated_std(std: SupportsFloat, low: SupportsFloat, high: SupportsFloat, mean: SupportsFloat = 0.0) -> float:
    r"""The standard deviation of N(mean, std^2) cut to [low, high].

    ``sqrt(E[z^2 | low <= z <= high] - E[z | low <= z <= high]^2)``, by Gauss-Legendre quadrature, to 1e-12.

    Args:
        std: The standard deviation before the cut, > 0.
        low: The lower bound; may be ``-inf``.
        high: The upper bound, > low; may be ``inf``.
        mean: The mean before the cut.

    Returns:
        The standard deviation after the cut, in the unit of ``std``.

    Raises:
        ArgumentError: ``std`` or the bounds are no interval and no scale.
        ArgumentTypeError: What is no number.

    Example:
        >>> from initium.random import truncated_std
        >>> round(truncated_std(1.0, -2.0, 2.0), 12)
        0.879625661034

    Reference:
        Johnson, Kotz & Balakrishnan (1994), Continuous Univariate Distributions 1, eq. (13.135).
    """
    return _after(*_numbers(std, low, high, mean))


def _numbers(*law: SupportsFloat) -> tuple[float, ...]:
    """The law as floats, by which it can be remembered."""
    names = ("std", "low", "high", "mean")
    return tuple(checks.number(value, name) for value, name in zip(law, names, strict=True))


@lru_cache(maxsize=256)
def _after(std: float, low: float, high: float, mean: float) -> float:
    """The std after the cut, found once for each law."""
    if not (0 < std < math.inf and math.isfinite(mean) and low < high):
        raise ArgumentError(
            f"a cut normal law needs std > 0 and low < high; got std {std!r}, low {low!r}, high {high!r}, mean {mean!r}."
        )
    _, edge = _mirrored(mean, std, low, high)
    start = max(edge, -math.sqrt(2 * WEIGHTLESS))
    width = min((high - low) / std - (start - edge if edge > -math.inf else 0.0), _reach(start, WEIGHTLESS))
    nodes, weights = _rule()
    t = width * nodes
    with np.errstate(invalid="ignore", over="ignore"):
        density = np.exp(-t * (start + t / 2)) * weights
    centre = float(density @ t) / float(density.sum())
    after = std * math.sqrt(float(density @ (t - centre) ** 2) / float(density.sum())) if width > 0 else 0.0
    if not after > 0:
        raise ArgumentError(
            f"N({mean!r}, {std!r}^2) cut to [{low!r}, {high!r}] has a std too small for a float: the cut lies too far "
            "out, or is too narrow. Move the bounds nearer to the mean."
        )
    return after


def std_before_truncation(
    std: SupportsFloat, low: SupportsFloat, high: SupportsFloat, mean: SupportsFloat = 0.0
) -> float:
    r"""The s for which N(mean, s^2) cut to [low, high] has the standard deviation ``std``.

    The solution of ``truncated_std(s, low, high, mean) = std``, by bisection.

    Args:
        std: The standard deviation wanted after the cut, > 0.
        low: The lower bound; may be ``-inf``.
        high: The upper bound, > low; may be ``inf``.
        mean: The mean before the cut.

    Returns:
        The standard deviation before the cut, in the unit of ``std``.

    Raises:
        ArgumentError: No normal law cut to [low, high] is that wide: the limit is the uniform law's,
            ``(high - low) / sqrt(12)``.
        ArgumentTypeError: What is no number.

    Example:
        >>> from initium.random import std_before_truncation
        >>> round(std_before_truncation(0.02, -0.04, 0.04), 6)
        0.027558
        >>> round(1 / std_before_truncation(1.0, -2 / 0.8796256610342398, 2 / 0.8796256610342398), 12)
        0.879625661034
    """
    return _before(*_numbers(std, low, high, mean))


@lru_cache(maxsize=256)
def _before(std: float, low: float, high: float, mean: float) -> float:
    """The std before the cut, found once for each law."""
    if not std > 0:
        raise ArgumentError(f"the std after the cut must be > 0; got {std!r}.")
    small, large = std, std
    for _ in range(DOUBLINGS):
        if _after(large, low, high, mean) >= std:
            break
        small, large = large, 2 * large
    else:
        raise ArgumentError(
            f"no normal law cut to [{low}, {high}] has std {std}: the widest is uniform, with std "
            f"(high - low) / sqrt(12) = {(high - low) / math.sqrt(12):.6g}. Widen the bounds or ask for a smaller std."
        )
    for _ in range(ITERATIONS):
        middle = (small + large) / 2
        small, large = (middle, large) if _after(middle, low, high, mean) < std else (small, middle)
    return large
