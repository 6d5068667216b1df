"""What exponentials are taken of, back to the weight that gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import op_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import fx

    from initium.network._network import Network


def exponents(
    network: Network, back: Callable[[fx.Node], fx.Node | None]
) -> Iterator[tuple[fx.Node, list[fx.Node], str]]:
    """Every exponential of a weight's output: itself, what stands between, last first, and the weight's name.

    Args:
        network: A network that was read with a batch.
        back: The value from which an operation is looked at further back; ``None`` where it may not stand between.
    """
    if network.trace is None:
        return
    uses = {use.node: use.name for use in network.uses}
    for end in network.trace.graph.graph.nodes:
        if op_name(end) != "exp" or not end.all_input_nodes:
            continue
        here, between = end.all_input_nodes[0], list["fx.Node"]()
        while here.name not in uses and (before := back(here)) is not None:
            between.append(here)
            here = before
        if here.name in uses:
            yield end, between, uses[here.name]
