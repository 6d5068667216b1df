"""What goes out where several weights give it together: a product of towers, of tables, a sum of heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network import MULTIPLIES, is_float, made_of, op_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import fx

    from initium.network import Network, Trace


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
    named = {use.node: use for use in network.uses if use.name in names and use.leaves and not use.activated}
    strangers = {use.node for use in network.uses} - named.keys()
    members = {node: named[node.name] for node in network.trace.graph.graph.nodes if node.name in named}
    inputs = _inputs(network.trace)
    found = dict[str, Joint]()
    for node in _leaving(network.trace):
        between = made_of(node, members)
        made = {each for here in between for each in here.all_input_nodes} & members.keys()
        if len(made) > 1 and not any(here.name in strangers or here in inputs for here in between):
            ordered = (use.name for each, use in members.items() if each in made)
            found[node.name] = Joint(tuple(dict.fromkeys(ordered)), _degree(between, made))
    return found


def _leaving(trace: Trace) -> Iterator[fx.Node]:
    (output,) = (node for node in trace.graph.graph.nodes if node.op == "output")
    yield from output.all_input_nodes


def _inputs(trace: Trace) -> set[fx.Node]:
    """The batch's floating tensors."""
    places = [node for node in trace.graph.graph.nodes if node.op == "placeholder"]
    batch = places[len(trace.parameters) + len(trace.buffers) :]
    return {node for node in batch if is_float(node)}


def _degree(between: Sequence[fx.Node], made: Collection[fx.Node]) -> int:
    """That of the last of the values between the uses and what goes out."""
    degrees = dict.fromkeys(made, 1)
    for here in between:
        given = [degrees[each] for each in here.all_input_nodes]
        degrees[here] = sum(given) if op_name(here) in MULTIPLIES else max(given, default=0)
    return max(degrees[between[-1]], 1)
