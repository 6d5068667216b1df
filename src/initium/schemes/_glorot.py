"""Glorot & Bengio 2010: between the signal's fan and the gradient's."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

from initium.records import Normal, Uniform
from initium.schemes._parts import REST, fan_sum, follows, has_fans
from initium.schemes._rule import Choice, Scheme, first_of, on

if TYPE_CHECKING:
    from initium.network import Facts

Shape = Literal["normal", "uniform"]
EQUATION = {"normal": 12, "uniform": 16}


def glorot(shape: Shape, gain: float, facts: Facts) -> Choice:
    """Glorot's law for one weight."""
    std = gain * math.sqrt(2 / fan_sum(facts))
    fill = Normal(std) if shape == "normal" else Uniform(math.sqrt(3) * std)
    law = f"Glorot {shape}" + ("" if gain == 1 else f", gain {gain:.4g}")
    return Choice(fill, law, _reason(shape, facts), assumed=facts.after.kind == "unknown")


def _reason(shape: Shape, facts: Facts) -> str:
    return f"{follows(facts)}: Glorot & Bengio 2010 eq. {EQUATION[shape]}"


def _scheme(shape: Shape, gain: float) -> Scheme:
    _ = Normal(gain)  # its check: finite and >= 0
    name = f"glorot_{shape}" if gain == 1 else f"glorot_{shape}({gain!r})"
    rule = first_of(on(has_fans, partial(glorot, shape, gain)), REST)
    return Scheme(name, rule, f"Glorot & Bengio 2010, eq. {EQUATION[shape]}")


def glorot_uniform(gain: float = 1.0) -> Scheme:
    r"""Glorot's uniform law for every weight.

    $$W \sim U(-b, b), \qquad b = \text{gain} \sqrt{\frac{6}{\text{fan}_{in} + \text{fan}_{out}}}$$

    Biases 0, scales of normalisations 1, shifts 0; looked-up tables N(0, 1), added ones N(0, 0.02^2).

    Args:
        gain: A factor on every weight.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A gain that is negative or not finite.

    Example:
        >>> glorot_uniform().source
        'Glorot & Bengio 2010, eq. 16'

    Reference:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010),
        eq. 16; the gain is not theirs.
    """
    return _scheme("uniform", gain)


def glorot_normal(gain: float = 1.0) -> Scheme:
    r"""Glorot's variance with a normal law, for every weight.

    $$\sigma = \text{gain} \sqrt{\frac{2}{\text{fan}_{in} + \text{fan}_{out}}}$$

    Everything else as :func:`glorot_uniform`.

    Args:
        gain: A factor on every weight.

    Returns:
        The scheme.

    Raises:
        ArgumentError: A gain that is negative or not finite.

    Example:
        >>> glorot_normal(2).name
        'glorot_normal(2)'

    Reference:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks" (AISTATS 2010),
        eq. 12; the gain is not theirs.
    """
    return _scheme("normal", gain)
