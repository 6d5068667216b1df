"""The dropouts that drop: how much, and whether it is of the answer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from initium.network._ops import NOISE, RESHAPES, SOFTMAXES, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_DROPS = NOISE - {"native_dropout"}
# Each element of what comes in is one of what goes out, so that an element that was dropped is one of the answer.
_EACH = RESHAPES | SOFTMAXES | {"sigmoid", "tanh", "relu", "softplus", "exp", "mul", "div", "add", "sub", "neg"}


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropout in training.

    Attributes:
        share: Which share of the elements it sets to zero.
        answer: Whether these are the answer's, as a weight gave it.
        weights: The names of the weights that make what it drops.
    """

    share: float
    answer: bool
    weights: tuple[str, ...]


def dropped(network: Network) -> tuple[Dropped, ...]:
    """Every dropout of a network that drops something, and not everything, in the order in which they run."""
    if network.trace is None:
        return ()
    nodes = [node for node in network.trace.graph.graph.nodes if op_name(node) in _DROPS and 0 < _share(node) < 1]
    answers = _of_the_answer(network) if nodes else set[str]()
    uses = {use.node: use.name for use in network.uses}
    return tuple(
        Dropped(_share(node), node.name in answers and _weighed(node, uses), _makers(node, uses)) for node in nodes
    )


def _makers(node: fx.Node, uses: dict[str, str]) -> tuple[str, ...]:
    """The names of the weights from which a value comes with no other between."""
    found, waiting = dict[str, str](), list(node.all_input_nodes)
    seen = set(waiting)
    while waiting:
        here = waiting.pop()
        if here.name in uses:
            found[here.name] = uses[here.name]
        else:
            fresh = [each for each in here.all_input_nodes if each not in seen]
            seen.update(fresh)
            waiting += fresh
    return tuple(dict.fromkeys(found.values()))


def _share(node: fx.Node) -> float:
    """Of one that is told not to train, nothing."""
    _, share, training = node.args
    return float(cast("float", share)) if training is True else 0.0


def _of_the_answer(network: Network) -> set[str]:
    """The values whose elements are those of an answer, back to the first operation that mixes them."""
    graph = network.trace.graph.graph if network.trace else None
    waiting = [each for node in (graph.nodes if graph else ()) if node.op == "output" for each in node.all_input_nodes]
    found = set[str]()
    while waiting:
        here = waiting.pop()
        found.add(here.name)
        if op_name(here) in _EACH and len(here.all_input_nodes) == 1:
            waiting += here.all_input_nodes
    return found


def _weighed(node: fx.Node, uses: dict[str, str]) -> bool:
    """Whether a weight gives what is dropped, with no sum and no norm between: features that a stack hands on are none."""
    (here,) = node.all_input_nodes
    while here.name not in uses and op_name(here) in _EACH and len(here.all_input_nodes) == 1:
        (here,) = here.all_input_nodes
    return here.name in uses
