"""Values that go on as zero, whatever they are: those that a zero which is written down multiplies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx

from initium.network._ops import MULTIPLIES, RESHAPES, behind, constant_of, is_float, op_name

if TYPE_CHECKING:
    from collections.abc import Container

    from initium.network._network import Network


def factors(network: Network) -> dict[str, str]:
    """The buffers and the tensors of the batch that multiply something, by the graph's own name for each; views aside.

    Args:
        network: A network that was read with a batch; of any other nothing is known.
    """
    if network.trace is None:
        return {}
    trace = network.trace
    nodes = [node for node in trace.graph.graph.nodes if node.op == "placeholder"][len(trace.parameters) :]
    given = (f"input {place}" for place in range(len(trace.entries)))
    named = zip(nodes, (*trace.buffers, *given), strict=False)
    return {node.name: name for node, name in named if _multiplies(node)}


def _multiplies(node: fx.Node) -> bool:
    return any(op_name(user) in MULTIPLIES or (op_name(user) in RESHAPES and _multiplies(user)) for user in node.users)


def nulled(network: Network, blank: Container[str] = ()) -> frozenset[str]:
    """The parameters whose values go out, but times a zero alone, which nothing learns: no step ever gives them a gradient.

    A zero is a number of the program. One that is a parameter (ReZero) learns, and one that is computed may change.

    Args:
        network: A network that was read with a batch; of any other nothing is known.
        blank: Of its :func:`factors` those that are zero throughout.
    """
    if network.trace is None:
        return frozenset()
    nodes = list(network.trace.graph.graph.nodes)
    zeros = {node for node in nodes if _times_zero(node, blank)}
    if not zeros:
        return frozenset()
    out, alive = set["fx.Node"](), set["fx.Node"]()
    for node in reversed(nodes):
        if any(user.op == "output" or (user in out and is_float(user)) for user in node.users):
            out.add(node)
        if any(user.op == "output" or (user in alive and user not in zeros) for user in node.users):
            alive.add(node)
    places = dict(zip(network.trace.parameters, nodes, strict=False))
    return frozenset(name for name, node in places.items() if node in out - alive)


def _times_zero(node: fx.Node, blank: Container[str]) -> bool:
    if op_name(node) == "mul" and any(map(_is_zero, node.args[:2])):
        return True
    return op_name(node) in MULTIPLIES and any(behind(each).name in blank for each in node.all_input_nodes)


def _is_zero(factor: object) -> bool:
    if not isinstance(factor, fx.Node):
        return isinstance(factor, int | float) and factor == 0
    held = constant_of(factor)
    return held is not None and held.numel() == 1 and not bool(held)
