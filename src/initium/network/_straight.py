"""Networks that follow a straight line, and biases that a normalisation takes away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._lone import bends, lone
from initium.network._ops import (
    AFFINE,
    LINEAR,
    LOOKUPS,
    PARTS,
    POOLS,
    RESHAPES,
    SUMS,
    behind,
    is_float,
    op_name,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._network import Network

_BATCH_NORMS = frozenset({"batch_norm", "native_batch_norm", "cudnn_batch_norm"})
_CHANNEL_NORMS = _BATCH_NORMS | {"instance_norm"}
_TRAINING = 5  # the place of training= in a batch norm's arguments, and of use_input_stats= in an instance norm's
_BENT = ("max", "min", "norm", "std", "var", "logsumexp", "median", "cdist", "pdist", "complex", "real", "imag", "fft")
_RECURRENT = frozenset(
    {"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
)
_STRAIGHT = (AFFINE | PARTS | POOLS | LINEAR | _BATCH_NORMS) - _RECURRENT


def adjoining(network: Network) -> frozenset[tuple[str, str]]:
    """Pairs of uses of weights, by node, of which the second reads the first as it is: views aside, and no pooling between."""
    if network.trace is None:
        return frozenset()
    uses = {use.node for use in network.uses}
    nodes = [node for node in network.trace.graph.graph.nodes if node.name in uses]
    read = ((behind(given), node) for node in nodes for given in node.all_input_nodes)
    return frozenset((first.name, second.name) for first, second in read if first.name in uses)


def straight(network: Network) -> bool:
    """True where all that the data meets up to the last weight is linear in it, a batch norm's statistics aside.

    Such a network is one matrix, whatever its depth. Max pooling, products of values, and any operation that is not known to
    be straight make it none.

    Args:
        network: A network that was read with a batch.
    """
    if network.trace is None or not network.uses:
        return False
    nodes = list(network.trace.graph.graph.nodes)
    last = {use.node for use in network.uses}
    end = max(place for place, node in enumerate(nodes) if node.name in last)
    data = {node.name for node in network.trace.entries}
    for node in nodes[: end + 1]:
        given = [each for each in node.all_input_nodes if each.name in data]
        if not given:
            continue
        data.add(node.name)
        if not is_float(node) or not _follows_a_line(node, len(given)):
            return False
    return True


def _follows_a_line(node: fx.Node, given: int) -> bool:
    name = op_name(node)
    bent = name in POOLS and any(word in name for word in _BENT)
    alone = given == 1 or name in SUMS or name in PARTS or name in LOOKUPS
    return (name in _STRAIGHT and not bent and alone) or (given == 1 and _bends_nothing(node))


def _bends_nothing(node: fx.Node) -> bool:
    """An activation whose parameters make a straight line of it."""
    known = lone(node)
    return known is not None and not bends(known)


def unbiased(network: Network) -> frozenset[str]:
    """The uses whose bias is taken away again: each unit's mean over the batch is removed before anything else reads it.

    Args:
        network: A network that was read with a batch.

    Returns:
        The nodes of those uses: everything that reads their output, views aside, is a batch norm that takes the batch's own
        statistics, or an instance norm that takes the sample's, over the same units.
    """
    if network.trace is None:
        return frozenset()
    by_name = {node.name: node for node in network.trace.graph.graph.nodes}
    found = (by_name[use.node] for use in network.uses if use.bias and use.normalised and use.node in by_name)
    return frozenset(node.name for node in found if all(map(_takes_means, _readers(node))) and any(_readers(node)))


def _readers(node: fx.Node) -> Iterator[fx.Node]:
    for user in node.users:
        if op_name(user) in RESHAPES:
            yield from _readers(user)
        elif user.op == "output" or is_float(user):
            yield user


def _takes_means(node: fx.Node) -> bool:
    own = len(node.args) > _TRAINING and bool(node.args[_TRAINING])
    return op_name(node) in _CHANNEL_NORMS and own and len(shape_of(node)) > 1
