"""Which values of a graph are one number: constants, fills, and parameters that hold one value throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.fx.node import map_arg

from initium.network._ops import RESHAPES, SLOPED, constant_of, inputs, is_noise, is_pointwise, is_truth, op_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import fx, nn

    from initium.network._kinds import Kinds

# torch's starting slope, for a learned leaky ReLU that has no memory.
_SLOPE = 0.25
_FILLED = {"zeros": 0.0, "zeros_like": 0.0, "new_zeros": 0.0, "ones": 1.0, "ones_like": 1.0, "new_ones": 1.0}


def numbers(kinds: Kinds, graph: fx.Graph, values: Mapping[str, nn.Parameter]) -> dict[fx.Node, float]:
    """The number that each such node is; for the slopes of a learned leaky ReLU their root mean square."""
    found: dict[fx.Node, float] = {}
    for node in graph.nodes:
        number = _number(kinds, node, values, found)
        if number is not None:
            found[node] = number
    return found


def _number(
    kinds: Kinds, node: fx.Node, values: Mapping[str, nn.Parameter], found: dict[fx.Node, float]
) -> float | None:
    if op_name(node) in _FILLED:
        return _FILLED[op_name(node)]
    if node.op == "get_attr":
        return _held(node)
    if node.op == "placeholder" and kinds.kind[node] == "parameter":
        value = values[kinds.origin[node].names[0]].detach()
        return _slope(value) if any(op_name(user) in SLOPED for user in node.users) else _uniform(value)
    parents = inputs(node)
    return found.get(parents[0]) if op_name(node) in RESHAPES and len(parents) == 1 else None


def _held(node: fx.Node) -> float | None:
    """A constant of the graph with one element."""
    value = constant_of(node)
    return None if value is None or value.numel() != 1 or value.is_complex() else float(value)


def _slope(value: torch.Tensor) -> float:
    return _SLOPE if value.is_meta else float(value.double().square().mean().sqrt())


def _uniform(value: torch.Tensor) -> float | None:
    """What every element is, where all are the same."""
    if value.is_meta or value.is_complex() or not value.numel() or value.layout != torch.strided:
        return None
    first, last = value[(0,) * value.dim()], value[(-1,) * value.dim()]
    return float(first) if bool(first == last) and bool((value == first).all()) else None


def zeros_and_ones(value: torch.Tensor) -> bool:
    """True for an identity, a choice, or ones throughout: a start that was written out, and drawn from no law."""
    if value.is_meta or not value.is_floating_point() or value.layout != torch.strided:
        return False
    ones = value == 1
    return bool(ones.any()) and bool((ones | (value == 0)).all())


def used_at(operand: fx.Node, parameter: fx.Node, value: float, known: Mapping[fx.Node, float]) -> float | None:
    """What an operand is where the parameter that it is made of is one number throughout; ``None`` if nobody can tell.

    Of ``1 + w``, the scale of some normalisations, it is 1 at 0.
    """
    found = _at(operand, {parameter: _single(value)}, known)
    return None if found is None else float(found)


def _at(node: fx.Node, seen: dict[fx.Node, torch.Tensor | None], known: Mapping[fx.Node, float]) -> torch.Tensor | None:
    if node not in seen:
        parents = {parent: _at(parent, seen, known) for parent in inputs(node)}
        if parents:
            seen[node] = _computed(node, {parent: each for parent, each in parents.items() if each is not None})
        else:
            seen[node] = as_operand(node, known[node]) if node in known else None
    return seen[node]


def _computed(node: fx.Node, parents: dict[fx.Node, torch.Tensor]) -> torch.Tensor | None:
    if len(parents) < len(inputs(node)) or not is_pointwise(node):
        return None
    if op_name(node) in RESHAPES or is_noise(node):
        return _as_in(node, next(iter(parents.values())))
    target: Any = node.target
    return target(*map_arg(node.args, parents.__getitem__), **map_arg(node.kwargs, parents.__getitem__))


def as_operand(node: fx.Node, number: float) -> torch.Tensor:
    """The number that a node is, as an operation takes it."""
    return _as_in(node, _single(number))


def _as_in(node: fx.Node, value: torch.Tensor) -> torch.Tensor:
    """The value as a truth value where the node is one: a mask takes no number."""
    return value.bool() if is_truth(node) else value


def _single(number: float) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.float64, device="cpu")
