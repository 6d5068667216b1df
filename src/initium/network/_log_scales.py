"""Logarithms of factors: what a weight gives is exponentiated and multiplies, in a flow's coupling or for the std of noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import AFFINE, PARTS, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

# What may stand between a weight and the exponential: all that keeps a small number small.
_BETWEEN = AFFINE | PARTS | frozenset("tanh atan hardtanh clamp clamp_min clamp_max softsign".split())
_FACTORS = frozenset({"mul", "div"})


def log_scales(network: Network) -> frozenset[str]:
    """The weights of whose output the exponential is taken, and does nothing but multiply or divide other values.

    Exponentials that are summed too are none: those are the weights of an average.
    """
    if network.trace is None:
        return frozenset()
    nodes = list(network.trace.graph.graph.nodes)
    varies = set(network.trace.entries)
    for node in nodes:
        if not varies.isdisjoint(node.all_input_nodes):
            varies.add(node)
    uses = {use.node: use.name for use in network.uses}
    ends = (node for node in nodes if op_name(node) == "exp" and node in varies and _multiplies(node, varies))
    return frozenset(name for node in ends if (name := _weight(node.all_input_nodes[0], uses, varies)))


def _multiplies(node: fx.Node, varies: set[fx.Node]) -> bool:
    """Whether all that reads a value multiplies or divides another by it."""
    readers = [user for user in node.users if user.op != "output"]
    return bool(readers) and all(
        op_name(user) in _FACTORS and len(varies.intersection(user.all_input_nodes)) > 1 for user in readers
    )


def _weight(node: fx.Node, uses: dict[str, str], varies: set[fx.Node]) -> str:
    """The name of the weight whose output a value is, scaled, shifted or bounded; empty for any other."""
    while node.name not in uses:
        made = [each for each in node.all_input_nodes if each in varies]
        if len(made) != 1 or op_name(node) not in _BETWEEN:
            return ""
        (node,) = made
    return uses[node.name]
