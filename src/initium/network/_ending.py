"""The last operation before a model's answer, and what the answer is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from initium.network._leaves import tensors_in
from initium.network._ops import (
    NOISE,
    ORDERED,
    REDUCTIONS,
    RESHAPES,
    SOFTMAXES,
    axis_of,
    behind,
    is_float,
    op_name,
    shape_of,
)

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network
    from initium.network._traced import Trace

_MATRIX = 2
_BY_ITSELF = frozenset({"tanh", "leaky_relu", "relu", "mul", "div", "masked_fill"})
_SAME = NOISE | {"contiguous", "clone", "alias", "_to_copy", "type_as"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a model's answer is made last.

    Attributes:
        op: The operation (``softmax``, ``sigmoid``, ``relu``, ``linear`` ...), seen through views.
        axis: Of a softmax, the axis of its input over which it goes; 0 for any other.
        shape: The shape of what the operation gives.
        samples: The first size of the model's first input: how many samples, where that is what comes first.
    """

    op: str
    axis: int
    shape: tuple[int, ...]
    samples: int


def ending(network: Network) -> Ending | None:
    """The last operation before the one answer of a model; ``None`` where it gives several, or was read with no batch.

    Args:
        network: A network.

    Returns:
        The ending of its single floating output, or of the output's ``logits``.
    """
    if network.trace is None:
        return None
    node = _answer(network.trace)
    while node is not None and op_name(node) in RESHAPES and node.all_input_nodes:
        node = node.all_input_nodes[0]
    if node is None or node.op != "call_function":
        return None
    shape, axis = shape_of(node), 0
    if "softmax" in op_name(node) and shape:
        axis = int(axis_of(node) or 0) % len(shape)
    first = network.trace.entries[:1]
    sizes = shape_of(first[0]) if first else ()
    return Ending(op_name(node), axis, shape, sizes[0] if sizes else 0)


def answer_of(network: Network) -> fx.Node | None:
    """The node of the one floating answer of a model, or of its ``logits``; ``None`` where it gives several."""
    return _answer(network.trace) if network.trace else None


def squashed_again(network: Network) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The softmaxes of what is a softmax already, along the same axis; the answer's own of a sigmoid too.

    Args:
        network: A network that was read with a batch.

    Returns:
        The name of each node and the shape of what it gives.
    """
    if network.trace is None:
        return ()
    last = _last_softmax(_answer(network.trace))
    nodes = [node for node in network.trace.graph.graph.nodes if op_name(node) in SOFTMAXES]
    return tuple((node.name, shape_of(node)) for node in nodes if _squashed(node, sigmoid=node is last))


def over_one(network: Network) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """The softmaxes on the way over the one unit that a weight gives, or a sum that keeps its axis, which are the constant 1.

    Args:
        network: A network that was read with a batch.

    Returns:
        Of each the node, the weight's node, or the sum's, and the shape of what it gives; an answer's own is left out.
    """
    if network.trace is None:
        return ()
    uses, last = {use.node for use in network.uses}, _last_softmax(_answer(network.trace))
    found: list[tuple[str, str, tuple[int, ...]]] = []
    for node in network.trace.graph.graph.nodes:
        shape = shape_of(node)
        if (
            op_name(node) in SOFTMAXES
            and node is not last
            and shape
            and _axis(node) == len(shape) - 1
            and shape[-1] == 1
        ):
            made = behind(node.all_input_nodes[0], _SAME | _BY_ITSELF)
            if (
                made.name not in uses and len(shape) > _MATRIX and shape.count(1) == 1
            ):  # its places may lie in another axis
                made = behind(made, _SAME | _BY_ITSELF | ORDERED)
            if (made.name in uses or _kept_sum(made)) and shape_of(made)[-1:] == (1,):
                found.append((node.name, made.name, shape))
    return tuple(found)


def _kept_sum(node: fx.Node) -> bool:
    """A reduction of the last axis, of several numbers, which is kept at length 1."""
    if op_name(node) not in REDUCTIONS or not node.all_input_nodes:
        return False
    given, made = shape_of(node.all_input_nodes[0]), shape_of(node)
    return len(made) > 1 and made[-1] == 1 and given[:-1] == made[:-1] and given[-1:] > (1,)


def _squashed(node: fx.Node, *, sigmoid: bool) -> bool:
    given = behind(node.all_input_nodes[0], _SAME)
    if op_name(given) in SOFTMAXES and "log" not in op_name(given):
        return shape_of(given) == shape_of(node) and _axis(given) == _axis(node)
    return sigmoid and op_name(given) == "sigmoid"


def _last_softmax(node: fx.Node | None) -> fx.Node | None:
    """The softmax that an answer is, or is the logarithm of."""
    here = None if node is None else behind(node, RESHAPES | {"log", "add", "clamp"})
    return here if here is not None and op_name(here) in SOFTMAXES else None


def _axis(node: fx.Node) -> int:
    return int(axis_of(node) or 0) % max(1, len(shape_of(node)))


def _answer(traced: Trace) -> fx.Node | None:
    (output,) = (node for node in traced.graph.graph.nodes if node.op == "output")
    given = [node for node in output.all_input_nodes if is_float(node)]
    if len(given) == 1:
        return given[0]
    logits = _part(traced.output)
    held, nodes = tensors_in(traced.output), list(cast("list[fx.Node]", output.args[0]))
    return next((node for node, held_one in zip(nodes, held, strict=False) if held_one is logits), None)


def _part(output: object) -> object:
    if isinstance(output, Mapping):
        return cast("Mapping[str, object]", output).get("logits", output)
    return getattr(output, "logits", output)
