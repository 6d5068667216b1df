"""Parameters that the field starts at zero on purpose: where they stand, a zero silences a branch and learns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx

from initium.network._ops import NORMS, op_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network._branches import Branches
    from initium.network._flow import Flow

FACTOR = "multiplies the output of a residual branch (LayerScale, ReZero, SkipInit)"
NORM = "scales the norm that ends a residual branch"
GATE = "makes the gate of a residual branch (adaLN-Zero)"
ADDED = "adds a signal from outside to a residual stream (zero-convolution)"
UPDATE = "second factor of a low-rank update (LoRA)"


def idle(branches: Branches) -> dict[str, str]:
    """The candidates by name, each with what makes it one."""
    flow = branches.joins.flow
    found: dict[str, str] = {}
    for ends in branches.ends:
        found |= dict.fromkeys(ends.multipliers, FACTOR)
        for norm in ends.norms:
            found |= dict.fromkeys(_scale(flow, norm), NORM)
        for gate in ends.gates:
            found |= dict.fromkeys(_makers(flow, gate), GATE)
    for node in flow.parents:
        if flow.joins(node) and node not in branches.joins.found:
            found |= _beside(branches, node)
    return found


def _names(flow: Flow, node: object) -> tuple[str, ...]:
    origin = flow.read.kinds.origin.get(node) if isinstance(node, fx.Node) else None
    return origin.names if origin else ()


def _scale(flow: Flow, norm: fx.Node) -> Iterator[str]:
    """The scale of a norm: an argument of it, or what multiplies it next where it is written out."""
    if op_name(norm) in NORMS:
        place = NORMS[op_name(norm)][0]
        yield from _names(flow, norm.args[place] if len(norm.args) > place else None)
        return
    here = norm
    while len(flow.users[here]) == 1:
        (here,) = flow.users[here]
        if op_name(here) == "mul":
            yield from (name for each in flow.read.kinds.parameter_inputs(here) for name in _names(flow, each))
            return
        if len(flow.parents[here]) > 1 or here in flow.weights:
            return


def _makers(flow: Flow, gate: fx.Node) -> Iterator[str]:
    """The weight whose output, as it is, is a gate."""
    if flow.bounded(gate):
        return
    while gate not in flow.weights and len(flow.parents[gate]) == 1:
        (gate,) = flow.parents[gate]
    for site in flow.weights.get(gate, ()):
        yield from (*_names(flow, site.weight), *_names(flow, site.bias))


def _beside(branches: Branches, node: fx.Node) -> dict[str, str]:
    """What is added at a sum that no branch comes back to."""
    flow, found = branches.joins.flow, dict[str, str]()
    first, second = flow.parents[node][:2]
    for one, other in ((first, second), (second, first)):
        home = flow.home[other]
        if home not in flow.weights or not flow.parents[home]:
            continue
        names = [name for site in flow.weights[home] for name in (*_names(flow, site.weight), *_names(flow, site.bias))]
        if one in branches.lines and other not in branches.lines:
            found |= dict.fromkeys(names, ADDED)
        elif _updates(flow, home, flow.home[one]):
            found |= dict.fromkeys(names, UPDATE)
    return found


def _updates(flow: Flow, last: fx.Node, beside: fx.Node) -> bool:
    """True for the second of two weights in a row, narrow between them, beside one weight that reads the same value."""
    inner = flow.home[flow.parents[last][0]]
    if beside not in flow.weights or inner not in flow.weights or not (flow.parents[inner] and flow.parents[beside]):
        return False
    same = flow.home[flow.parents[inner][0]] is flow.home[flow.parents[beside][0]]
    rank, whole = flow.weights[last][0].fan_in, flow.weights[beside][0].fan_in
    return same and rank < whole and not any(map(flow.bends, flow.between(flow.parents[last][0], inner)))
