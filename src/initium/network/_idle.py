"""Parameters that the field starts at zero on purpose: where they stand, a zero silences a branch and learns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._silencers import names_of, silencers

if TYPE_CHECKING:
    from torch import fx

    from initium.network._branches import Branches
    from initium.network._flow import Flow

ADDED = "adds a signal from outside to a residual stream (zero-convolution)"
UPDATE = "second factor of a low-rank update (LoRA)"


def idle(branches: Branches) -> dict[str, str]:
    """The candidates by name, each with what makes it one."""
    flow = branches.joins.flow
    found: dict[str, str] = {}
    for ends in branches.ends:
        reason, names = silencers(flow, ends)
        found |= dict.fromkeys(names, reason)
    for node in flow.parents:
        if flow.joins(node) and node not in branches.joins.found:
            found |= _beside(branches, node)
    return found


def _beside(branches: Branches, node: fx.Node) -> dict[str, str]:
    """What is added at a sum that no branch comes back to."""
    flow, found = branches.joins.flow, dict[str, str]()
    first, second = flow.parents[node][:2]
    for one, other in ((first, second), (second, first)):
        home = flow.home[other]
        if home not in flow.weights or not flow.parents[home]:
            continue
        names = [
            name for site in flow.weights[home] for name in (*names_of(flow, site.weight), *names_of(flow, site.bias))
        ]
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
