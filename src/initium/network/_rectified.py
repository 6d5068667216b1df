"""Logarithms that a ReLU has cut off: exponentials of what is never below zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import RESHAPES, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_RECTIFIERS = frozenset({"relu", "relu6"})
_PARTS = RESHAPES | {"chunk", "split", "split_with_sizes", "getitem", "slice", "select", "narrow", "unbind"}


def exp_of_rectified(network: Network) -> tuple[str, ...]:
    """The weights behind which a ReLU stands of which, or of a multiple above 0, the exponential is taken; views and parts aside.

    Args:
        network: A network that was read with a batch.

    Returns:
        Their names, each once.
    """
    if network.trace is None:
        return ()
    uses = {use.node: use.name for use in network.uses}
    ends = [node for node in network.trace.graph.graph.nodes if op_name(node) == "exp"]
    made = (_weight(node.all_input_nodes[0], uses) for node in ends if node.all_input_nodes)
    return tuple(dict.fromkeys(name for name in made if name))


def _weight(node: fx.Node, uses: dict[str, str]) -> str:
    """The name of the weight whose rectified answer a value is, times a number above 0; nothing for any other."""
    rectified = False
    while node.name not in uses:
        name = op_name(node)
        if len(node.all_input_nodes) != 1 or not (name in _PARTS | _RECTIFIERS or _grows(node)):
            return ""
        rectified = rectified or name in _RECTIFIERS
        node = node.all_input_nodes[0]
    return uses[node.name] if rectified else ""


def _grows(node: fx.Node) -> bool:
    """A product with, or a division by, a number above 0."""
    numbers = [each for each in node.args if isinstance(each, int | float)]
    return (
        op_name(node) in {"mul", "div"}
        and len(numbers) == 1
        and numbers[0] > 0
        and node.args[0] in node.all_input_nodes
    )
