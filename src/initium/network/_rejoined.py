"""A graph to be read: what is written through a view is seen by whoever reads the whole afterwards.

A traced graph names the tensor that an operation writes to, and not the larger one that it is a view of: of
``out[:, :8] = a(x)`` nothing leads from ``a`` to the later uses of ``out``. Here the way is made visible; this graph is
read and never run.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from initium.network._ops import RESHAPES, op_name
from initium.network._watch import written

if TYPE_CHECKING:
    from collections.abc import Iterator

_WHOLE, _PART = torch.ops.aten.view_as.default, torch.ops.aten.slice_scatter.default


def rejoined(graph: fx.Graph) -> fx.Graph:
    """The graph itself where nothing is written through a view, else a copy with the missing ways in it."""
    if not any(map(_writes, graph.nodes)):
        return graph
    made = copy.deepcopy(graph)
    made.owning_module = graph.owning_module
    writes = {node: _writes(node) for node in made.nodes}
    now: dict[fx.Node, fx.Node] = {}
    for node, written_into in writes.items():
        for whole in node.all_input_nodes:
            node.replace_input_with(whole, now.get(whole, whole))
        for whole, all_of_it in written_into:
            now[whole] = _joined(made, node, now.get(whole, whole), all_of_it=all_of_it)
    return made


def root(value: Any) -> Any:  # noqa: ANN401 - an argument of a node
    """The node whose memory a view shows."""
    return [value, *_behind(value)][-1]


def _behind(value: Any) -> Iterator[fx.Node]:  # noqa: ANN401
    """What a node is a view of, step by step."""
    while isinstance(value, fx.Node) and value.op == "call_function" and value.args:
        schema: Any = getattr(value.target, "_schema", None)
        if schema is None or not any(each.alias_info is not None for each in schema.returns):
            break
        value = value.args[0]
        if isinstance(value, fx.Node):
            yield value


def _writes(node: fx.Node) -> list[tuple[fx.Node, bool]]:
    """The larger tensors that an operation writes into through a view, each with whether the view shows all of it."""
    given = [(each, list(_behind(each))) for each in written(node.target, node.args)]
    return [
        (behind[-1], all(op_name(step) in RESHAPES for step in (view, *behind[:-1])))
        for view, behind in given
        if behind
    ]


def _joined(graph: fx.Graph, node: fx.Node, whole: fx.Node, *, all_of_it: bool) -> fx.Node:
    """What the whole is after the write: what it was together with what was written, or that alone."""
    with graph.inserting_after(node):
        made = graph.call_function(_WHOLE if all_of_it else _PART, (node, whole) if all_of_it else (whole, node))
    made.meta = whole.meta
    return made
