"""What happens to the two terms of a residual sum on their last steps: factors, gates, normalisations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network._factors import factor_of
from initium.network._ops import NOISE, RESHAPES, op_name

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._flow import Flow


@dataclass(frozen=True, slots=True)
class Steps:
    """The last steps of a term before a sum, from the sum back to where something else begins.

    Attributes:
        factor: The constants that multiply it, ``None`` where something else than a number does.
        multipliers: The parameters that multiply it.
        gates: The values that weigh it.
        norms: The normalisations among the steps.
        start: Where the steps end: the value that is stepped on.
    """

    factor: float | None
    multipliers: tuple[str, ...]
    gates: tuple[fx.Node, ...]
    norms: tuple[fx.Node, ...]
    start: fx.Node


def steps(flow: Flow, total: fx.Node, term: fx.Node, end: AbstractSet[fx.Node] | None = None) -> Steps:
    """Walks back from a sum's term while nothing but a factor, a gate, a bias or a norm touches it.

    With an ``end`` as far as the nodes in it, and not through norms.
    """
    factor: float | None = _of_sum(total, term)
    multipliers: dict[str, None] = {}
    gates: list[fx.Node] = []
    norms: list[fx.Node] = []
    own: list[str] = []  # the parameters of the step just made: of a norm that is written out, its scale
    here = term
    while here not in flow.weights and not (end and here in end):
        if flow.normalises(here):
            if end is not None:
                break
            norms.append(here)
            multipliers = {name: None for name in multipliers if name not in own}
            here = flow.parents[here][0] if len(flow.parents[here]) == 1 else flow.home[here]
            continue
        values = flow.values(here)
        if len(values) != 1 or not _scales(here):
            break
        gates += [parent for parent in flow.parents[here] if parent not in values]
        number = factor_of(flow.read, here)
        own = own if op_name(here) in RESHAPES else _parameters(flow, here)
        multipliers |= dict.fromkeys(own)
        factor = None if factor is None or number is None else factor * number
        (here,) = values
    return Steps(factor, tuple(multipliers), tuple(gates), tuple(norms), here)


def _scales(node: fx.Node) -> bool:
    return op_name(node) in RESHAPES | NOISE | {"mul", "div", "add", "sub", "neg", "getitem", "index", "masked_fill"}


def _of_sum(total: fx.Node, term: fx.Node) -> float | None:
    """``add(a, b, alpha=k)`` multiplies its second argument."""
    alpha = total.kwargs.get("alpha", 1)
    if len(total.args) < 2 or total.args[1] is not term:  # noqa: PLR2004 - the second
        return 1.0
    return float(alpha) if isinstance(alpha, int | float) else None


def _parameters(flow: Flow, node: fx.Node) -> list[str]:
    """The parameters that a step multiplies by; one that divides makes a signal the larger, the smaller it is."""
    if op_name(node) != "mul":
        return []
    origin = flow.read.kinds.origin
    return [name for parent in flow.read.kinds.parameter_inputs(node) for name in origin[parent].names]
