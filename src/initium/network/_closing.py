"""The norms that only output weights read: the scale of one sets the size of what the outputs get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._head import outgoing
from initium.network._ops import MOVES, MULTIPLIES, op_name
from initium.network._silencers import scale_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import fx

    from initium.network._flow import Flow

# Activations whose output is in proportion to their input.
_PROPORTIONAL = frozenset("relu leaky_relu prelu abs".split())


def closing(flow: Flow, heads: Collection[fx.Node], going: Collection[fx.Node]) -> dict[str, tuple[str, ...]]:
    """By scale of such a norm, the output weights that read it, by way of nothing but what is in proportion to it.

    So are tables whose rows it multiplies: scores of what it gives, for some items; and the end of a branch that goes out with
    its stream, of which nothing else is made.

    Args:
        flow: The data's ways.
        heads: The uses of output weights, by themselves or on a stream.
        going: The values that go out as they are.
    """
    read: dict[fx.Node, tuple[str, ...]] = {}
    out = outgoing(flow)
    last = (node for node in flow.weights if all(user.op == "output" or user in out for user in flow.readers(node)))
    heads = {*heads, *last}
    found, elsewhere = dict[str, tuple[str, ...]](), set[str]()
    for node in reversed(flow.read.nodes):
        if node not in flow.parents:
            continue
        readers = flow.readers(node)
        names = [_reached(flow, node, user, (heads, going), read) for user in readers]
        if readers and all(names):
            read[node] = tuple(dict.fromkeys(name for several in names for name in several))
        if flow.normalises(node) and node in read:
            found |= dict.fromkeys(scale_of(flow, node), read[node])
        elif flow.normalises(node):
            elsewhere |= {*scale_of(flow, node)}
    return {name: heads for name, heads in found.items() if name not in elsewhere}


def _reached(
    flow: Flow,
    node: fx.Node,
    user: fx.Node,
    ends: tuple[Collection[fx.Node], Collection[fx.Node]],
    read: dict[fx.Node, tuple[str, ...]],
) -> tuple[str, ...]:
    """The output weights that a reader is or leads to; none where it leads elsewhere too."""
    heads, going = ends
    if user in flow.weights:
        return tuple(flow.read.name_of(site.weight) for site in flow.weights[user]) if user in heads else ()
    if user.op == "output" or flow.normalises(user):
        return ()
    if op_name(user) in MULTIPLIES and user in going and len(flow.parents[user]) > 1:
        rows = [_rows(flow, parent) for parent in flow.parents[user] if parent is not node]
        return tuple(dict.fromkeys(name for names in rows for name in names)) if all(rows) else ()
    passed = op_name(user) in _PROPORTIONAL or not (flow.joins(user) or flow.bends(user))
    return read.get(user, ()) if passed else ()


def _rows(flow: Flow, node: fx.Node) -> tuple[str, ...]:
    """The tables of which a value is the rows, moved or not."""
    while op_name(node) in MOVES and len(flow.parents[node]) == 1:
        (node,) = flow.parents[node]
    return tuple(flow.read.name_of(site.weight) for site in flow.weights.get(node, ()) if site.layout == "lookup")
