"""Where the samples of a batch lie in every value, and the weights and softmaxes that mix them.

In a value that is read row by row, the sample of element e is ``(e // inner) % samples``: one number, ``inner``, tells where the
samples lie, and a view, which leaves the order alone, leaves it alone too. A transposition, or a part, is asked of a value
without memory, by the stride at which the samples lie in it. What no rule knows is followed no further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from initium.network._lies import multiplied, sample_axis
from initium.network._ops import (
    ATTENTIONS,
    CASTS,
    CONVOLUTIONS,
    NORMS,
    ORDERED,
    POOLS,
    RECURRENT,
    RESHAPES,
    SOFTMAXES,
    axis_of,
    is_pointwise,
    made_of,
    op_name,
    shape_of,
    viewed,
)

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_ORDERED = ORDERED | {"lift_fresh", "dropout"} | CASTS
_TURNED = (RESHAPES - _ORDERED) | frozenset("select slice narrow split chunk split_with_sizes unbind diagonal".split())
_ACROSS = frozenset({"linear"}) | CONVOLUTIONS
_KEPT = frozenset(NORMS) | {"cat"}
_MULTIPLIED = ATTENTIONS | {"matmul", "mm", "bmm", "einsum"}
_PLAIN = frozenset({"conv1d", "conv2d", "conv3d"})
GATHERS = tuple(
    "matmul mm bmm mv einsum addmm baddbmm _sparse_mm sparse_mm spmm index_add scatter_add scatter_reduce index_reduce "
    "segment_reduce".split()
)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Operations that mix samples.

    Attributes:
        sums: The weights' operations that sum elements of different samples, by node, with the shape of what each reads.
        softmaxes: The softmaxes over the axis of the samples, likewise.
    """

    sums: dict[str, tuple[int, ...]] = field(default_factory=dict[str, "tuple[int, ...]"])
    softmaxes: dict[str, tuple[int, ...]] = field(default_factory=dict[str, "tuple[int, ...]"])


def mixed(network: Network, samples: int) -> Mixed:
    """The first operations on each way that mix samples.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.
    """
    found = Mixed()
    followed(network, samples, found)
    return found


def followed(network: Network, samples: int, found: Mixed) -> dict[fx.Node, int]:
    """Where the samples lie in each value through which they can be followed; what mixes them is noted on the way."""
    if network.trace is None or samples <= 1:
        return {}
    shapes = {node: shape_of(node) for node in network.trace.entries}
    inner = {node: math.prod(shape[1:]) for node, shape in shapes.items() if shape[:1] == (samples,)}
    for node in network.trace.graph.graph.nodes:
        if node.op == "call_function" and any(each in inner for each in node.all_input_nodes):
            lies = _at(node, inner, samples, found)
            if lies is not None:
                inner[node] = lies
    return inner


def gathering(network: Network) -> frozenset[str]:
    """The uses of weights that read sums over rows: between what was multiplied by weights before and them, rows are added up.

    By a product of two values, as of a matrix of neighbours, or by places (``index_add``, ``scatter_add``).
    """
    if network.trace is None:
        return frozenset()
    uses = {use.node for use in network.uses}
    nodes = {node for node in network.trace.graph.graph.nodes if node.name in uses}
    return frozenset(
        node.name
        for node in nodes
        if any(op_name(each) in GATHERS for data in node.all_input_nodes for each in made_of(data, nodes))
    )


def _at(node: fx.Node, inner: dict[fx.Node, int], samples: int, found: Mixed) -> int | None:
    """Where samples lie in what a node gives; ``None`` where no rule knows, or they are mixed."""
    name, data = op_name(node), next(each for each in node.all_input_nodes if each in inner)
    given, lies = shape_of(data), inner[data]
    if name in _ORDERED or name in _TURNED:
        return _moved(node, data, lies, samples)
    if name in _ACROSS or name == "embedding":
        return _weighed(node, data, lies, found)
    if name in SOFTMAXES:
        return _chosen(node, given, lies, samples, found)
    if name in RECURRENT or name == "getitem":
        return _stepped(node, data, inner, samples)
    if name in POOLS | _MULTIPLIED:
        return _pooled(node, given, lies, samples) if name in POOLS else multiplied(node, inner, samples)
    return _joined(node, inner, samples) if name in _KEPT or is_pointwise(node) else None


def _weighed(node: fx.Node, data: fx.Node, inner: int, found: Mixed) -> int | None:
    """A layer sums over runs of elements: over those of one sample, or over those of several."""
    name, given, shape = op_name(node), shape_of(data), shape_of(node)
    if name == "embedding":
        return inner * shape[-1] if node.args[1] is data else None
    if node.args[0] is not data:
        return None
    behind = given[-1:] if name == "linear" else given[1:]
    width = math.prod(behind)
    if inner % width == 0:
        return inner // width * math.prod(shape[len(shape) - len(behind) :])
    if inner < width and (name == "linear" or _whole_kernel(node, given)):
        found.sums[node.name] = given
    return None


def _whole_kernel(node: fx.Node, given: tuple[int, ...]) -> bool:
    """A convolution in no groups: these may be the samples, each with a kernel of its own."""
    weight: Any = node.args[1]
    kernel = shape_of(weight)
    return op_name(node) in _PLAIN and len(kernel) == len(given) and kernel[1] == given[1]


def _chosen(node: fx.Node, given: tuple[int, ...], inner: int, samples: int, found: Mixed) -> int | None:
    axis = axis_of(node)
    if isinstance(axis, int) and sample_axis(given, inner, samples) == axis % len(given):
        found.softmaxes[node.name] = given
        return None
    return inner


def _moved(node: fx.Node, data: fx.Node, inner: int, samples: int) -> int | None:
    """A view keeps the order; of a transposition and a part, by the stride of the samples in a value without memory."""
    if op_name(node) in _ORDERED:
        return inner if math.prod(shape_of(node)) == math.prod(shape_of(data)) else None
    axis = sample_axis(shape_of(data), inner, samples)
    if axis is None or node.all_input_nodes != [data]:
        return None
    blank = torch.empty(shape_of(data), device="meta")
    made = viewed(node, blank)
    first = made[0] if isinstance(made, list | tuple) else made
    if not isinstance(first, torch.Tensor) or not first.numel():
        return None
    there = [
        place for place, size in enumerate(first.shape) if size == samples and first.stride(place) == blank.stride(axis)
    ]
    return math.prod(first.shape[there[0] + 1 :]) if len(there) == 1 else None


def _stepped(node: fx.Node, data: fx.Node, inner: dict[fx.Node, int], samples: int) -> int | None:
    """Of a recurrent operation where samples lie in its outputs, and of a part of several values where they lie in that."""
    if op_name(node) in RECURRENT:
        batch_first = node.args[-1] is True
        return (
            inner[data]
            if node.args[0] is data and sample_axis(shape_of(data), inner[data], samples) == (not batch_first)
            else None
        )
    if op_name(data) not in RECURRENT:
        return inner[data] if shape_of(node) == shape_of(data) else None
    shape, first = shape_of(node), node.args[1] == 0 and data.args[-1] is True
    return math.prod(shape[1:] if first else shape[2:])


def _pooled(node: fx.Node, given: tuple[int, ...], inner: int, samples: int) -> int | None:
    """A pooling keeps the axes that it does not go over; a reduction to fewer leaves out those that it does."""
    axis, shape = sample_axis(given, inner, samples), shape_of(node)
    if axis is None or not shape:
        return None
    over = axis_of(node)
    if len(shape) == len(given):
        return math.prod(shape[axis + 1 :]) if shape[axis] == samples else None
    axes = [over] if isinstance(over, int) else over if isinstance(over, list | tuple) else None
    if axes is None:
        return None
    gone = {int(each) % len(given) for each in axes}
    if axis in gone:
        return None
    return math.prod(size for place, size in enumerate(given) if place > axis and place not in gone)


def _joined(node: fx.Node, inner: dict[fx.Node, int], samples: int) -> int | None:
    """Values side by side, or element by element: where all agree on the axis of the samples, counted from the end."""
    known = [each for each in node.all_input_nodes if each in inner]
    shape, axes = shape_of(node), [sample_axis(shape_of(each), inner[each], samples) for each in known]
    if len(known) == 1 and math.prod(shape) == math.prod(shape_of(known[0])):
        return inner[known[0]]
    if None in axes:
        return None
    ends = {axis - len(shape_of(each)) for each, axis in zip(known, axes, strict=True) if axis is not None}
    if len(ends) != 1:
        return None
    axis = len(shape) + ends.pop()
    return math.prod(shape[axis + 1 :]) if axis >= 0 and shape[axis] == samples else None
