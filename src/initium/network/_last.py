"""Recurrent operations of whose steps the last state alone is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import RECURRENT, op_name, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._network import Network

_STATES = 3  # axes of the states of all steps


def read_at_last(network: Network) -> frozenset[str]:
    """The recurrent operations, by node, whose answer is their last state: ``states[:, -1]``, or the state that they end with.

    Args:
        network: A network that was read with a batch; of any other nothing is known.
    """
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    return frozenset(node.name for node in nodes if op_name(node) in RECURRENT and _last_alone(node))


def read_at_first(network: Network) -> frozenset[str]:
    """The recurrent operations in one direction, by node, of whose steps, two or more, the first alone is read: ``states[:, 0]``.

    Args:
        network: A network that was read with a batch; of any other nothing is known.
    """
    nodes = network.trace.graph.graph.nodes if network.trace else ()
    return frozenset(node.name for node in nodes if op_name(node) in RECURRENT and _first_alone(node))


def _first_alone(node: fx.Node) -> bool:
    steps = 1 if node.args[-1] is True else 0
    shape = shape_of(node)
    if any(op_name(user) != "getitem" or user.args[1] != 0 for user in node.users if user.users):
        return False
    read = [user for each in node.users if each.users for user in _readers(each)]
    first = all(op_name(user) == "select" and user.args[1:3] == (steps, 0) for user in read)
    return bool(read) and first and len(shape) == _STATES and shape[steps] > 1 and node.args[-2] is False


def _last_alone(node: fx.Node) -> bool:
    states = [user for user in node.users if op_name(user) == "getitem" and user.args[1] == 0]
    steps = 1 if node.args[-1] is True else 0
    read = [user for each in states for user in _readers(each)]
    return bool(node.users) and all(_is_last(user, shape_of(user.all_input_nodes[0]), steps) for user in read)


def _readers(states: fx.Node) -> Iterator[fx.Node]:
    """Who reads the states; a slice that takes all of them is none (torch 2.6 makes one of ``states[:, -1]``)."""
    for user in states.users:
        if op_name(user) == "slice" and shape_of(user) == shape_of(states):
            yield from _readers(user)
        else:
            yield user


def _is_last(node: fx.Node, shape: tuple[int, ...], steps: int) -> bool:
    if op_name(node) != "select" or len(shape) != _STATES:
        return False
    axis, place = node.args[1:3]
    return isinstance(axis, int) and axis % _STATES == steps and place in {-1, shape[steps] - 1}
