"""The weights whose output is the model's output, and which loss it is made for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.network._ops import AFFINE, LOSSES, MOVES, SOFTMAXES, SUMS, op_name, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._flow import Flow

_CLASSES = frozenset("cross_entropy_loss nll_loss nll_loss_nd nll_loss2d ctc_loss kl_div multi_margin_loss".split())
_CHANCES = frozenset(
    "binary_cross_entropy binary_cross_entropy_with_logits multilabel_margin_loss soft_margin_loss".split()
)
# What makes a loss or chances of scores, and what may be done to those before they go out.
_GUESSES = SOFTMAXES | LOSSES | {"sigmoid", "log_sigmoid"}
_ENDS = _GUESSES | MOVES | frozenset("log sum mean neg".split())
_VALUES = frozenset("mse_loss l1_loss smooth_l1_loss huber_loss poisson_nll_loss".split())


def heads(flow: Flow, joins: AbstractSet[fx.Node]) -> dict[fx.Node, str]:
    """The output weights with ``softmax``, ``sigmoid``, ``regression`` or, where the graph does not tell, ``unknown``.

    A weight is one where everything that is made of its output, by way of no other weight, goes out: added to a stream, it is
    the end of a branch, but to a figure of the data (the mean that a forecast is scaled back by) it is the answer still.
    """
    losses: dict[fx.Node, frozenset[str]] = {}
    joins = _on_streams(flow, joins) - _sums_of_answers(flow)
    for node in reversed(flow.read.nodes):
        if node not in flow.parents:
            continue
        readers = flow.readers(node)
        going = [None if user in joins else _at(flow, user, losses) for user in readers]
        told = [each for each in going if each is not None]
        if readers and len(told) == len(going):
            losses[node] = frozenset[str]().union(*told)
    return {node: _one(losses[node]) for node in flow.weights if node in losses and flow.parents[node]}


def _on_streams(flow: Flow, joins: AbstractSet[fx.Node]) -> set[fx.Node]:
    """The joins but those at which a figure of the data alone, the same along some axis, is added to what a weight gave."""
    made: set[fx.Node] = set()
    for node in flow.read.nodes:
        if node in flow.weights or any(parent in made for parent in flow.parents.get(node, ())):
            made.add(node)
    return {
        node for node in joins if not _shifts([each for each in flow.parents[node] if each not in made], node, flow)
    }


def _sums_of_answers(flow: Flow) -> set[fx.Node]:
    """The sums that go out and are made of nothing but what weights give to no one else: no stream, whatever order they have."""
    found: set[fx.Node] = set()
    for node in flow.read.nodes:
        if any(user.op == "output" for user in node.users) and node in flow.parents:
            sums, ahead, alone = set["fx.Node"](), [node], True
            while ahead and alone:
                here = ahead.pop()
                alone = len(flow.readers(here)) == 1
                if here in flow.weights:
                    continue
                if flow.joins(here):
                    sums.add(here)
                else:  # what hands on one value, shifted or scaled
                    alone &= op_name(here) in AFFINE and len(flow.parents[here]) == 1
                ahead += flow.parents[here]
            found |= sums if alone else set()
    return found


def _shifts(data: list[fx.Node], whole: fx.Node, flow: Flow) -> bool:
    """Whether all terms but one are figures of the data."""
    return len(data) == len(flow.parents[whole]) - 1 and all(_shared(each, whole) for each in data)


def _shared(part: fx.Node, whole: fx.Node) -> bool:
    """Whether a term has fewer elements than the sum, so that several of them get the same."""
    return math.prod(shape_of(part)) < math.prod(shape_of(whole))


def outgoing(flow: Flow) -> set[fx.Node]:
    """The values that only go out: by way of no weight, and of nothing that makes up for their size."""
    found: set[fx.Node] = set()
    for node in reversed(flow.read.nodes):
        readers = flow.readers(node)
        passed = [user.op == "output" or (user in found and not flow.normalises(user)) for user in readers]
        if node in flow.parents and node not in flow.weights and readers and all(passed):
            found.add(node)
    return found


def leaving(flow: Flow) -> set[fx.Node]:
    """The values that go out, whoever else reads them: by way of no weight, no activation, and nothing that normalises.

    What turns scores into chances at the very end, and the loss of them, is none of those.
    """
    found, last = set["fx.Node"](), set["fx.Node"]()
    for node in reversed(flow.read.nodes):
        readers = flow.readers(node)
        if node not in flow.parents or not readers:
            continue
        ends = all(user.op == "output" or user in last for user in readers)
        if ends and (op_name(node) in _ENDS or _adds_guesses(node)):
            last.add(node)
        if any(user.op == "output" or user in last or (user in found and _plain(flow, user)) for user in readers):
            found.add(node)
    return found


def scores(node: fx.Node) -> Iterator[fx.Node]:
    """What chances or losses that go out are made of, those of a sum one by one; the value itself where it is no such thing."""
    ahead = [node]
    while ahead:
        found = here = ahead.pop()
        while op_name(here) in _ENDS and here.all_input_nodes:
            guess, here = op_name(here) in _GUESSES, here.all_input_nodes[0]
            found = here if guess else found
        if _adds_guesses(here):
            ahead += reversed(here.all_input_nodes)
        else:
            yield found


def _adds_guesses(node: fx.Node) -> bool:
    """A sum of losses, or of the logarithms of chances."""
    return op_name(node) in SUMS and len(node.all_input_nodes) > 1 and all(map(_guesses, node.all_input_nodes))


def _guesses(node: fx.Node) -> bool:
    while op_name(node) in _ENDS - _GUESSES and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return op_name(node) in _GUESSES


def _plain(flow: Flow, node: fx.Node) -> bool:
    several = len(flow.parents[node]) > 1
    return node not in flow.weights and not flow.normalises(node) and (several or not flow.bends(node))


def _at(flow: Flow, user: fx.Node, losses: dict[fx.Node, frozenset[str]]) -> frozenset[str] | None:
    """What a reader tells of the loss; ``None`` where the value stays inside."""
    if user.op == "output":
        return frozenset()
    if user in flow.weights or user not in losses:
        return None
    told = _loss(user)
    return losses[user] if told is None else frozenset({told})


def _loss(node: fx.Node) -> str | None:
    name = op_name(node)
    if name in _CLASSES or name in SOFTMAXES:
        return "softmax"
    if name in _CHANCES or name in {"sigmoid", "log_sigmoid"}:
        return "sigmoid"
    return "regression" if name in _VALUES else "unknown" if name in LOSSES else None


def _one(told: frozenset[str]) -> str:
    return next(iter(told)) if len(told) == 1 else "unknown"
