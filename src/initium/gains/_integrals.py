"""From a law to its moments: the closed form if rounding leaves it whole, else the quadrature."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias, assert_never

import numpy as np

from initium.errors import ArgumentError
from initium.gains._evaluate import evaluate
from initium.gains._law import NOTHING, Bounded, Elementwise, Estimate, Gated, Law, Mixture
from initium.gains._quadrature import REACH, Floats, density, edges, integrate

Source: TypeAlias = Literal["closed form", "quadrature"]

# A slope is known relative to the function's own size over the width of the law; below this share it is rounding.
NOISE = 1e-10
# What refinement aims at, and what a closed form must reach to be preferred: both inside the promised 1e-10.
_AIM, _CLOSED = 1e-12, 1e-11


def estimated(law: Law, mean: float, variance: float, precision: float) -> tuple[Estimate, Source]:
    """The moments of a law, their errors, and where they come from; ``precision`` is that of its arithmetic."""
    match law:
        case Elementwise():
            return _elementwise(law, mean, variance, precision)
        case Mixture(parts):
            each, sources = zip(*(_elementwise(part, mean, variance, precision) for part in parts), strict=True)
            return _average(each), min(sources)
        case Gated(gate):
            inner, source = _elementwise(gate, mean, variance, precision)
            return _gated(inner, mean, variance), source
        case _:
            assert_never(law)


def growth(law: Law, precision: float) -> float:
    """The logarithmic slope of q -> E[phi(sqrt(q) z)^2] at q = 1."""
    match law:
        case Elementwise():
            response, second = _response(law, precision)
            return response / second
        case Mixture(parts):
            both = [_response(part, precision) for part in parts]
            return sum(r for r, _ in both) / sum(s for _, s in both)
        case Gated(gate):
            # E[gate^2] E[b^2] is a product, and E[b^2] = q has the logarithmic slope 1.
            return 1 + growth(gate, precision)
        case _:
            assert_never(law)


def _elementwise(law: Elementwise, mean: float, variance: float, precision: float) -> tuple[Estimate, Source]:
    """The closed form, if there is one and its terms do not cancel; else the quadrature."""
    if variance == 0:
        return _point(law, mean), "closed form"
    if law.closed is not None:
        closed = law.closed(mean, variance)
        if max(closed.errors()) <= _CLOSED:
            return closed, "closed form"
    return _integrated(law, mean, variance, precision), "quadrature"


def _point(law: Elementwise, mean: float) -> Estimate:
    """The moments of a number: its powers."""
    values, slopes = evaluate(law, np.array([mean]))
    value, slope = float(values[0]), float(slopes[0])
    return Estimate(*(Bounded(number, 0.0) for number in (value, value * value, slope, slope * slope)))


def _integrated(law: Elementwise, mean: float, variance: float, precision: float) -> Estimate:
    """The four moments by one quadrature, refined together: a narrow slope is found where the value jumps."""
    std = math.sqrt(variance)

    def integrand(z: Floats) -> Floats:
        values, slopes = evaluate(law, mean + std * z)
        return np.stack([*_weighted(values, z), *_weighted(slopes, z)])

    def size(totals: Floats) -> Floats:
        second, slope = abs(totals[1]), abs(totals[3])
        return np.array([math.sqrt(second), second, math.sqrt(slope), slope])

    def floor(totals: Floats) -> Floats:
        least = NOISE * abs(totals[1]) / variance
        return np.array([0.0, 0.0, math.sqrt(least), least])

    values, errors = _refined(integrand, edges(mean, std, law.kinks), size, floor, precision)
    return Estimate(*(Bounded(float(v), float(e)) for v, e in zip(values, errors, strict=True)))


def _weighted(values: Floats, z: Floats) -> tuple[Floats, Floats]:
    """The integrands phi p and phi^2 p; the root of the density is applied before the square, which could overflow."""
    root = np.sqrt(density(z))
    with np.errstate(over="ignore", under="ignore"):
        return values * root * root, (values * root) ** 2


def _response(law: Elementwise, precision: float) -> tuple[float, float]:
    """d/dq E[phi(sqrt(q) z)^2] at q = 1, which is E[phi(z)^2 (z^2 - 1)] / 2, and E[phi(z)^2]."""

    def integrand(z: Floats) -> Floats:
        square = _weighted(evaluate(law, z)[0], z)[1]
        return np.stack([square * (z * z - 1) / 2, square])

    def size(totals: Floats) -> Floats:
        return np.abs(totals[[1, 1]])

    values, errors = _refined(integrand, edges(0.0, 1.0, law.kinks), size, np.zeros_like, precision)
    if not (values[1] > 0 and errors.max() <= max(100 * _AIM, 16 * precision) * values[1]):
        message = (
            f"the variance slope needs a second moment that is positive and finite; E[phi^2] = {values[1]:.6g}"
            f" with error {errors.max():.1e} was reached. Clamp the function, or compute it in float64."
        )
        raise ArgumentError(message)
    return float(values[0]), float(values[1])


def _refined(
    integrand: Callable[[Floats], Floats],
    first: Floats,
    size: Callable[[Floats], Floats],
    floor: Callable[[Floats], Floats],
    precision: float,
) -> tuple[Floats, Floats]:
    """The quadrature, its rounding added to its error, with a look at both ends of the line."""
    aim = max(_AIM, 4 * precision)
    values, errors = integrate(integrand, first, lambda totals: aim * np.maximum(size(totals), floor(totals)))
    ends = np.abs(integrand(np.array([-REACH, REACH]))).max(axis=1)
    if not (np.isfinite(values).all() and (ends <= _AIM * np.maximum(size(values), floor(values)) + NOTHING).all()):
        message = (
            "the moments are infinite, or lie beyond 37 standard deviations: the function has a pole, or grows about"
            " as fast as exp(x^2 / (4 variance)). Clamp it, or pass a smaller variance."
        )
        raise ArgumentError(message)
    return values, errors + 4 * precision * size(values)


def _average(parts: tuple[Estimate, ...]) -> Estimate:
    """Moment by moment, the average."""

    def mean(numbers: list[Bounded]) -> Bounded:
        return Bounded(sum(n.value for n in numbers) / len(numbers), sum(n.error for n in numbers) / len(numbers))

    return Estimate(
        mean([p.mean for p in parts]),
        mean([p.second for p in parts]),
        mean([p.slope_mean for p in parts]),
        mean([p.slope_second for p in parts]),
    )


def _gated(gate: Estimate, mean: float, variance: float) -> Estimate:
    """Moments of gate(a) b; the two derivatives, gate'(a) b and gate(a), are averaged."""
    square = mean * mean + variance

    def combine(a: Bounded, by: float, b: Bounded) -> Bounded:
        return Bounded((a.value * by + b.value) / 2, (a.error * abs(by) + b.error) / 2)

    return Estimate(
        Bounded(gate.mean.value * mean, gate.mean.error * abs(mean)),
        Bounded(gate.second.value * square, gate.second.error * square),
        combine(gate.slope_mean, mean, gate.mean),
        combine(gate.slope_second, square, gate.second),
    )
