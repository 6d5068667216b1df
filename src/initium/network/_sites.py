"""Where an operation multiplies data with a weight: which operation, which way round, which fans."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import fx

from initium.network._ops import (
    CELLS,
    CONVOLUTIONS,
    LOOKUPS,
    OTHER_LINEAR,
    PRODUCTS,
    RECURRENT,
    SUMS,
    op_name,
    shape_of,
)
from initium.network._terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network._facts import Role
    from initium.network._kinds import Kinds


_LOOKED_UP = frozenset({"index", "index_select", "gather"})


@dataclass(frozen=True, slots=True)
class Site:
    """A place where an operation multiplies data with a weight.

    Attributes:
        node: The operation.
        weight: The node that brings the weight.
        data: The node that brings the data, ``None`` for a lookup.
        bias: The node of the bias that the operation adds.
        role: ``weight``, ``recurrent`` or ``embedding``.
        layout: As in :class:`~initium.network.Use`.
        fan_in: Of the whole weight as the operation sees it.
        fan_out: Likewise.
        out_axis: The axis of outputs in the weight as the operation sees it.
        unit_axis: The axis of units in the operation's output.
        parts: Matrices that the operation itself keeps apart (gates, groups).
        stack_axes: The axes of the output along which a stack of matrices lies, counted from its end.
    """

    node: fx.Node
    weight: fx.Node
    data: fx.Node | None
    bias: fx.Node | None
    role: Role
    layout: str
    fan_in: float
    fan_out: float
    out_axis: int
    unit_axis: int
    parts: int = 1
    stack_axes: tuple[int, ...] = ()


def sites(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    """The uses of weights at one data node."""
    name = op_name(node)
    if node.op != "call_function" or not kinds.parameter_inputs(node):
        return
    if name in CONVOLUTIONS:
        yield from _convolution(kinds, node)
    elif name == "einsum":
        yield from _einsum(kinds, node)
    elif name == "tensordot":
        yield from _tensordot(kinds, node)
    elif name in OTHER_LINEAR:
        yield from _linear(kinds, node)
    elif name in PRODUCTS:
        yield from _product(kinds, node)
    elif name in LOOKUPS or name in _LOOKED_UP:
        yield from _lookup(kinds, node, _arg(node, 0))
    elif name in RECURRENT:
        yield from _recurrent(kinds, node, RECURRENT[name])
    elif name in CELLS:
        yield from _cell(kinds, node, CELLS[name])


def _arg(node: fx.Node, position: int) -> Any:  # noqa: ANN401 - any argument of a node
    return node.args[position] if len(node.args) > position else None


def _is_parameter(kinds: Kinds, value: object) -> bool:
    return isinstance(value, fx.Node) and kinds.kind[value] == "parameter"


def _bias(kinds: Kinds, value: Any) -> fx.Node | None:  # noqa: ANN401
    return value if _is_parameter(kinds, value) else None


def _linear(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    bilinear = op_name(node) == "bilinear"
    data, weight, bias = _arg(node, 0), _arg(node, 2 if bilinear else 1), _arg(node, 3 if bilinear else 2)
    axis = -1
    if op_name(node) == "inner" and _is_parameter(kinds, data):
        data, weight, axis = weight, data, -len(shape_of(weight))
    if _is_parameter(kinds, weight):
        out, *rest = shape_of(weight) if len(shape_of(weight)) > 1 else (1, *shape_of(weight))
        fan_in = math.prod(rest)
        yield Site(node, weight, data, _bias(kinds, bias), "weight", "out_in", fan_in, out, 0, axis)


def _convolution(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    """Fans of a convolution: taps times channels of one group; what a stride skips has no gradient (fan_out)."""
    weight, name = _arg(node, 1), op_name(node)
    if not _is_parameter(kinds, weight):
        return
    shape, stride = shape_of(weight), _arg(node, 3)
    general = name in {"convolution", "_convolution"}
    transposed = bool(_arg(node, 6)) if general else "transpose" in name
    groups = int(_arg(node, 8 if general else 6) or 1)
    taps, steps = math.prod(shape[2:]), _product_of(stride, len(shape) - 2)
    inner, outer = shape[1] * taps, shape[0] // groups * taps
    fans = (outer / steps, inner) if transposed else (inner, outer / steps)
    layout, bias = "conv_transpose" if transposed else "conv", _bias(kinds, _arg(node, 2))
    axis = 1 - len(shape)
    yield Site(node, weight, _arg(node, 0), bias, "weight", layout, *fans, int(transposed), axis, groups)


def _product_of(stride: object, dims: int) -> int:
    if isinstance(stride, int):
        return stride**dims
    steps = [int(step) for step in cast("list[int]", stride or [1])]
    return steps[0] ** dims if len(steps) == 1 else math.prod(steps)


def _product(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    """``x @ w`` sums over the weight's last axis but one, ``w @ x`` over its last."""
    first, second = (_arg(node, position) for position in PRODUCTS[op_name(node)])
    bias = _bias(kinds, _arg(node, 0)) if op_name(node).startswith(("add", "badd")) else None
    if _is_parameter(kinds, second):
        yield _matrix(node, second, first, bias, from_right=True)
    elif _is_parameter(kinds, first):
        yield _matrix(node, first, second, bias, from_right=False)


def _matrix(node: fx.Node, weight: fx.Node, data: fx.Node, bias: fx.Node | None, *, from_right: bool) -> Site:
    shape = shape_of(weight)
    if len(shape) < 2:  # noqa: PLR2004 - a vector has one axis
        return Site(node, weight, data, bias, "weight", "out_in", math.prod(shape), 1, 0, -1)
    fan_in, fan_out = (shape[-2], shape[-1]) if from_right else (shape[-1], shape[-2])
    layout = "batched" if len(shape) > 2 else ("in_out" if from_right else "out_in")  # noqa: PLR2004
    axis = -1 if from_right or len(shape_of(data)) < 2 else -2  # noqa: PLR2004
    out_axis = len(shape) - (1 if from_right else 2)
    stack = tuple(-place for place in range(3, len(shape) + 1) if shape[-place] > 1)
    return Site(node, weight, data, bias, "weight", layout, fan_in, fan_out, out_axis, axis, stack_axes=stack)


def _tensordot(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    """The axes that are named are summed; the weight's others are its outputs, which come last, or first."""
    operands = [_arg(node, 0), _arg(node, 1)]
    weights = [place for place, operand in enumerate(operands) if _is_parameter(kinds, operand)]
    if len(weights) != 1:
        return
    (place,) = weights
    shape = shape_of(operands[place])
    summed = {axis % len(shape) for axis in cast("list[int]", _arg(node, 2 + place))}
    outs = [axis not in summed for axis in range(len(shape))]
    fan_out = math.prod(size for size, out in zip(shape, outs, strict=True) if out)
    fan_in = math.prod(shape) / max(fan_out, 1)
    out_axis = max((axis for axis, out in enumerate(outs) if out), default=0)
    unit_axis = -1 if place else sum(outs) - 1 - len(shape_of(node))
    layout, data = _einsum_layout(list(outs)), operands[1 - place]
    yield Site(node, operands[place], data, None, "weight", layout, fan_in, fan_out, out_axis, unit_axis)


def _einsum(kinds: Kinds, node: fx.Node) -> Iterator[Site]:
    """Letters of the weight that the output lacks are summed; those that only the weight has are its outputs."""
    inputs, output = terms(str(_arg(node, 0)))
    operands = list(cast("list[fx.Node]", _arg(node, 1)))
    weights = [index for index, operand in enumerate(operands) if _is_parameter(kinds, operand)]
    if len(weights) != 1 or len(operands) < 2 or "." in inputs[weights[0]]:  # noqa: PLR2004 - a weight and data
        return
    letters, shape = inputs[weights[0]], shape_of(operands[weights[0]])
    others = set("".join(term for index, term in enumerate(inputs) if index != weights[0]))
    size = dict(zip(letters, shape, strict=True))
    outs = [letter for letter in letters if letter in output and letter not in others]
    fan_in = math.prod(size[letter] for letter in letters if letter not in output)
    data = next(operand for index, operand in enumerate(operands) if index != weights[0])
    layout = _einsum_layout(["batch" if x in others and x in output else x in output for x in letters])
    out_axis = letters.index(outs[-1]) if outs else 0
    fan_out = math.prod(size[letter] for letter in outs)
    axis = _place(output, outs[-1]) if outs else -1
    stack = tuple(_place(output, letter) for letter in letters if letter in output and letter != (outs or " ")[-1])
    weight = operands[weights[0]]
    yield Site(node, weight, data, None, "weight", layout, fan_in, fan_out, out_axis, axis, stack_axes=stack)


def _place(output: str, letter: str) -> int:
    """The axis of a letter, counted from the side on which no ellipsis stands between."""
    place = output.index(letter)
    return place if "." in output[place:] else place - len(output)


def _einsum_layout(outs: list[object]) -> str:
    """One matrix where the letters of outputs stand together at one end; else a stack of them."""
    if "batch" in outs or len(outs) < 2:  # noqa: PLR2004 - a vector
        return "batched" if "batch" in outs else "in_out"
    if outs == sorted(outs, key=bool):
        return "in_out"
    return "out_in" if outs == sorted(outs, key=bool, reverse=True) else "batched"


def bias_of_stack(kinds: Kinds, node: fx.Node) -> bool:
    """True for a lookup of the biases of a stack of matrices (experts): a row each, added to what that matrix gives."""
    table = _arg(node, 0)
    if op_name(node) not in _LOOKED_UP or not _is_parameter(kinds, table) or len(shape_of(table)) < 2:  # noqa: PLR2004
        return False
    rows = shape_of(table)[0]
    added = [
        site
        for user in node.users
        for parent in kinds.data_inputs(user)
        if parent is not node and op_name(user) in SUMS
        for site in sites(kinds, parent)
    ]
    return len(added) == len(node.users) > 0 and all(_matrices(site) == rows for site in added)


def _matrices(site: Site) -> int:
    """How many matrices a weight holds; of those that an index takes, the whole stack."""
    taken = site.weight
    stack = taken.args[0] if op_name(taken) in _LOOKED_UP and isinstance(taken.args[0], fx.Node) else taken
    return shape_of(stack)[0] if site.layout == "batched" else 0


def _lookup(kinds: Kinds, node: fx.Node, weight: Any) -> Iterator[Site]:  # noqa: ANN401
    """A row is read, not summed: its fan is one. Read at fixed places, it is a table that is added (positions)."""
    if _is_parameter(kinds, weight) and not bias_of_stack(kinds, node):
        fixed = all(kinds.kind[parent] == "constant" for parent in node.all_input_nodes if parent is not weight)
        layout = "added" if fixed else "lookup"
        yield Site(node, weight, None, None, "embedding", layout, 1, shape_of(weight)[-1], 1, -1)


def _recurrent(kinds: Kinds, node: fx.Node, gates: int) -> Iterator[Site]:
    """The weights of a fused recurrent network, layer by layer: input, state, and the state's projection if any."""
    weights = next(
        cast("list[fx.Node]", arg) for arg in node.args if isinstance(arg, list | tuple) and _all_parameters(kinds, arg)
    )
    matrices = [weight for weight in weights if len(shape_of(weight)) > 1]
    rows, turn = shape_of(matrices[0])[0], 0
    for weight in matrices:
        if shape_of(weight)[0] != rows:
            yield _gate(node, weight, _arg(node, 0), "weight", 1)
            continue
        yield _gate(node, weight, _arg(node, 0), "recurrent" if turn % 2 else "weight", gates)
        turn += 1


def _all_parameters(kinds: Kinds, values: Any) -> bool:  # noqa: ANN401
    return bool(values) and all(_is_parameter(kinds, value) for value in values)


def _cell(kinds: Kinds, node: fx.Node, gates: int) -> Iterator[Site]:
    places: tuple[tuple[int, Role], ...] = ((2, "weight"), (3, "recurrent"))
    for position, role in places:
        if _is_parameter(kinds, _arg(node, position)):
            yield _gate(node, _arg(node, position), _arg(node, 0), role, gates)


def _gate(node: fx.Node, weight: fx.Node, data: fx.Node, role: Role, gates: int) -> Site:
    out, fan_in = shape_of(weight)
    return Site(node, weight, data, None, role, "gates", fan_in, out / gates, 0, -1, gates)
