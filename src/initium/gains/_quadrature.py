"""Adaptive quadrature against the normal density, many panels at a time.

A panel is integrated by nested Clenshaw-Curtis rules of 37, 19 and 13 points; twice the larger of the two differences
is its error. That bounds the error of one jump or one kink, wherever in the panel it lies: none hides. (Gauss rules are blind to a jump beyond their last node, and a pair of
even order to one in the middle, where both say one half.) The panels that carry the error are halved, all in one call of the
integrand, until the sum of what is left is below the tolerance. A kink costs about 20 halvings and a jump about 40,
wherever they are: nobody has to say where.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The normal density falls below the smallest normal double at 37.6; what lies beyond cannot be weighed.
REACH = 37.5
_GOLDEN = (3 - math.sqrt(5)) / 2
_DEGREE = 36
_PANELS = 2**15
_ROUNDS = 400
# With so many panels the rounding of x itself may be what is left: sixteen times the aim is then enough.
_MANY, _ENOUGH = 2**12, 16


def edges(mean: float, std: float, kinks: tuple[float, ...] = ()) -> Floats:
    """The first edges, in units of z = (x - mean) / std: every unit of z, every octave of x, every known kink."""
    units = np.arange(-math.ceil(REACH), math.ceil(REACH)) + _GOLDEN
    octaves = 2.0 ** np.arange(-10, 13)
    x = np.concatenate([-0.9 * octaves, 1.1 * octaves, np.asarray(kinks, dtype=np.float64)])
    z = np.unique(np.concatenate([units, (x - mean) / std]))
    return np.concatenate([[-REACH], z[np.abs(z) < REACH], [REACH]])


def density(z: Floats) -> Floats:
    """The standard normal density."""
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


@lru_cache(maxsize=1)
def rules() -> tuple[Floats, Floats]:
    """The 37 nodes on [-1, 1], and a row of weights for each of the nested rules of 37, 19 and 13 points."""
    weights = np.zeros((3, _DEGREE + 1))
    for row, step in enumerate((1, 2, 3)):
        weights[row, ::step] = _clenshaw_curtis(_DEGREE // step)
    return np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE), weights


def _clenshaw_curtis(n: int) -> Floats:
    """Weights at cos(pi k / n), k = 0 ... n, from the integrals of the Chebyshev polynomials up to degree n."""
    k = np.arange(n + 1)
    even = np.where(k % 2 == 0, k, 0)
    integrals = np.where(k % 2 == 0, 2 / (1 - even * even), 0.0)
    return np.linalg.solve(np.cos(np.pi * np.outer(k, k) / n), integrals)


def integrate(
    integrand: Callable[[Floats], Floats],
    first: Floats,
    allowed: Callable[[Floats], Floats],
) -> tuple[Floats, Floats]:
    """Integrals and error estimates of the rows of ``integrand(z)``, refined until error <= allowed(integrals)."""
    low, high = first[:-1], first[1:]
    value, error = _panels(integrand, low, high)
    for _ in range(_ROUNDS):
        slack = _ENOUGH if len(low) > _MANY else 1
        split = _culprits(error, slack * allowed(value.sum(axis=1))) & _divisible(low, high)
        if not split.any() or len(low) > _PANELS:
            break
        middle = (low[split] + high[split]) / 2
        lows, highs = np.concatenate([low[split], middle]), np.concatenate([middle, high[split]])
        values, errors = _panels(integrand, lows, highs)
        low, high = np.concatenate([low[~split], lows]), np.concatenate([high[~split], highs])
        value = np.concatenate([value[:, ~split], values], axis=1)
        error = np.concatenate([error[:, ~split], errors], axis=1)
    return value.sum(axis=1), error.sum(axis=1)


def _culprits(error: Floats, allowed: Floats) -> npt.NDArray[np.bool_]:
    """None if the errors fit into the allowance; else the worst panels, until the rest fit into half of it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(error > 0, error / allowed[:, None], 0.0)
    if (share.sum(axis=1) <= 1).all():
        return np.zeros(error.shape[1], dtype=bool)
    worst = share.max(axis=0)
    order = np.argsort(worst)
    culprits = np.empty(worst.shape, dtype=bool)
    culprits[order] = ~(np.cumsum(worst[order]) <= 1 / 2)
    return culprits


def _divisible(low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    """Which panels are wide enough for their nodes to be different numbers."""
    return high - low > 2.0**-48 * np.maximum(np.abs(low), np.abs(high))


def _panels(integrand: Callable[[Floats], Floats], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The integral over each panel, and twice the larger difference to the two coarser rules."""
    nodes, weights = rules()
    half = (high - low) / 2
    # From the nearer end, so that a node stays in its panel even where the panel begins at 1e-27.
    near_low, near_high = low[:, None] + half[:, None] * (1 + nodes), high[:, None] - half[:, None] * (1 - nodes)
    points = np.where(nodes < 0, near_low, near_high)
    values = integrand(points.ravel()).reshape(-1, *points.shape)
    with np.errstate(invalid="ignore"):
        fine, middle, coarse = np.einsum("cpn,rn->rcp", values, weights, optimize=True) * half
        return fine, 2 * np.maximum(np.abs(fine - middle), np.abs(fine - coarse))
