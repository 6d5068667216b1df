"""What the schemes for residual networks share: who needs a branch, how many layers a stream has, fused q, k and v."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

from initium.errors import PlanError
from initium.records import Blocks, Normal, Uniform
from initium.schemes._parts import fan_sum, has_fans
from initium.schemes._rule import Choice

if TYPE_CHECKING:
    from collections.abc import Callable

    from initium.network import Facts, Residual, Stream
    from initium.records import Fill


def placed(facts: Facts, scheme: str) -> Residual:
    """The place of a weight; a scheme that goes by branches has nothing to go by where the network shows none."""
    if facts.residual is not None:
        return facts.residual
    why = (
        "no batch was given, and the modules alone do not tell the branches: pass one"
        if facts.assumed and facts.before.kind != "unknown"
        else "the graph holds no sum of a branch with a value that bypasses it"
    )
    raise PlanError(f"{scheme} needs residual branches, and `{facts.name}` is in a network that shows none: {why}.")


def layers(stream: Stream) -> float:
    """The layers of a transformer's stream: attention and feed-forward are one, cross-attention comes on top."""
    return (stream.branches - stream.crossing) / 2


def kept_scale(facts: Facts) -> bool:
    """True for queries and keys alone: what they are scaled by changes the sharpness of attention, not its size."""
    return bool(facts.attention) and all(set(role) <= {"q", "k"} and role for role, _ in facts.attention)


def refuse(facts: Facts, scheme: str, lacks: str, cure: str) -> PlanError:
    """The error for a network that a scheme was not made for."""
    return PlanError(f"{scheme}: the branch of `{facts.name}` {lacks}. {cure}")


def scaled(shape: str, gain: float, facts: Facts, why: str) -> Choice:
    """Glorot's law times a gain; in a weight that packs queries and keys with values, of the values alone."""
    roles = [role for role, _ in facts.attention]
    values = [not (role and set(role) <= {"q", "k"}) for role in roles]
    if len(set(values)) < 2:  # noqa: PLR2004 - one law for all
        factor = 1.0 if kept_scale(facts) else gain
        std = factor * math.sqrt(2 / _sum_of(facts))
        return Choice(_fill(shape, std), f"Glorot {shape}, gain {factor:.4g}", why)
    mixed = next((role for role in roles if "v" in role and len(role) > 1), "")
    if mixed or facts.layout == "batched":
        raise refuse(
            facts,
            "this scheme",
            f"packs {mixed or 'q, k and v'} in a way that cannot be told apart",
            "Give v a weight.",
        )
    return Choice(_blocks(shape, gain, facts), f"Glorot {shape}, gain {gain:.4g} on v, 1 on q and k", why)


def _sum_of(facts: Facts) -> float:
    """The fans; of a weight that packs one role many times (heads in turn), of the role's whole matrix."""
    if len(facts.attention) > 1 and facts.fan_in is not None:
        return facts.fan_in + sum(units for _, units in facts.attention) / len({role for role, _ in facts.attention})
    return fan_sum(facts)


def _blocks(shape: str, gain: float, facts: Facts) -> Fill:
    """Equal blocks along the axis of units, as many as the parts have a common measure."""
    size = reduce(math.gcd, (units for _, units in facts.attention))
    whole = {role: sum(units for each, units in facts.attention if each == role) for role, _ in facts.attention}
    fills: list[Fill] = []
    for role, units in facts.attention:
        factor = 1.0 if role and set(role) <= {"q", "k"} else gain
        std = factor * math.sqrt(2 / ((facts.fan_in or 0) + whole[role]))
        fills += [_fill(shape, std)] * (units // size)
    return Blocks(facts.axis, tuple(fills))


def _fill(shape: str, std: float) -> Fill:
    return Normal(std) if shape == "normal" else Uniform(math.sqrt(3) * std)


def weight_rule(scheme: str, choose: Callable[[Facts, Residual], Choice]) -> Callable[[Facts], Choice | None]:
    """The rule for every weight with fans, by its place."""
    return lambda facts: choose(facts, placed(facts, scheme)) if has_fans(facts) else None
