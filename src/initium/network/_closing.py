"""The norms that only output weights read: the scale of one sets the size of what the outputs get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import op_name
from initium.network._silencers import scale_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import fx

    from initium.network._flow import Flow

# Activations whose output is in proportion to their input.
_PROPORTIONAL = frozenset("relu leaky_relu prelu abs".split())


def closing(flow: Flow, heads: Collection[fx.Node]) -> dict[str, tuple[str, ...]]:
    """By scale of such a norm, the output weights that read it, by way of nothing but what is in proportion to it."""
    read: dict[fx.Node, tuple[str, ...]] = {}
    found, elsewhere = dict[str, tuple[str, ...]](), set[str]()
    for node in reversed(flow.read.nodes):
        if node not in flow.parents:
            continue
        readers = flow.readers(node)
        names = [_reached(flow, user, heads, read) for user in readers]
        if readers and all(names):
            read[node] = tuple(dict.fromkeys(name for several in names for name in several))
        if flow.normalises(node) and node in read:
            found |= dict.fromkeys(scale_of(flow, node), read[node])
        elif flow.normalises(node):
            elsewhere |= {*scale_of(flow, node)}
    return {name: heads for name, heads in found.items() if name not in elsewhere}


def _reached(
    flow: Flow, user: fx.Node, heads: Collection[fx.Node], read: dict[fx.Node, tuple[str, ...]]
) -> tuple[str, ...]:
    """The output weights that a reader is or leads to; none where it leads elsewhere too."""
    if user in flow.weights:
        return tuple(flow.read.name_of(site.weight) for site in flow.weights[user]) if user in heads else ()
    if user.op == "output" or flow.normalises(user):
        return ()
    passed = op_name(user) in _PROPORTIONAL or not (flow.joins(user) or flow.bends(user))
    return read.get(user, ()) if passed else ()
