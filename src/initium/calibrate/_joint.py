"""What goes out where several weights give it together: a product of towers, of tables, a sum of heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network import is_float, made_of, op_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from torch import fx

    from initium.network import Network, Trace, Use

_PRODUCTS = frozenset("mul matmul mm bmm mv dot einsum".split())


@dataclass(frozen=True, slots=True)
class Joint:
    """A value that goes out and is made of some weights' outputs alone.

    Attributes:
        names: Those weights and tables.
        degree: The power by which it grows where all of them grow: 2 for a product of two, 1 for a sum.
    """

    names: tuple[str, ...]
    degree: int


def joints(network: Network, names: Collection[str]) -> dict[str, Joint]:
    """By node that goes out, what it is made of, where that is several uses of these weights and of no other, and no input."""
    if network.trace is None:
        return {}
    members = {use.node: use for use in network.uses if use.name in names and use.leaves and not use.activated}
    strangers = {use.node for use in network.uses} - members.keys()
    inputs = _inputs(network.trace)
    found = dict[str, Joint]()
    for node in _leaving(network.trace):
        made = _made_of(node, members, strangers, inputs)
        if len(made) > 1:
            places = {each.name for each in made}
            ordered = [use.name for place, use in members.items() if place in places]
            found[node.name] = Joint(tuple(dict.fromkeys(ordered)), _degree(node, made))
    return found


def _leaving(trace: Trace) -> Iterator[fx.Node]:
    (output,) = (node for node in trace.graph.graph.nodes if node.op == "output")
    yield from output.all_input_nodes


def _inputs(trace: Trace) -> set[fx.Node]:
    """The batch's floating tensors."""
    places = [node for node in trace.graph.graph.nodes if node.op == "placeholder"]
    batch = places[len(trace.parameters) + len(trace.buffers) :]
    return {node for node in batch if is_float(node)}


def _made_of(
    node: fx.Node, members: Mapping[str, Use], strangers: Collection[str], inputs: Collection[fx.Node]
) -> dict[fx.Node, Use]:
    """The uses that a value is made of; none where anything else has a part in it."""
    found, seen, ahead = dict["fx.Node", "Use"](), {node}, [node]
    while ahead:
        here = ahead.pop()
        if here.name in strangers or here in inputs:
            return {}
        if here.name in members:
            found[here] = members[here.name]
            continue
        fresh = [each for each in here.all_input_nodes if each not in seen]
        seen.update(fresh)
        ahead += fresh
    return found


def _degree(node: fx.Node, members: Collection[fx.Node]) -> int:
    degrees = dict.fromkeys(members, 1)
    for here in made_of(node, members):
        given = [degrees[each] for each in here.all_input_nodes]
        degrees[here] = sum(given) if op_name(here) in _PRODUCTS else max(given, default=0)
    return max(degrees[node], 1)
