"""Steps and keys of several samples in one row: a view cut the batch anew, and gave an axis of its length that is not theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initium.network._lies import changes_along, sample_axis
from initium.network._ops import ATTENTIONS, RECURRENT, REDUCTIONS, SOFTMAXES, axis_of, op_name, shape_of
from initium.network._samples import Mixed, followed

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_BATCHED = 3
_ALONG = REDUCTIONS | SOFTMAXES | {"select"}


def cut_rows(network: Network, samples: int) -> tuple[str, str, tuple[int, ...]] | None:
    """The first operation that goes along an axis on which samples change, beside one as long as the batch that is not theirs.

    A view of (samples, steps, features) as (steps, samples, features), say: a row of what a recurrent layer then reads, or an
    attention weighs, a mean sums, is cut from several samples, and is taken for one, since there are as many rows as samples.
    Frames that are parted into clips, (clips, frames, features), are the samples' own axis cut in two: there are fewer clips.

    Args:
        network: A network that was read with a batch.
        samples: How many samples the batch holds along the first axis of its tensors.

    Returns:
        The node, its name, and the shape of what it reads; ``None`` for none.
    """
    inner = followed(network, samples, Mixed())
    for node in network.trace.graph.graph.nodes if network.trace and inner else ():
        for data in node.all_input_nodes:
            if data in inner and _crosses(node, data, inner[data], samples):
                return node.name, op_name(node), shape_of(data)
    return None


def _crosses(node: fx.Node, data: fx.Node, inner: int, samples: int) -> bool:
    shape = shape_of(data)
    if samples not in shape or sample_axis(shape, inner, samples) is not None:
        return False
    changing = {axis for axis in range(len(shape)) if changes_along(shape, axis, inner, samples)}
    if op_name(node) in RECURRENT:
        steps = int(node.args[-1] is True)
        return len(shape) == _BATCHED and node.args[0] is data and steps in changing and shape[1 - steps] == samples
    along = _along(node, data)
    return bool(along & changing) and any(shape[axis] == samples for axis in changing - along)


def _along(node: fx.Node, data: fx.Node) -> set[int]:
    """The axes that an operation goes over, or takes one place of."""
    name, rank = op_name(node), len(shape_of(data))
    if name in ATTENTIONS:
        return {rank - 2} if data in node.args[1:3] else set()
    over: Any = axis_of(node) if name in _ALONG and node.all_input_nodes[:1] == [data] else ()
    axes = [over] if isinstance(over, int) else over if isinstance(over, list | tuple) else ()
    return {int(axis) % rank for axis in axes}
