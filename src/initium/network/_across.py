"""Softmaxes that mix samples: they go over the axis along which samples stand, and a product keeps that axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import op_name, shape_of

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_SOFTMAXES = frozenset({"softmax", "_softmax"})
_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm"})
_BATCHED, _AXIS = 3, 1


def across_samples(network: Network) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The softmaxes over the first axis, as long as the batch, of what a batched product then takes sample by sample.

    Args:
        network: A network that was read with a batch.

    Returns:
        The name of each node and the shape of what it gives.
    """
    if network.trace is None:
        return ()
    nodes = list(network.trace.graph.graph.nodes)
    held = len(network.trace.parameters) + len(network.trace.buffers)
    entries = [node for node in nodes if node.op == "placeholder"][held:]
    sizes = {shape_of(node)[0] for node in entries if shape_of(node)}
    found = [
        node for node in nodes if op_name(node) in _SOFTMAXES and _first_axis(node) and shape_of(node)[0] in sizes - {1}
    ]
    return tuple((node.name, shape_of(node)) for node in found if any(_by_sample(user, node) for user in node.users))


def _first_axis(node: fx.Node) -> bool:
    shape = shape_of(node)
    axis = node.args[_AXIS] if len(node.args) > _AXIS else node.kwargs.get("dim")
    return len(shape) >= _BATCHED and isinstance(axis, int) and axis % len(shape) == 0


def _by_sample(user: fx.Node, node: fx.Node) -> bool:
    """A product of matrices, one for each sample; dropout may stand between."""
    if op_name(user) == "dropout":
        return any(_by_sample(each, node) for each in user.users)
    return op_name(user) in _PRODUCTS and shape_of(user)[:1] == shape_of(node)[:1] and len(shape_of(user)) >= _BATCHED
