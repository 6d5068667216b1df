"""Sums over all samples that come back into each: a reduction without an axis, whose one number the samples share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ops import is_pointwise, op_name, shape_of
from initium.network._samples import Mixed, followed, gathering, sample_axis

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

# A largest value sets the range of a quantiser, which is one for all.
_SUMS = frozenset("mean sum nansum norm linalg_vector_norm std var".split())
_JOINS = frozenset({"add", "sub", "rsub", "mul", "div"})


def over_all(network: Network, samples: int) -> tuple[str, tuple[int, ...]] | None:
    """The first reduction of data to one number, over the samples and all else, that is then added to, or multiplies, what each is.

    In a graph whose rows are neighbours the whole is one sample, and nothing is said.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        Its name and the shape of what it reads; ``None`` for none.
    """
    if network.trace is None or samples <= 1:
        return None
    nodes = [node for node in network.trace.graph.graph.nodes if op_name(node) in _SUMS and shape_of(node) == ()]
    inner = followed(network, samples, Mixed()) if nodes else {}
    for node in nodes:
        data = node.all_input_nodes[0]
        known = data in inner and sample_axis(shape_of(data), inner[data], samples) is not None
        if known and _comes_back(node, inner) and not gathering(network):
            return op_name(node), shape_of(data)
    return None


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
