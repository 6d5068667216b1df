"""He et al. 2015: the variance that a rectifier leaves over."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

from initium.errors import ArgumentError
from initium.gains import gain
from initium.records import Normal, Uniform
from initium.schemes._parts import REST, fan_in, fan_out, follows, has_fans
from initium.schemes._rule import Choice, Scheme, first_of, on
from initium.schemes._select import followed_by

if TYPE_CHECKING:
    from initium.network import Facts

Mode = Literal["fan_in", "fan_out"]
Shape = Literal["normal", "uniform"]

RECTIFIERS = ("relu", "relu6", "leaky_relu", "prelu", "rrelu")
rectified = followed_by(*RECTIFIERS)


def he(shape: Shape, mode: Mode, facts: Facts) -> Choice:
    """He's law for one weight."""
    std = _gain(facts) / math.sqrt(fan_in(facts) if mode == "fan_in" else fan_out(facts))
    fill = Normal(std) if shape == "normal" else Uniform(math.sqrt(3) * std)
    return Choice(fill, f"He {shape}, {mode}", _reason(facts, mode))


def _gain(facts: Facts) -> float:
    """sqrt(2 / (1 + a^2)); slope 0 where no rectifier follows."""
    return gain(facts.after.activation) if rectified(facts) and facts.after.activation else math.sqrt(2)


def _reason(facts: Facts, mode: Mode) -> str:
    plain = facts.after.text in {"relu", "relu6"} or not rectified(facts)
    equation = ("10" if mode == "fan_in" else "14") if plain else "15"
    slope = "" if rectified(facts) else " with slope 0, as for a ReLU"
    return f"{follows(facts)}: He et al. 2015 eq. {equation}{slope}"


def _scheme(shape: Shape, mode: Mode) -> Scheme:
    if mode not in {"fan_in", "fan_out"}:
        raise ArgumentError(f"mode must be 'fan_in' or 'fan_out'; got {mode!r}.")
    name = f"he_{shape}" if mode == "fan_in" else f"he_{shape}(mode={mode!r})"
    return Scheme(name, first_of(on(has_fans, partial(he, shape, mode)), REST), "He et al. 2015, eqs. 10, 14, 15")


def he_normal(mode: Mode = "fan_in") -> Scheme:
    r"""He's normal law for every weight.

    $$\sigma = \sqrt{\frac{2}{(1 + a^2)\,\text{fan}}}$$

    a is the slope of the leaky ReLU that follows (mean square for a learned or random one), 0 where none follows.
    Biases 0, scales of normalisations 1, shifts 0; looked-up tables N(0, 1), added ones N(0, 0.02^2).

    Args:
        mode: ``fan_in`` keeps the variance of the signal, ``fan_out`` that of the gradient.

    Returns:
        The scheme.

    Raises:
        ArgumentError: Another mode.

    Example:
        >>> he_normal(mode="fan_out").name
        "he_normal(mode='fan_out')"

    Reference:
        He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (ICCV 2015), eqs. 10, 14 and 15.
    """
    return _scheme("normal", mode)


def he_uniform(mode: Mode = "fan_in") -> Scheme:
    r"""He's variance with a uniform law, for every weight.

    $$W \sim U(-b, b), \qquad b = \sqrt{\frac{6}{(1 + a^2)\,\text{fan}}}$$

    Everything else as :func:`he_normal`.

    Args:
        mode: ``fan_in`` or ``fan_out``.

    Returns:
        The scheme.

    Raises:
        ArgumentError: Another mode.

    Example:
        >>> he_uniform().name
        'he_uniform'

    Reference:
        He, Zhang, Ren & Sun, "Delving Deep into Rectifiers" (ICCV 2015), eqs. 10, 14 and 15.

    Deviation:
        The paper draws from a normal law; the uniform one here has the same variance.
    """
    return _scheme("uniform", mode)
