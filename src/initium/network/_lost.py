"""Answers in which no sample is known any more: on every way the axis of the samples is reduced, or one of them is taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._ending import answer_of
from initium.network._lies import sample_axis
from initium.network._ops import REDUCTIONS, axis_of, op_name, shape_of
from initium.network._samples import Mixed, followed

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network


def order_of(network: Network, samples: int) -> int:
    """How many numbers of one sample lie side by side in the one answer of a model, read row by row; 0 where nobody knows.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.
    """
    answer = answer_of(network)
    return 0 if answer is None else followed(network, samples, Mixed()).get(answer, 0)


def lost(network: Network, samples: int) -> tuple[str, tuple[int, ...], int] | None:
    """The operation that loses the samples of one answer that is as long as the batch.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        Its name, the shape of what it reads, and the axis; ``None`` where some way keeps them, or cannot be followed.
    """
    end = answer_of(network)
    if network.trace is None or end is None or shape_of(end)[:1] != (samples,):
        return None
    inner = followed(network, samples, Mixed())
    made, gone = set(network.trace.entries), dict["fx.Node", tuple[str, tuple[int, ...], int]]()
    for node in network.trace.graph.graph.nodes:
        given = [each for each in node.all_input_nodes if each in made]
        if node.op != "call_function" or not given:
            continue
        made.add(node)
        kept = [each for each in given if each not in gone]
        if not kept:
            gone[node] = gone[given[0]]
        elif (
            len(given) == 1
            and given[0] in inner
            and (axis := _over(node, given[0], inner[given[0]], samples)) is not None
        ):
            gone[node] = op_name(node), shape_of(given[0]), axis
    return gone.get(end)


def _over(node: fx.Node, data: fx.Node, inner: int, samples: int) -> int | None:
    """The axis of the samples where an operation reduces it, or takes one place of it."""
    shape = shape_of(data)
    axis, over = sample_axis(shape, inner, samples), axis_of(node)
    if axis is None or op_name(node) not in REDUCTIONS | {"select"}:
        return None
    axes = [over] if isinstance(over, int) else over if isinstance(over, list | tuple) else []
    return axis if axis in {int(each) % len(shape) for each in axes} else None
