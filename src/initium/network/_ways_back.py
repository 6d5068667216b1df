"""Which calls of a model's own functions a walk makes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network
    from initium.network._own_backward import OwnBackward


class WaysBack(NamedTuple):
    """The calls of a model's own ``autograd.Function``s, as far as a walk is concerned.

    Attributes:
        calls: Those that it makes, by the last node that each gives.
        read: The nodes that they read.
        missed: The names of those of which some call has the gradient of its forward pass, and not its own.
    """

    calls: dict[fx.Node, OwnBackward]
    read: frozenset[fx.Node]
    missed: frozenset[str]


def ways_back(network: Network) -> WaysBack:
    """One in which a weight is used is run as the graph has it, since there a walk looks inside."""
    trace, uses = network.trace, {use.node for use in network.uses}
    if trace is None or not trace.functions:
        return WaysBack({}, frozenset(), frozenset())
    places = {node: place for place, node in enumerate(trace.graph.graph.nodes)}
    missed, calls, read = {*trace.missed}, dict["fx.Node", "OwnBackward"](), set["fx.Node"]()
    for call in trace.backwards:
        if uses.isdisjoint(node.name for node in call.inside):
            calls[max((node for node in call.given if node is not None), key=places.__getitem__)] = call
            read.update(call.inputs)
        else:
            missed.add(call.function.__qualname__)
    return WaysBack(calls, frozenset(read), frozenset(missed))
