"""How 32 bits become a value: a closed set of frozen laws whose numbers are float32 already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Uniform:
    """``centre + half * u``, u on the odd multiples of 2^-24 in (-1, 1)."""

    centre: float
    half: float


@dataclass(frozen=True, slots=True)
class Normal:
    """``mean + std * z``, z the quantile of the word's probability."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Truncated:
    """``clamp(mean + std * z)``: z the quantile of ``below + mass * v`` in the lower tail or ``above + mass * u`` in the upper.

    u and v are the word and its complement as probabilities; the smaller of the two tail probabilities is taken.
    """

    mean: float
    std: float
    low: float
    high: float
    below: float
    above: float
    mass: float


@dataclass(frozen=True, slots=True)
class Curved:
    """``clamp(edge + step * P(t))``, P a polynomial made for one interval: where a quantile cannot serve.

    ``t = slope * x - 1`` with ``x = u`` or ``x = -log(rest + share * u)``, share = 1 - rest; coefficients from the highest power.
    """

    edge: float
    step: float
    low: float
    high: float
    by: Literal["share", "log"]
    rest: float
    share: float
    slope: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """1 where the word is below ``threshold`` (a probability in units of 2^-32), else 0."""

    threshold: int


Law = Uniform | Normal | Truncated | Curved | Bernoulli
