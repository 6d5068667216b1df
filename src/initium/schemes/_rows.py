"""From a network and a scheme to one row for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import Keep, PlanRow
from initium.schemes._rule import Choice

if TYPE_CHECKING:
    from initium.network import Facts, Network
    from initium.schemes._rule import Scheme


def rows(network: Network, scheme: Scheme) -> tuple[PlanRow, ...]:
    """One row for every parameter, in the network's order; what no rule wants is kept, and its row says so.

    Args:
        network: The facts.
        scheme: The rule.

    Returns:
        The rows.

    Raises:
        PlanError: A weight with no elements, for which no law exists.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.schemes import rows, textbook
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        >>> [row.law for row in rows(read(net), textbook())]
        ['He normal, fan_in', 'zeros']
    """
    return tuple(_row(facts, scheme) for facts in network.parameters)


def _row(facts: Facts, scheme: Scheme) -> PlanRow:
    choice = scheme.rule(facts) or _kept(facts, scheme.name)
    return PlanRow(
        name=facts.name,
        names=facts.names,
        shape=facts.shape,
        role=facts.role,
        module=facts.owner.__name__,
        fan_in=facts.fan_in,
        fan_out=facts.fan_out,
        before=facts.before.text,
        after=facts.after.text,
        fill=choice.fill,
        law=choice.law,
        reason=choice.reason,
        assumed=facts.assumed or choice.assumed,
    )


def _kept(facts: Facts, name: str) -> Choice:
    seen = f" ({'; '.join(facts.notes)})" if facts.notes else ""
    fan = " without a fan" if facts.role in {"weight", "recurrent"} and facts.fan_in is None else ""
    return Choice(Keep(), "keep", f"no rule of {name} wants role {facts.role}{fan}{seen}: kept as it is")
