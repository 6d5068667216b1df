"""Closed forms: Gaussian moments of functions that are, piece by piece, sums of c x^k e^(r x).

On [a, b] with x ~ N(m, v), completing the square turns e^(rx) N(x; m, v) into A N(x; u, v), with u = m + r v and
A = e^(r m + r^2 v / 2). The moments J_k = A int_a^b x^k N(x; u, v) dx then follow from integration by parts:
J_k = u J_(k-1) + (k - 1) v J_(k-2) - v [x^(k-1) e^(rx) N(x; m, v)]_a^b.
Tails are written with erfcx, so that e^(r x) is never large where its tail is small. A complex rate (sine, cosine)
is allowed on the whole line. Every sum carries a bound on its rounding error: where terms cancel, the caller sees it.
"""

import cmath
import math
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from initium.gains._law import Bounded, Elementwise, Estimate, TensorMap

_EPS = 2.0**-52


@dataclass(frozen=True, slots=True)
class Term:
    """The function coefficient * x^power * e^(rate x)."""

    coefficient: complex
    power: int = 0
    rate: complex = 0.0


Terms: TypeAlias = tuple[Term, ...]
_Sum: TypeAlias = tuple[complex, float]


@dataclass(frozen=True, slots=True)
class Piece:
    """A sum of terms on the interval from low to high."""

    low: float
    high: float
    terms: Terms


def polynomial(*coefficients: float) -> Terms:
    """The terms of c0 + c1 x + c2 x^2 + ..."""
    return tuple(Term(c, k) for k, c in enumerate(coefficients) if c)


def pieces(*spans: tuple[float, Terms], last: Terms) -> tuple[Piece, ...]:
    """Pieces from minus infinity: ``(high, terms)`` each, then ``last`` up to infinity."""
    lows = (-math.inf, *(high for high, _ in spans))
    return tuple(Piece(low, *span) for low, span in zip(lows, (*spans, (math.inf, last)), strict=True))


def piecewise(function: TensorMap, parts: tuple[Piece, ...], derivative: TensorMap | None = None) -> Elementwise:
    """A law with closed moments; ``function`` is the same in torch, for where rounding spoils the closed form."""

    def closed(mean: float, variance: float) -> Estimate:
        return _moments(parts, mean, variance)

    return Elementwise(function, tuple(piece.low for piece in parts[1:]), derivative, closed)


def _moments(parts: tuple[Piece, ...], mean: float, variance: float) -> Estimate:
    """The four moments of a piecewise function, each a sum over the pieces."""
    slopes = tuple(Piece(p.low, p.high, _derivative(p.terms)) for p in parts)
    return Estimate(
        _expect(parts, mean, variance),
        _expect(_squares(parts), mean, variance),
        _expect(slopes, mean, variance),
        _expect(_squares(slopes), mean, variance),
    )


def _derivative(terms: Terms) -> Terms:
    """Term by term: c x^k e^(rx) -> c k x^(k-1) e^(rx) + c r x^k e^(rx)."""
    lowered = (Term(t.coefficient * t.power, t.power - 1, t.rate) for t in terms if t.power)
    kept = (Term(t.coefficient * t.rate, t.power, t.rate) for t in terms if t.rate)
    return (*lowered, *kept)


def _squares(parts: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Each piece times itself."""
    return tuple(Piece(p.low, p.high, _square(p.terms)) for p in parts)


def _square(terms: Terms) -> Terms:
    """All products of two terms, like ones gathered."""
    gathered: dict[tuple[int, complex], complex] = {}
    for a, b in product(terms, terms):
        key = (a.power + b.power, a.rate + b.rate)
        gathered[key] = gathered.get(key, 0.0) + a.coefficient * b.coefficient
    return tuple(Term(c, power, rate) for (power, rate), c in gathered.items())


def _expect(parts: tuple[Piece, ...], mean: float, variance: float) -> Bounded:
    """The expectation of a piecewise function; overflow is an infinite error, which nobody accepts."""
    try:
        return _total(parts, mean, variance)
    except OverflowError:
        return Bounded(math.nan, math.inf)


def _total(parts: tuple[Piece, ...], mean: float, variance: float) -> Bounded:
    """The sum over pieces and terms of coefficient * J_power."""
    value, error = 0.0, 0.0
    for piece in parts:
        for rate in dict.fromkeys(t.rate for t in piece.terms):
            terms = [t for t in piece.terms if t.rate == rate]
            integrals = _integrals(piece, rate, max(t.power for t in terms), mean, variance)
            for t in terms:
                part, doubt = integrals[t.power]
                value += (t.coefficient * part).real
                error += abs(t.coefficient) * (doubt + 2 * _EPS * abs(part))
    return Bounded(value, error)


def _integrals(piece: Piece, rate: complex, top: int, mean: float, variance: float) -> list[_Sum]:
    """J_0 ... J_top on the piece, by the recurrence of the module's docstring."""
    shift = mean + rate * variance
    low, high = _edge(piece.low, rate, mean, variance), _edge(piece.high, rate, mean, variance)
    found = [_mass(piece, rate, mean, variance)]
    for k in range(1, top + 1):
        before, earlier = found[k - 1], found[k - 2] if k > 1 else (0.0, 0.0)
        at_high = high[0] * piece.high ** (k - 1) if high[0] else 0.0
        at_low = low[0] * piece.low ** (k - 1) if low[0] else 0.0
        parts = (shift * before[0], (k - 1) * variance * earlier[0], -variance * at_high, variance * at_low)
        doubt = abs(shift) * before[1] + (k - 1) * variance * earlier[1]
        doubt += variance * (abs(at_high) * high[1] + abs(at_low) * low[1]) + 3 * _EPS * sum(map(abs, parts))
        found.append((sum(parts), doubt))
    return found


def _edge(point: float, rate: complex, mean: float, variance: float) -> _Sum:
    """e^(r x) N(x; m, v) at one end, with its RELATIVE error."""
    if math.isinf(point):
        return 0.0, 0.0
    exponent = rate * point - (point - mean) ** 2 / (2 * variance)
    size = abs(rate * point) + (point - mean) ** 2 / (2 * variance)
    return cmath.exp(exponent) / math.sqrt(2 * math.pi * variance), _EPS * (4 + 3 * size)


def _mass(piece: Piece, rate: complex, mean: float, variance: float) -> _Sum:
    """J_0: the whole line less two tails, or the difference of two tails on one side of the peak."""
    peak = (mean + rate * variance).real
    if piece.low >= peak:
        return _less(_tail(piece.low, rate, mean, variance, 1), _tail(piece.high, rate, mean, variance, 1))
    if piece.high <= peak:
        return _less(_tail(piece.high, rate, mean, variance, -1), _tail(piece.low, rate, mean, variance, -1))
    size = abs(rate * mean) + abs(rate * rate * variance) / 2
    whole = cmath.exp(rate * mean + rate * rate * variance / 2)
    cut = _less((whole, abs(whole) * _EPS * (2 + 2 * size)), _tail(piece.low, rate, mean, variance, -1))
    return _less(cut, _tail(piece.high, rate, mean, variance, 1))


def _less(a: _Sum, b: _Sum) -> _Sum:
    """A difference with its error."""
    return a[0] - b[0], a[1] + b[1] + _EPS * abs(a[0] - b[0])


def _tail(point: float, rate: complex, mean: float, variance: float, side: int) -> _Sum:
    """The absolute mass of e^(rx) N(x; m, v) beyond a point that lies on that side of the peak."""
    if math.isinf(point):
        return 0.0, 0.0
    from scipy.special import erfcx  # noqa: PLC0415  scipy is slow to load: only who integrates pays

    std = math.sqrt(variance)
    distance = max(side * ((point - mean) / std - rate.real * std), 0.0)
    edge, relative = _edge(point, rate, mean, variance)
    mills = math.sqrt(math.pi / 2) * float(erfcx(distance / math.sqrt(2)))
    value = edge * std * mills
    # The distance is itself a difference; mills falls by less than its own size for each unit of distance.
    slip = _EPS * (2 * abs(point - mean) / std + 2 * abs(rate) * std)
    return value, abs(value) * (relative + slip + 6 * _EPS)
