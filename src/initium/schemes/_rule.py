"""A rule chooses a law for a parameter from its facts, or passes; a scheme is one rule made of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from initium.network import Facts
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Fill,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule chose for one parameter.

    Attributes:
        fill: What is to be written.
        law: The law in the field's words, such as ``He normal, fan_in``.
        reason: Why this law, in a few words.
        assumed: True where the rule guessed.

    Example:
        >>> from initium.records import Normal
        >>> Choice(Normal(0.1), "He normal, fan_in", "relu follows").fill
        Normal(std=0.1)
    """

    fill: Fill
    law: str
    reason: str
    assumed: bool = False


Rule: TypeAlias = Callable[[Facts], Choice | None]
"""Facts to a choice, or to ``None`` where the rule has nothing to say."""

Selector: TypeAlias = Callable[[Facts], bool]
"""Whether a rule is for this parameter."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """A rule with a name.

    Attributes:
        name: As it is asked for: ``textbook``, ``normal(0.02)``.
        rule: What it does with a parameter.
        source: Where it comes from, with the equation.

    Example:
        >>> from initium.schemes import always, on, role
        >>> from initium.records import Normal
        >>> Scheme("mine", on(role("weight"), always(Normal(0.1))), "our own").name
        'mine'
    """

    name: str
    rule: Rule
    source: str


def always(fill: Fill, reason: str = "", law: str = "") -> Rule:
    """The rule that chooses one fill for whatever it is asked.

    Args:
        fill: What is written.
        reason: Why.
        law: Its name; empty for the fill in words.

    Returns:
        A rule that never passes.

    Example:
        >>> from initium.records import Normal
        >>> always(Normal(0.02))(None).law
        'normal(0.02)'
    """
    choice = Choice(fill, law or words(fill), reason)
    return lambda _: choice


def first_of(*rules: Rule) -> Rule:
    """The rule that asks several in turn and takes the first choice.

    Args:
        *rules: The rules, the first one asked first.

    Returns:
        A rule; it passes where all of them pass.

    Example:
        >>> from initium.records import Normal
        >>> first_of(lambda facts: None, always(Normal(0.02)))(None).fill
        Normal(std=0.02)
    """
    return lambda facts: next((choice for rule in rules if (choice := rule(facts)) is not None), None)


def on(selector: Selector, rule: Rule | Fill) -> Rule:
    """The rule that speaks only for the parameters that are selected.

    Args:
        selector: Which parameters.
        rule: What to do with them; a fill stands for the rule that always chooses it.

    Returns:
        A rule; it passes on every other parameter.

    Example:
        >>> from initium.records import Constant
        >>> on(lambda facts: False, Constant(0.0))(None) is None
        True
    """
    chosen = always(rule) if isinstance(rule, Fill) else rule
    return lambda facts: chosen(facts) if selector(facts) else None


def words(fill: Fill) -> str:  # noqa: C901, PLR0911 - one a kind of fill
    """A fill in the field's words."""
    match fill:
        case Constant(value):
            return {0.0: "zeros", 1.0: "ones"}.get(value, f"constant({value:.4g})")
        case Normal(std):
            return f"normal({std:.4g})"
        case TruncatedNormal(std, cut):
            return f"truncated normal({std:.4g}, cut at {cut:.4g})"
        case Uniform(bound):
            return f"uniform({bound:.4g})"
        case Orthogonal(gain):
            return f"orthogonal({gain:.4g})"
        case DeltaOrthogonal(gain):
            return f"delta-orthogonal({gain:.4g})"
        case Identity(gain):
            return f"identity({gain:.4g})"
        case Factor(_, side, alpha, beta):
            return f"{side} factor of {alpha:.4g} Z {'-' if beta < 0 else '+'} {abs(beta):.4g} I"
        case Values():
            return "given values"
        case Packed(_, parts, each):
            return f"{words(each)}, each of {parts}"
        case Blocks(_, fills):
            return " | ".join(map(words, fills))
        case Keep():
            return "keep"
