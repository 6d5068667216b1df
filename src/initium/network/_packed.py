"""How many matrices one weight holds: read off where its outputs go, and which slices of it are used.

Every output unit is given a number; the numbers are sent through the views and splits that follow. Where the places at
the end partition the units into runs, the weight is that many matrices (fused q, k, v; gate and up; x and z).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import fx
from torch.fx.node import map_arg

from initium.network._ops import (
    CASTS,
    LIKE,
    LINEAR,
    NOISE,
    NORMS,
    PARTS,
    RESHAPES,
    SUMS,
    constant_of,
    gives_several,
    op_name,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.network._kinds import Kinds

_SPLITS = frozenset("chunk split split_with_sizes tensor_split unbind select slice narrow getitem".split())
_FOLLOWED = RESHAPES | _SPLITS
_LIFTS = frozenset({"lift_fresh", "lift_fresh_copy", "clone", "detach", "alias", *CASTS})
_COPIES = CASTS | {"clone", "contiguous"}  # the labels need no memory of their own
_MOST_LABELS = 2**26  # a larger output is not labelled; such sizes are planned on short sequences


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where units keep their places.

    Attributes:
        keeps: The operations that give each unit no place of its own: a bias, a mask, a norm, a number, or the sum of
            several weights' outputs, which is what the gates of a cell are made of.
        parted: The nodes whose units go separate ways further on, before anything mixes them.
    """

    keeps: frozenset[fx.Node]
    parted: frozenset[fx.Node]


def keeping(kinds: Kinds, nodes: Sequence[fx.Node]) -> Keeping:
    """Reads a graph once forward and once back: a residual stream of sums has too many ways through it to walk each."""
    keeps, weighed, parted = set[fx.Node](), set[fx.Node](), set[fx.Node]()
    for node in nodes:
        name, data = op_name(node), kinds.data_inputs(node)
        made = bool(data) and weighed.issuperset(data)
        alone = name in {"mul", "div"} and len(data) == 1
        if name in NORMS or name in NOISE or alone or (name in SUMS and weighed.issuperset(data)):
            keeps.add(node)
        if name in LINEAR or (made and (name in RESHAPES or node in keeps)):
            weighed.add(node)
    for node in reversed(nodes):
        if any(
            _parts(user) or (user in parted and (op_name(user) in RESHAPES or user in keeps)) for user in node.users
        ):
            parted.add(node)
    return Keeping(frozenset(keeps), frozenset(parted))


def _parts(user: fx.Node) -> bool:
    name = op_name(user)
    return name in _SPLITS or name == "glu" or _places(user) is not None


def _places(user: fx.Node) -> list[torch.Tensor | None] | None:
    """The places that an operation takes which indexes a value with numbers that stand in the model's code."""
    if op_name(user) != "index" or not isinstance(user.args[1], list | tuple):
        return None
    given = [None if each is None else _written(each) for each in user.args[1]]
    known = all(value is not None or each is None for value, each in zip(given, user.args[1], strict=True))
    return given if known else None


def _written(node: Any) -> torch.Tensor | None:  # noqa: ANN401 - an argument of a node
    """A constant of the graph that has values."""
    while isinstance(node, fx.Node) and op_name(node) in _LIFTS:
        node = node.args[0]
    return constant_of(node) if isinstance(node, fx.Node) else None


def output_runs(keep: Keeping, node: fx.Node, unit_axis: int) -> list[int]:
    """The lengths of the runs of output units that go separate ways, in their order; one where they stay together."""
    shape = shape_of(node)
    units = shape[unit_axis] if shape else 1
    labels = labels_of(node, unit_axis) if node in keep.parted else None
    if labels is None:
        return [units]
    ends = [run for _, _, run in arrivals(keep, node, labels)]
    return _partition([frozenset(distinct_labels(run).tolist()) for run in ends if run.numel()], units)


def labels_of(node: fx.Node, unit_axis: int) -> torch.Tensor | None:
    """A number for every output unit, in the output's shape; ``None`` where that is too large or has no shape."""
    shape = shape_of(node)
    if not shape or torch.Size(shape).numel() > _MOST_LABELS:
        return None
    units = shape[unit_axis]
    along = [units if axis == unit_axis % len(shape) else 1 for axis in range(len(shape))]
    return torch.arange(units, dtype=torch.int32, device="cpu").reshape(along).expand(shape)


def once(run: torch.Tensor) -> torch.Tensor:
    """Labels without their repeats along samples and positions: these are strides of zero, which views and splits keep."""
    places = [slice(0, 1) if stride == 0 else slice(None) for stride in run.stride()]
    return run[tuple(places)] if run.numel() else run


def distinct_labels(run: torch.Tensor) -> torch.Tensor:
    """The labels in a run, in their order."""
    return torch.bincount(once(run).flatten()).nonzero().flatten()


def _same(value: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether the labels are the same, one by one."""
    if value.shape == other.shape and value.stride() == other.stride():
        value, other = once(value), once(other)
    return torch.equal(value, other)


def arrivals(keep: Keeping, start: fx.Node, labels: torch.Tensor) -> Iterator[tuple[fx.Node, fx.Node, torch.Tensor]]:
    """The labels that arrive at each operation that is no view, and gives each unit no place of its own.

    With the node that brings them, and the operation.
    """
    waiting: list[tuple[fx.Node, Any]] = [(start, labels)]
    arrived: dict[fx.Node, list[torch.Tensor]] = defaultdict(list)
    while waiting:
        node, value = waiting.pop()
        for user in node.users:
            name = op_name(user)
            if user in keep.keeps and shape_of(user) == tuple(getattr(value, "shape", ())):
                # By another way the same labels: what follows has seen them.
                if not any(_same(value, before) for before in arrived[user]):
                    arrived[user].append(value)
                    waiting.append((user, value))
            elif name == "glu":
                halves = value.chunk(2, cast("int", user.args[1]) if len(user.args) > 1 else -1)
                yield from ((node, user, half) for half in halves)
            elif (handed := _handed(node, user, value)) is not None:
                waiting += [(user, each) for each in handed]
            elif isinstance(value, torch.Tensor):
                yield node, user, value


def _handed(node: fx.Node, user: fx.Node, value: Any) -> list[Any] | None:  # noqa: ANN401
    """What a view or a split hands on, none where it takes a shape alone; ``None`` for any other operation."""
    name, whole = op_name(user), isinstance(value, torch.Tensor)
    if name == "getitem" and whole and gives_several(node):
        # The units are those of the first output: a state or a statistic has them in places of its own.
        return [value] if user.args[1] == 0 else []
    if name in LIKE:
        return [_like(user, value)] if whole and user.args[0] is node else []
    if name in _FOLLOWED:
        return [value if name in _COPIES else _moved(user, value)]
    places = _places(user)
    if places is None or not whole or user.args[0] is not node:
        return None
    return [torch.ops.aten.index.Tensor(value, places)]


def _like(user: fx.Node, value: torch.Tensor) -> torch.Tensor:
    """What takes the shape of another value, of which nothing else is seen."""
    shape = shape_of(user)
    return value.expand(shape) if op_name(user) == "expand_as" else value.reshape(shape)


def _moved(user: fx.Node, value: Any) -> Any:  # noqa: ANN401
    if op_name(user) in {"view", "_unsafe_view"} and isinstance(user.args[1], list | tuple):
        # The labels were not copied where the values were, and may need to be now.
        return value.reshape(user.args[1])
    target: Any = user.target
    return target(*map_arg(user.args, lambda _: value), **user.kwargs)


def _partition(runs: list[frozenset[int]], units: int) -> list[int]:
    """The distinct runs' lengths, where they are contiguous and together all of the units."""
    distinct = sorted({(min(run), len(run)) for run in runs})
    lengths = [length for _, length in distinct]
    contiguous = all(max(run) - min(run) + 1 == len(run) for run in runs)
    adjoining = [start for start, _ in distinct] == [sum(lengths[:place]) for place in range(len(lengths))]
    return lengths if contiguous and adjoining and sum(lengths) == units else [units]


def parameter_axis(weight: fx.Node, parameter: fx.Node, out_axis: int) -> tuple[int, int, int]:
    """Where a weight's axis of outputs lies in its parameter, into how many such weights it is cut, and where this begins.

    The views on the way are run on a tensor without memory; strides say which axis became which.
    """
    whole = torch.empty(shape_of(parameter), device="meta")
    seen = _replayed(weight, parameter, whole)
    if seen is None or seen.ndim == 0 or whole.numel() == 0:
        return 0, 1, 0
    stride = seen.stride(out_axis) if seen.ndim > out_axis else 1
    axis = next((axis for axis in range(whole.ndim) if whole.stride(axis) == stride and whole.shape[axis] > 1), 0)
    start = int(seen.storage_offset()) // max(1, whole.stride(axis)) % max(1, whole.shape[axis])
    return axis, max(1, whole.numel() // max(1, seen.numel())), start


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


def view_of(node: fx.Node, parameter: fx.Node) -> torch.Tensor | None:
    """What a node shows of a parameter, on a tensor without memory: its offset and strides say which elements.

    ``None`` where there is more than views between them.
    """
    if parameter not in _ancestors(node):
        return None
    return _replayed(node, parameter, torch.empty(shape_of(parameter), device="meta"))


def _ancestors(node: fx.Node) -> set[fx.Node]:
    """The node and everything behind it; weights have short histories."""
    seen, stack = set[fx.Node](), [node]
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            stack += here.all_input_nodes
    return seen
