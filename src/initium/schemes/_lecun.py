"""LeCun et al. 1998: unit variance in, unit variance out of a sum."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

from initium.records import Normal, Uniform
from initium.schemes._parts import REST, fan_in, follows, has_fans
from initium.schemes._rule import Choice, Scheme, first_of, on

if TYPE_CHECKING:
    from initium.network import Facts

Shape = Literal["normal", "uniform"]


def lecun(shape: Shape, paper: str, facts: Facts) -> Choice:
    """LeCun's law for one weight."""
    std = 1 / math.sqrt(fan_in(facts))
    fill = Normal(std) if shape == "normal" else Uniform(math.sqrt(3) * std)
    return Choice(fill, f"LeCun {shape}, fan_in", f"{follows(facts)}: {paper}")


def _scheme(shape: Shape) -> Scheme:
    rule = on(has_fans, partial(lecun, shape, "LeCun et al. 1998 eq. 16"))
    return Scheme(f"lecun_{shape}", first_of(rule, REST), "LeCun et al. 1998, eq. 16")


def lecun_normal() -> Scheme:
    r"""LeCun's variance with a normal law, for every weight: the start that SELU networks need.

    $$\sigma = \frac{1}{\sqrt{\text{fan}_{in}}}$$

    Biases 0, scales of normalisations 1, shifts 0; looked-up tables N(0, 1), added ones N(0, 0.02^2).

    Returns:
        The scheme.

    Example:
        >>> lecun_normal().name
        'lecun_normal'

    Reference:
        LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), eq. 16; Klambauer et al., "Self-Normalizing Neural
        Networks" (NeurIPS 2017), section "Initialization" (no equation number), for SELU.

    Deviation:
        Some libraries cut this law at two standard deviations; here it is whole.
    """
    return _scheme("normal")


def lecun_uniform() -> Scheme:
    r"""LeCun's variance with a uniform law, for every weight.

    $$W \sim U(-b, b), \qquad b = \sqrt{\frac{3}{\text{fan}_{in}}}$$

    Everything else as :func:`lecun_normal`.

    Returns:
        The scheme.

    Example:
        >>> lecun_uniform().name
        'lecun_uniform'

    Reference:
        LeCun, Bottou, Orr & Müller, "Efficient BackProp" (1998), eq. 16.
    """
    return _scheme("uniform")
