"""Overrides: exceptions to a scheme, by name, by type of module, or by any selector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from torch import nn

from initium.errors import ArgumentTypeError, PlanError
from initium.network import Facts
from initium.planning._blocks import misfit
from initium.records import Constant, Fill, Keep, Orthogonal
from initium.schemes import Rule, Scheme, always, each_matrix, first_of, named, on, owned_by, role, scheme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.schemes import Choice

Key: TypeAlias = str | type[nn.Module] | Callable[[Facts], bool]
Value: TypeAlias = Fill | Scheme | str | float
Overrides: TypeAlias = Mapping[Key, Value]
"""What to whom; a later entry wins over an earlier one.

A key is a qualified name or a glob of names, a type of module (every parameter that such a module holds itself), or a
selector such as ``role("embedding")``. A value is a fill, a scheme or its name (its rule decides), ``"keep"``, or a
number (every element equal to it).

A fill under a glob or a selector goes to every parameter that is matched. Under a type of module a fill that draws goes
only to what multiplies data (weights and embeddings): ``{nn.Linear: Normal(0.02)}`` leaves the biases to the scheme.
"""

_DRAWN_INTO = role("weight", "recurrent", "embedding")


def overriding(overrides: Overrides, parameters: Sequence[Facts]) -> Rule:
    """The rule that the overrides make together.

    Raises:
        PlanError: An override that changes nothing, or whose fill does not fit.
        ArgumentTypeError: A key or a value of the wrong kind.
    """
    if not isinstance(overrides, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        raise ArgumentTypeError(
            f'overrides is a dict such as {{"*.bias": 0.0, nn.Embedding: "keep"}}; got {type(overrides).__name__}.'
        )
    rules = [_entry(key, value, parameters) for key, value in overrides.items()]
    return first_of(*reversed(rules))


def _entry(key: Key, value: Value, parameters: Sequence[Facts]) -> Rule:
    selects, shown = _selector(key), _shown(key)
    matched = [facts for facts in parameters if selects(facts)]
    if not matched:
        raise PlanError(_no_match(key, shown, parameters))
    fill, rule = _value(shown, value)
    if isinstance(key, type) and fill is not None and not isinstance(fill, Constant | Keep):
        rule = on(_DRAWN_INTO, rule)
    chosen = [(facts, rule(facts)) for facts in matched]
    if all(choice is None for _, choice in chosen):
        raise PlanError(_no_effect(shown, value, matched))
    _check_fit(shown, chosen)
    return on(selects, _because(shown, rule))


def _selector(key: Key) -> Callable[[Facts], bool]:
    if isinstance(key, str):
        return named(key)
    if isinstance(key, type) and issubclass(key, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        return owned_by(key)
    if callable(key) and not isinstance(key, nn.Module | type):
        return key
    raise ArgumentTypeError(
        f"the key of an override is a name or glob, a type of module or a selector such as role('embedding'); got "
        f"{_shown(key)} of type {type(key).__name__}."
    )


def _shown(key: object) -> str:
    return repr(key) if isinstance(key, str) else str(getattr(key, "__name__", None) or type(key).__name__)


def _value(shown: str, value: Value) -> tuple[Fill | None, Rule]:
    """The fill, where the value is one, and the rule that writes it."""
    match value:
        case "keep":
            return Keep(), always(Keep(), "kept")
        case str() | Scheme():
            return None, scheme(value).rule
        case bool():
            pass
        case int() | float():
            return Constant(float(value)), always(Constant(float(value)))
        case _ if isinstance(value, Fill):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
            return value, _each(value)
        case _:
            pass
    raise ArgumentTypeError(
        f"override {shown}: the value is a fill such as Normal(0.02), a scheme or its name, 'keep' or a number; got "
        f"{value!r} of type {type(value).__name__}."
    )


def _each(fill: Fill) -> Rule:
    """An orthogonal fill goes to each matrix that a parameter packs."""
    if not isinstance(fill, Orthogonal):
        return always(fill)
    return lambda facts: always(each_matrix(facts, fill))(facts)


def _because(shown: str, rule: Rule) -> Rule:
    """The rule, with the override named in its reason."""

    def named_rule(facts: Facts) -> Choice | None:
        choice = rule(facts)
        if choice is None:
            return None
        return replace(choice, reason=f"override {shown}" + (f": {choice.reason}" if choice.reason else ""))

    return named_rule


def _check_fit(shown: str, chosen: Sequence[tuple[Facts, Choice | None]]) -> None:
    for facts, choice in chosen:
        wrong = misfit(choice.fill, facts.shape) if choice else ""
        if wrong:
            raise PlanError(
                f"override {shown} does not fit `{facts.name}` (role {facts.role}): {wrong}. Narrow the key, or give it "
                "another fill such as Normal(std)."
            )


def _no_match(key: Key, shown: str, parameters: Sequence[Facts]) -> str:
    if isinstance(key, str):
        names = [name for facts in parameters for name in facts.names]
        near = get_close_matches(key, names, n=3, cutoff=0.5) or names[:3]
        hint = f"Names nearby: {', '.join(f'`{name}`' for name in near)}" if near else "The network has no parameter"
    elif isinstance(key, type):
        owners = dict.fromkeys(facts.owner.__name__ for facts in parameters)
        hint = f"Types that hold parameters here: {', '.join(owners)}"
    else:
        hint = f"Roles here: {', '.join(dict.fromkeys(facts.role for facts in parameters))}"
    return f"override {shown} matches no parameter. {hint}."


def _no_effect(shown: str, value: Value, matched: Sequence[Facts]) -> str:
    some = ", ".join(f"`{facts.name}` ({facts.role})" for facts in matched[:3])
    return (
        f"override {shown} matches {len(matched)} parameter(s), and {value!r} fits none of them: {some}. A fill under a "
        "type of module goes only to weights and embeddings; name others by a glob, such as '*.bias'."
    )
