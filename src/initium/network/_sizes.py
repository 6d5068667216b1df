"""At how many places of a sample a weight is applied: pixels, tokens, nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import shape_of

if TYPE_CHECKING:
    from initium.network._network import Network


def sizes(network: Network) -> dict[str, int]:
    """How many numbers each use of a weight gives, its units and all samples together.

    Args:
        network: A network that was read with a batch.

    Returns:
        By the use's node; nothing of a network that was read without a batch.
    """
    if network.trace is None:
        return {}
    uses = {use.node for use in network.uses}
    found: dict[str, int] = {}
    for node in network.trace.graph.graph.nodes:
        if node.name in uses:
            found[node.name] = 1
            for size in shape_of(node):
                found[node.name] *= size
    return found
