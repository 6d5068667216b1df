"""The article's advice: let the activation that follows choose the law."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from initium.records import Normal, Orthogonal
from initium.schemes._glorot import glorot
from initium.schemes._he import he, rectified
from initium.schemes._lecun import lecun
from initium.schemes._orthogonal import orthogonal_law
from initium.schemes._parts import REST, exact_gain, fan_in, follows, has_fans, is_bounded, steep_gain
from initium.schemes._rule import Choice, Rule, Scheme, first_of, on
from initium.schemes._select import followed_by, layout, role

if TYPE_CHECKING:
    from initium.network import Facts


def _exact(facts: Facts) -> Choice | None:
    """The exact gain of an activation; passes where it has none that serves."""
    factor = exact_gain(facts)
    if factor is None:
        return None
    kind = (
        "its gain for small signals (the exact one would swell the gradient)" if steep_gain(facts) else "its exact gain"
    )
    reason = f"{follows(facts)}: {kind}, {factor:.4g}"
    return Choice(Normal(factor / math.sqrt(fan_in(facts))), f"normal, gain {factor:.4g}, fan_in", reason)


def _bounded(facts: Facts) -> Choice | None:
    """A function that is flat at both ends, as tanh and sigmoid are, takes their law."""
    if not is_bounded(facts):
        return None
    choice = glorot("uniform", 1.0, facts)
    return Choice(choice.fill, choice.law, f"{choice.reason}, as for tanh: it is bounded")


def _no_gain(facts: Facts) -> Choice:
    choice = glorot("uniform", 1.0, facts)
    return Choice(choice.fill, choice.law, f"{follows(facts)} and has no gain: Glorot, as if linear", assumed=True)


SATURATING = ("sigmoid", "tanh")
_glorot = partial(glorot, "uniform", 1.0)

WEIGHTS: Rule = first_of(
    on(layout("gates"), _glorot),
    on(rectified, partial(he, "normal", "fan_in")),
    on(followed_by("selu"), partial(lecun, "normal", "Klambauer et al. 2017, on LeCun et al. 1998 eq. 16")),
    on(followed_by(*SATURATING), _glorot),
    on(followed_by("activation"), first_of(_exact, _bounded, _no_gain)),
    _glorot,
)
RECURRENT: Rule = partial(orthogonal_law, 1.0, "a state comes back through it: Saxe et al. 2014 section 3")


def _inverted(facts: Facts) -> Choice | None:
    """One matrix, into however many parts its outputs go: it is the whole of it that is inverted."""
    if not facts.inverted:
        return None
    reason = "its determinant or its inverse is taken, and it keeps volume so: Kingma & Dhariwal 2018 section 3.2"
    return Choice(Orthogonal(1.0), "orthogonal, gain 1", reason)


def textbook() -> Scheme:
    r"""The law that fits the activation behind each weight.

    | what follows | law |
    |---|---|
    | ReLU, ReLU6, leaky, learned and random leaky ReLU | He normal: $\sigma^2 = 2 / ((1 + a^2)\,\text{fan}_{in})$ |
    | SELU | LeCun normal: $\sigma^2 = 1 / \text{fan}_{in}$ |
    | sigmoid, tanh, an unnamed function that is bounded as they are, the gates of a recurrent layer, no activation | Glorot uniform: $b = \sqrt{6 / (\text{fan}_{in} + \text{fan}_{out})}$ |
    | any other activation $\phi$ | normal with its exact gain: $\sigma^2 = 1 / (E[\phi(z)^2]\,\text{fan}_{in})$ |
    | a state (recurrent weights) | orthogonal, each gate by itself |
    | whatever, where the network takes its determinant or its inverse | orthogonal |

    Biases 0, scales of normalisations 1, shifts 0; looked-up tables N(0, 1), added ones N(0, 0.02^2). Where what follows
    is unknown the weight is treated as linear, and the row says ``assumed``.

    Returns:
        The scheme.

    Example:
        >>> textbook().name
        'textbook'

    Reference:
        He et al. 2015, eqs. 10 and 15; Glorot & Bengio 2010, eq. 16; Klambauer et al. 2017, section "Initialization";
        LeCun et al. 1998, eq. 16; Saxe et al. 2014, section 3; Kingma & Dhariwal 2018, section 3.2.
    """
    rule = first_of(
        on(role("recurrent"), on(has_fans, RECURRENT)),
        _inverted,
        on(has_fans, WEIGHTS),
        REST,
    )
    return Scheme("textbook", rule, "He 2015; Glorot & Bengio 2010; Klambauer 2017; Saxe 2014")
