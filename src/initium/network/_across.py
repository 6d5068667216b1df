"""Attentions and recurrent layers that mix samples: keys, or steps, stand along the axis of the samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from initium.network._lies import sample_axis
from initium.network._ops import ATTENTIONS, RECURRENT, axis_of, op_name, shape_of
from initium.network._samples import Mixed, followed

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_SOFTMAXES = frozenset({"softmax", "_softmax"})
_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm"})
_BATCHED, _HEADS = 3, 4


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
    sizes = {shape_of(node)[0] for node in network.trace.entries if shape_of(node)}
    found = [
        node for node in nodes if op_name(node) in _SOFTMAXES and _first_axis(node) and shape_of(node)[0] in sizes - {1}
    ]
    return tuple((node.name, shape_of(node)) for node in found if any(_by_sample(user, node) for user in node.users))


def _first_axis(node: fx.Node) -> bool:
    shape = shape_of(node)
    axis = axis_of(node)
    return len(shape) >= _BATCHED and isinstance(axis, int) and axis % len(shape) == 0


def _by_sample(user: fx.Node, node: fx.Node) -> bool:
    """A product of matrices, one for each sample; dropout may stand between."""
    if op_name(user) == "dropout":
        return any(_by_sample(each, node) for each in user.users)
    return op_name(user) in _PRODUCTS and shape_of(user)[:1] == shape_of(node)[:1] and len(shape_of(user)) >= _BATCHED


def transposed(network: Network, samples: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The attentions that take the samples for positions: a batch that comes first, where positions are to come first.

    Their keys are as many as the samples, of one head after the other, for each of several things that are no multiple of the
    samples: these are the positions. Attention among the members of one set has one such thing.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along its first axis.

    Returns:
        The name of each node and the shape of its scores, positions first.
    """
    if network.trace is None or samples <= 1:
        return ()
    nodes = list(network.trace.graph.graph.nodes)
    entries = [shape_of(node) for node in network.trace.entries]
    positions = {shape[1] for shape in entries if len(shape) > 1 and shape[0] == samples} - {1}
    scored = [(node, _scores(node)) for node in nodes]
    return tuple((node.name, shape) for node, shape in scored if _samples_last(shape, samples, positions))


def _scores(node: fx.Node) -> tuple[int, ...]:
    """The shape of the scores of an attention, or of a softmax over a last axis."""
    if op_name(node) in ATTENTIONS:
        query, key = (shape_of(each) for each in cast("tuple[fx.Node, ...]", node.args[:2]))
        return (*query[:-1], key[-2]) if len(query) > 1 and len(key) > 1 else ()
    if op_name(node) in _SOFTMAXES and any(op_name(user) in _PRODUCTS | {"dropout"} for user in node.users):
        shape = shape_of(node)
        axis = axis_of(node)
        return shape if shape and isinstance(axis, int) and axis % len(shape) == len(shape) - 1 else ()
    return ()


def _samples_last(shape: tuple[int, ...], samples: int, positions: set[int]) -> bool:
    if len(shape) < _BATCHED or shape[-1] != samples or shape[-2] != samples or shape[0] % samples == 0:
        return False
    return shape[0] > 1 if len(shape) >= _HEADS else any(shape[0] % each == 0 for each in positions)


def recurred(network: Network, samples: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The recurrent operations that run along the samples, over several positions at once.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along its first axis.

    Returns:
        The name of each node and the shape of what it reads.
    """
    if network.trace is None or samples <= 1:
        return ()
    nodes = [node for node in network.trace.graph.graph.nodes if op_name(node) in RECURRENT]
    read = [(node.name, shape_of(node.all_input_nodes[0])) for node in nodes if node.args[-1] is False]
    return tuple(
        (name, shape) for name, shape in read if len(shape) == _BATCHED and shape[0] == samples < samples * shape[1]
    )


def rows_for_steps(network: Network, samples: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The recurrent operations that run along the samples and have no other axis beside: one sequence, as long as the batch.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        The name of each node and the shape of what it reads.
    """
    lies = followed(network, samples, Mixed())
    found: list[tuple[str, tuple[int, ...]]] = []
    for node in lies if network.trace else ():
        for user in node.users:
            shape = shape_of(node)
            along = op_name(user) in RECURRENT and user.args[0] is node and sample_axis(shape, lies[node], samples)
            steps = 1 if user.args[-1] is True and len(shape) == _BATCHED else 0
            if along is not False and along == steps and samples * shape[-1] == math.prod(shape):
                found.append((user.name, shape))
    return tuple(found)
