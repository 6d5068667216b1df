"""How many numbers a use of a weight gives: over all samples, and all their pixels, tokens, nodes."""

from __future__ import annotations

import math
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
    return {node.name: math.prod(shape_of(node)) for node in network.trace.graph.graph.nodes if node.name in uses}
