"""Where a gradient is cut off: values that go on while what they were made of is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from initium.network._ops import is_float, op_name, shape_of
from initium.network._watch import written

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._network import Network
    from initium.network._traced import Trace

_DETACH, _OFF = ".detach()", "torch.no_grad()"
_SWITCH: Any = torch._C._set_grad_enabled  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what no_grad() leaves


def severed(network: Network) -> dict[str, str]:
    """The parameters whose values go out, but by way of a cut alone, so that no loss of the output gives them a gradient.

    What has a way out without a cut and gets no gradient all the same was not asked for by this loss; what has no way out,
    or one through whole numbers alone (a choice by argmax), is not severed but unused. A cut behind which the model turns
    into whole numbers is none either.

    Args:
        network: A network that was read with a batch; of any other nothing is known.

    Returns:
        By the parameter's name, what cuts it off first: ``.detach()`` or ``torch.no_grad()``.
    """
    if network.trace is None:
        return {}
    nodes = list(network.trace.graph.graph.nodes)
    cuts = _cuts(nodes)
    alive, out = set["fx.Node"](), set["fx.Node"]()
    for node in reversed(nodes):
        readers = [user for user in node.users if user.op == "output" or (user in out and is_float(user))]
        if readers and is_float(node):
            out.add(node)
            if any(user.op == "output" or (user in alive and user not in cuts) for user in readers):
                alive.add(node)
    places = dict(zip(network.trace.parameters, nodes, strict=False))
    return {name: _first(node, cuts, out) for name, node in places.items() if node in out - alive}


def chosen(network: Network, goals: AbstractSet[str] | None = None) -> frozenset[str]:
    """The parameters whose values go out by way of whole numbers or truth values alone: of a choice (argmax, a comparison).

    Args:
        network: A network that was read with a batch; of any other nothing is known.
        goals: The operations to which the values go, by node; the output where none are given.
    """
    if network.trace is None:
        return frozenset()
    nodes = list(network.trace.graph.graph.nodes)
    smooth, reaching = set["fx.Node"](), set["fx.Node"]()
    for node in reversed(nodes):
        ends = any(user.op == "output" if goals is None else user.name in goals for user in node.users)
        if ends or any(user in reaching for user in node.users):
            reaching.add(node)
        if is_float(node) and (ends or any(user in smooth and is_float(user) for user in node.users)):
            smooth.add(node)
    places = dict(zip(network.trace.parameters, nodes, strict=False))
    return frozenset(name for name, node in places.items() if node in reaching - smooth)


def varying(trace: Trace) -> set[fx.Node]:
    """The tensors of the batch, and all that is made of them."""
    found = set(trace.entries)
    for node in trace.graph.graph.nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found


def unfed(network: Network) -> frozenset[str]:
    """The nodes that are made of nothing of the batch: a layer that reads a parameter alone (a hypernetwork's) gives one answer to all.

    Args:
        network: A network that was read with a batch.
    """
    if network.trace is None:
        return frozenset()
    made = varying(network.trace)
    return frozenset(node.name for node in network.trace.graph.graph.nodes if node not in made)


def heedless(network: Network) -> bool:
    """True where nothing of the batch reaches the output by operations of torch: its values left for numpy, or for Python."""
    if network.trace is None:
        return False
    entries = network.trace.entries
    waiting, seen = list(entries), set(entries)
    while waiting:
        fresh = [user for user in waiting.pop().users if user not in seen]
        if any(user.op == "output" for user in fresh):
            return False
        seen.update(fresh)
        waiting += fresh
    return bool(entries)


def unread(network: Network) -> frozenset[int]:
    """The places, among the tensors of the batch, of those from which no way leads to the output, be it by whole numbers.

    Nothing is known where the model asked a tensor for a value, or where nothing of the batch comes out at all.

    Args:
        network: A network that was read with a batch.
    """
    if network.trace is None or network.trace.asks or heedless(network):
        return frozenset()
    seen = set["fx.Node"]()
    for node in reversed(network.trace.graph.graph.nodes):
        if node.op == "output" or not seen.isdisjoint(node.users) or _writes(node, seen):
            seen.add(node)
    return frozenset(place for place, node in enumerate(network.trace.entries) if node not in seen)


def partly_read(network: Network) -> tuple[int, int] | None:
    """An axis of a tensor of the batch, other than the first, of which one place alone is read; how long it is, and the place.

    Args:
        network: A network that was read with a batch.
    """
    for node in network.trace.entries if network.trace else ():
        users, shape = list(node.users), shape_of(node)
        if len(users) == 1 and op_name(users[0]) == "select":
            axis, place = cast("tuple[int, int]", users[0].args[1:])
            if axis % len(shape) > 0 and shape[axis] > 1:
                return shape[axis], place % shape[axis]
    return None


def _writes(node: fx.Node, seen: set[fx.Node]) -> bool:
    """What is written into a value that goes on has no reader of its own."""
    return any(each in seen for each in written(node.target, node.args))


def _cuts(nodes: list[fx.Node]) -> dict[fx.Node, str]:
    """The operations that hand no gradient on: those that detach, and those that run while gradients are switched off."""
    found: dict[fx.Node, str] = {}
    on = True
    for node in nodes:
        if node.target is _SWITCH:
            on = bool(node.args[0])
        elif node.op == "call_function" and (not on or op_name(node) == "detach"):
            found[node] = _DETACH if on else _OFF
    return found


def _first(node: fx.Node, cuts: dict[fx.Node, str], out: set[fx.Node]) -> str:
    """The nearest cut on the way out."""
    waiting, seen = [node], {node}
    for here in waiting:
        if here in cuts:
            return cuts[here]
        fresh = [user for user in here.users if user in out and user not in seen]
        seen.update(fresh)
        waiting += fresh
    return _DETACH
