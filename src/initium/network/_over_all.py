"""Sums over all samples that come back into each: a reduction without an axis, or a norm of a shape that holds the samples too."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initium.network._lies import sample_axis
from initium.network._ops import NORMS, is_pointwise, op_name, shape_of
from initium.network._samples import Mixed, followed, gathering

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

# A largest value sets the range of a quantiser, which is one for all.
_SUMS = frozenset("mean sum nansum norm linalg_vector_norm std var".split())
_JOINS = frozenset({"add", "sub", "rsub", "mul", "div"})
# Their second argument is a shape: the last axes, over which they go.
_SHAPED = frozenset(name for name in NORMS if "layer_norm" in name or "rms_norm" in name)


def over_all(network: Network, samples: int) -> tuple[str, tuple[int, ...]] | None:
    """The first reduction of data to one number, over the samples and all else, that is then added to, or multiplies, what each is.

    A LayerNorm or an RMSNorm whose shape holds the axis of the samples is two of these, or one. In a graph whose rows are neighbours the whole is one sample, and nothing is said.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        Its name and the shape of what it goes over; ``None`` for none.
    """
    if network.trace is None or samples <= 1:
        return None
    nodes = [node for node in network.trace.graph.graph.nodes if _reduces(node)]
    inner = followed(network, samples, Mixed()) if nodes else {}
    for node in nodes:
        data = node.all_input_nodes[0]
        axis = sample_axis(shape_of(data), inner[data], samples) if data in inner else None
        over = _over(node, shape_of(data))
        shared = axis is not None and axis >= len(shape_of(data)) - len(over) and math.prod(over) > samples
        if shared and (op_name(node) in _SHAPED or _comes_back(node, inner)) and not gathering(network):
            return op_name(node), over
    return None


def _reduces(node: fx.Node) -> bool:
    return op_name(node) in _SHAPED or (op_name(node) in _SUMS and shape_of(node) == ())


def _over(node: fx.Node, given: tuple[int, ...]) -> tuple[int, ...]:
    """The last axes of what it reads, over which it goes."""
    shape: Any = node.args[1] if op_name(node) in _SHAPED else given
    return tuple(int(size) for size in shape)


def _comes_back(node: fx.Node, inner: dict[fx.Node, int]) -> bool:
    """Whether one number, or what is made of it alone, meets a value in which samples lie."""
    waiting = [node]
    for here in waiting:
        for user in here.users:
            if shape_of(user) == () and is_pointwise(user):
                waiting.append(user)
            elif op_name(user) in _JOINS and any(each in inner for each in user.all_input_nodes):
                return True
    return False
