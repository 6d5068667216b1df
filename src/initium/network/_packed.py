"""How many matrices one weight holds: read off where its outputs go, and which slices of it are used.

Every output unit is given a number; the numbers are sent through the views and splits that follow. Where the places at
the end partition the units into equal runs, the weight is that many matrices (fused q, k, v; gate and up; x and z).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx
from torch.fx.node import map_arg

from initium.network._ops import PARTS, RESHAPES, op_name, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPLITS = frozenset("chunk split split_with_sizes tensor_split unbind select slice narrow getitem".split())
_FOLLOWED = RESHAPES | _SPLITS
_MOST_LABELS = 2**26  # a larger output is not labelled; such sizes are planned on short sequences


def output_parts(node: fx.Node, unit_axis: int) -> int:
    """The number of equal runs of output units that go separate ways; 1 where they stay together."""
    shape = shape_of(node)
    if not shape or torch.Size(shape).numel() > _MOST_LABELS or not any(_split_ahead(node)):
        return 1
    units = shape[unit_axis]
    along = [units if axis == unit_axis % len(shape) else 1 for axis in range(len(shape))]
    labels = torch.arange(units, dtype=torch.int32, device="cpu").reshape(along).expand(shape).contiguous()
    runs = [frozenset(run.unique().tolist()) for run in _ends(node, labels) if run.numel()]
    return _partition(runs, units)


def _split_ahead(node: fx.Node) -> Iterator[bool]:
    for user in node.users:
        name = op_name(user)
        if name in _SPLITS:
            yield True
        elif name in RESHAPES:
            yield from _split_ahead(user)


def _ends(node: fx.Node, value: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401 - a tensor or a list of them
    """The labels that arrive at each operation that is no view."""
    for user in node.users:
        if op_name(user) not in _FOLLOWED or op_name(user) in {"type_as", "view_as", "reshape_as", "expand_as"}:
            if isinstance(value, torch.Tensor):
                yield value
            continue
        args = map_arg(user.args, lambda _, value=value: value)
        target: Any = user.target
        moved = value if op_name(user) in {"to", "_to_copy"} else target(*args, **user.kwargs)
        yield from _ends(user, moved)


def _partition(runs: list[frozenset[int]], units: int) -> int:
    """The number of distinct runs, where they are contiguous, of one length, and together all of the units."""
    distinct = sorted({(min(run), len(run)) for run in runs})
    count = len(distinct)
    length = units // count if count else 0
    expected = [(index * length, length) for index in range(count)]
    contiguous = all(max(run) - min(run) + 1 == len(run) for run in runs)
    return count if contiguous and distinct == expected and length * count == units else 1


def parameter_axis(weight: fx.Node, parameter: fx.Node, out_axis: int) -> tuple[int, int]:
    """Where a weight's axis of outputs lies in its parameter, and how many such weights the parameter is cut into.

    The views on the way are run on a tensor without memory; strides say which axis became which.
    """
    whole = torch.empty(shape_of(parameter), device="meta")
    seen = _replayed(weight, parameter, whole)
    if seen is None or seen.ndim == 0 or whole.numel() == 0:
        return 0, 1
    stride = seen.stride(out_axis) if seen.ndim > out_axis else 1
    axis = next((axis for axis in range(whole.ndim) if whole.stride(axis) == stride and whole.shape[axis] > 1), 0)
    return axis, max(1, whole.numel() // max(1, seen.numel()))


def _replayed(node: fx.Node, start: fx.Node, value: torch.Tensor) -> Any:  # noqa: ANN401
    """The views from one node to another on a tensor without memory; ``None`` where there is more than views."""
    if node is start:
        return value
    name = op_name(node)
    parents = [parent for parent in node.all_input_nodes if start in _ancestors(parent)]
    if (name not in RESHAPES and name not in PARTS) or len(parents) != 1:
        return None
    before = _replayed(parents[0], start, value)
    if before is None or len(node.all_input_nodes) > 1 or name in {"to", "_to_copy"}:
        return before if name in {"to", "_to_copy", "type_as"} else None
    args = map_arg(node.args, lambda _: before)
    target: Any = node.target
    return target(*args, **node.kwargs)


def _ancestors(node: fx.Node) -> set[fx.Node]:
    """The node and everything behind it; weights have short histories."""
    seen, stack = set[fx.Node](), [node]
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            stack += here.all_input_nodes
    return seen
