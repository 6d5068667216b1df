"""The constants of Deep Kernel Shaping and Tailored Activation Transformations, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from initium.errors import ArgumentError
from initium.gains._evaluate import differentiate, evaluate
from initium.gains._quadrature import Floats, density, edges, integrate

if TYPE_CHECKING:
    from initium.gains._law import Elementwise

_AIM, _MET = 1e-13, 1e-9
Conditions: TypeAlias = Callable[["Kernel"], tuple[float, float]]


class Kernel(NamedTuple):
    """The Gaussian integrals of phi(u), u = alpha z + beta, z ~ N(0, 1), that the conditions are made of.

    Attributes:
        mean: E[phi(u)].
        second: E[phi(u)^2].
        slope: E[(d phi(u) / dz)^2].
        curve: E[(d^2 phi(u) / dz^2)^2]; NaN where it was not asked for.
        mean_growth: E[phi(u) (z^2 - 1)] / 2: how the mean moves with the variance of z.
        second_growth: The same of phi(u)^2.
    """

    mean: float
    second: float
    slope: float
    curve: float
    mean_growth: float
    second_growth: float

    def growth(self, shift: float) -> float:
        """d/dq E[(phi(alpha sqrt(q) z + beta) + shift)^2] at q = 1."""
        return self.second_growth + 2 * shift * self.mean_growth


def kernel(law: Elementwise, alpha: float, beta: float, *, curved: bool = False) -> Kernel:
    """The integrals, to 1e-12 or so."""

    def integrand(z: Floats) -> Floats:
        u = beta + alpha * z
        values, slopes = evaluate(law, u)
        bends = _second(law, u) if curved else np.zeros_like(u)
        weight, hermite = density(z), (z * z - 1) / 2
        rows = [
            values,
            values**2,
            (alpha * slopes) ** 2,
            (alpha**2 * bends) ** 2,
            values * hermite,
            values**2 * hermite,
        ]
        return np.stack(rows) * weight

    def allowed(totals: Floats) -> Floats:
        second = max(float(totals[1]), 1e-300)
        return _AIM * np.array([math.sqrt(second), second, second, second, math.sqrt(second), second])

    found, _ = integrate(integrand, edges(beta, alpha, law.kinks), allowed)
    mean, second, slope, curve, mean_growth, second_growth = (float(each) for each in found)
    return Kernel(mean, second, slope, curve if curved else math.nan, mean_growth, second_growth)


def _second(law: Elementwise, u: Floats) -> Floats:
    """Phi'' by autograd through phi'."""

    def slope(x: Tensor) -> Tensor:
        return torch.autograd.grad(law.function(x).sum(), x, create_graph=True)[0]

    values = differentiate(slope, torch.from_numpy(np.ascontiguousarray(u)))[1]
    return np.zeros_like(u) if values is None else np.asarray(values.numpy(), dtype=np.float64)


def solved(
    law: Elementwise, conditions: Conditions, name: str, what: str, *, curved: bool = False
) -> tuple[float, float]:
    """Alpha and beta at which both conditions are 0, of several starts the first that leads there.

    Raises:
        ArgumentError: None does.
    """
    from scipy.optimize import root  # noqa: PLC0415 - heavy, and needed here alone

    def residual(point: Floats) -> list[float]:
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                alpha = math.exp(min(max(point[0], -12.0), 4.0))
                made = conditions(kernel(law, alpha, float(point[1]), curved=curved))
        except (ArgumentError, ValueError, ZeroDivisionError, OverflowError):
            made = (math.nan, math.nan)
        return list(made) if all(map(math.isfinite, made)) else [1e3, 1e3]

    for start in () if _scale_free(law) else _starts():
        found = root(residual, start, method="hybr", options={"xtol": 1e-13, "maxfev": 200})
        if np.isfinite(found.x).all() and max(map(abs, residual(found.x))) < _MET:
            return math.exp(float(found.x[0])), float(found.x[1])
    raise ArgumentError(
        f"no alpha and beta turn {name} into what {what} asks for. A function that is the same at every scale (ReLU, leaky "
        "ReLU) cannot be shaped so: use tat_activation, or a smooth one such as softplus, tanh, silu."
    )


def _scale_free(law: Elementwise) -> bool:
    """True where phi(2 x) = 2 phi(x): alpha does nothing that gamma does not, and one constant cannot meet two conditions."""
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)
    return bool(torch.allclose(law.function(2 * x), 2 * law.function(x), rtol=1e-9, atol=1e-12))


def bent(law: Elementwise) -> bool:
    """True where the slope jumps at a known kink, so that E[phi''^2] is infinite."""
    at = np.array([kink + side for kink in law.kinks for side in (-1e-9, 1e-9)])
    slopes = evaluate(law, at)[1] if len(at) else at
    return bool((np.abs(slopes[1::2] - slopes[::2]) > 1e-6).any())  # noqa: PLR2004 - a smooth slope moves by 1e-9 there


def _starts() -> Iterator[tuple[float, float]]:
    yield from (
        (math.log(alpha), beta) for alpha, beta in product((0.3, 0.1, 1.0, 0.03), (0.5, -0.5, 1.0, -1.0, 0.1, 0.0))
    )


def leaky_slope(depth: int, correlation: float) -> float:
    """The slope at which so many leaky ReLUs take inputs that are orthogonal to this cosine; 1 at the cosine 0.

    Raises:
        ArgumentError: Not even ReLUs reach it.
    """
    if leaky_correlation(0.0, depth) < correlation:
        raise ArgumentError(
            f"{depth} ReLUs take the cosine from 0 to {leaky_correlation(0.0, depth):.4g} only, so no slope reaches "
            f"{correlation!r}: the network is shallow enough as it is. Ask for a smaller correlation."
        )
    low, high = 0.0, 1.0
    while high - low > 2.0**-50:
        middle = (low + high) / 2
        low, high = (middle, high) if leaky_correlation(middle, depth) > correlation else (low, middle)
    return (low + high) / 2


def leaky_correlation(slope: float, depth: int) -> float:
    """The cosine of two outputs of so many leaky ReLUs, of inputs that are orthogonal."""
    share, cosine = (1 - slope) ** 2 / (math.pi * (1 + slope * slope)), 0.0
    for _ in range(depth):
        cosine += share * (math.sqrt(max(0.0, 1 - cosine * cosine)) - cosine * math.acos(min(1.0, cosine)))
    return cosine
