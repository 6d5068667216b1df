"""Matrices that the program holds by itself, neither parameters nor buffers, in the place of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import Parameter

from initium.network._ops import LINEAR, RESHAPES, constant_of, op_name

if TYPE_CHECKING:
    import torch
    from torch import fx

    from initium.network._network import Network


def loose(network: Network) -> list[torch.Tensor]:
    """The constants that multiply what a weight has given, on a way to another weight.

    Args:
        network: A network that was read with a batch.

    Returns:
        Those of two axes or more, as they are. A ``Parameter`` that requires no gradient was frozen by somebody (a teacher that is
        kept in a list), and is left out.
    """
    if network.trace is None:
        return []
    nodes = list(network.trace.graph.graph.nodes)
    uses = {use.node for use in network.uses}
    weighed, ahead = set["fx.Node"](), set["fx.Node"]()
    for node in nodes:
        if node.name in uses or not weighed.isdisjoint(node.all_input_nodes):
            weighed.add(node)
    for node in reversed(nodes):
        if any(user.name in uses or user in ahead for user in node.users):
            ahead.add(node)
    held = ((node, constant_of(node)) for node in nodes if node.op == "get_attr")
    plain = (
        (node, value)
        for node, value in held
        if value is not None and value.ndim > 1 and not (value.requires_grad or isinstance(value, Parameter))
    )
    return [value for node, value in plain if value.is_floating_point() and _multiplies(node, weighed, ahead)]


def _multiplies(node: fx.Node, weighed: set[fx.Node], ahead: set[fx.Node]) -> bool:
    """Directly, or behind views."""
    for user in node.users:
        others = [each for each in user.all_input_nodes if each is not node]
        if op_name(user) in LINEAR and any(each in weighed for each in others) and user in ahead:
            return True
        if op_name(user) in RESHAPES and _multiplies(user, weighed, ahead):
            return True
    return False
