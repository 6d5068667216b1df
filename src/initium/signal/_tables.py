"""Tables that a model holds: those that are looked up, and those that are added to what depends on the input."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from initium.network import MOVES, SUMS, constant_of, op_name, shape_of
from initium.records import ScaleRow, TableRow
from initium.signal._fetched import fetched
from initium.signal._masks import MASKED
from initium.signal._moments import all_moments, unit_moments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, fx

    from initium.network import Facts, Network

_MATRIX, _SAMPLES = 2, 64


def added_tables(network: Network, names: Mapping[str, str]) -> dict[str, str]:
    """The table, learned or fixed, that a sum adds to data, by the sum's node.

    A vector, which is the same for every place, is a bias; what is added to the scores of a softmax is one too, or a mask.
    """
    made: dict[
        str, str | None
    ] = {}  # of what alone: a table by name, "" for others that the model holds, None for data
    found, held = dict[str, str](), set(names.values())
    for node in network.trace.graph.graph.nodes if network.trace else ():
        if node.op == "placeholder":
            table = sum(size > 1 for size in shape_of(node)) >= _MATRIX
            made[node.name] = (names[node.name] if table else "") if node.name in names else None
            continue
        if not node.all_input_nodes:
            made[node.name] = op_name(node) if node.op == "call_function" else _constant(node)
            continue
        parts = {made.get(each.name, "") for each in node.all_input_nodes}
        tables = sorted(
            filter(None, parts), key=lambda name: (name not in held, name)
        )  # what is looked up, before its places
        made[node.name] = None if None in parts else next(iter(tables), "")
        if op_name(node) in SUMS and None in parts and tables and len(node.all_input_nodes) == _MATRIX:
            found |= {} if _of_scores(node) else {node.name: tables[0]}
    return found


def _constant(node: fx.Node) -> str:
    """A table that stands in the program, which nobody gave a name."""
    value = constant_of(node)
    shape = () if value is None else tuple(value.shape)
    return f"constant of shape {shape}" if sum(size > 1 for size in shape) >= _MATRIX else ""


def _of_scores(node: fx.Node) -> bool:
    """True where a softmax reads the sum."""
    return any("softmax" in op_name(user) or (op_name(user) in MOVES and _of_scores(user)) for user in node.users)


def added_figures(n: fx.Node, value_of: Callable[[Any], Any]) -> dict[str, Tensor] | None:
    """The sizes of both terms of a sum; ``None`` where they do not tell samples from places."""
    values = [value_of(each) for each in n.all_input_nodes]
    if not all(isinstance(each, torch.Tensor) and each.is_floating_point() and each.numel() for each in values):
        return None
    table, data = sorted((each.detach() for each in values), key=torch.Tensor.numel)
    if bool((table <= MASKED).any()):  # a mask that is added hides what it is added to
        return None
    if data.ndim < _MATRIX or len(data) < _MATRIX or table.numel() >= data.numel():
        return None
    moments = unit_moments(data[:_SAMPLES].flatten(1), 1)
    return {"rms": all_moments(table).rms, "std": moments.unit_std}


def along(node: fx.Node) -> int:
    """The one axis of the data along which a table that is added has places, the last, that of features, aside; -1 for any other."""
    table, data = sorted((shape_of(each) for each in node.all_input_nodes), key=math.prod)
    shape = (1,) * (len(data) - len(table)) + table
    axes = [axis for axis, size in enumerate(shape[:-1]) if size > 1]
    return axes[0] if len(axes) == 1 and len(data) > _MATRIX else -1


def table_rows(network: Network, leaves: Mapping[str, Tensor]) -> tuple[TableRow, ...]:
    """A row for each table that is looked up."""
    looked_up = {use.name for use in network.uses if use.layout == "lookup"}
    tables = [facts for facts in network.parameters if facts.name in looked_up and _plain_table(leaves[facts.name])]
    figures = fetched(
        [
            {"zeros": _zeros(facts, leaves[facts.name]).float(), "alike": _alike(facts, leaves[facts.name]).float()}
            for facts in tables
        ]
    )
    return tuple(
        TableRow(facts.name, facts.shape[0] - (facts.padding is not None), int(found["zeros"]), int(found["alike"]))
        for facts, found in zip(tables, figures, strict=True)
    )


def _plain_table(table: Tensor) -> bool:
    return table.ndim == _MATRIX and table.is_floating_point() and table.layout == torch.strided and table.numel() > 0


def _zeros(facts: Facts, table: Tensor) -> Tensor:
    """How many rows are zero throughout, the one for padding aside."""
    empty = (
        torch.linalg.vector_norm(table.detach().to(torch.promote_types(table.dtype, torch.float32)), torch.inf, -1) == 0
    )
    return empty.sum() if facts.padding is None else empty.sum() - empty[facts.padding].long()


def _alike(facts: Facts, table: Tensor) -> Tensor:
    """How many rows are equal to the first that stands for no padding; the first column tells which may be."""
    kept = [row for row in range(min(2, len(table))) if row != facts.padding]
    if not kept:
        return table.new_zeros(())
    first = table.detach()[kept[0]]
    maybe = (table.detach()[:, 0] == first[0]).nonzero()[:, 0]
    maybe = maybe if facts.padding is None else maybe[maybe != facts.padding]
    return (table.detach()[maybe] == first).all(-1).sum()


def scale_rows(network: Network, leaves: Mapping[str, Tensor]) -> tuple[ScaleRow, ...]:
    """A row for each learned scale of a normalisation, as it multiplies."""
    scales = [facts for facts in network.parameters if facts.role == "scale" and facts.neutral is not None]
    used = [leaves[facts.name].detach() + (1 - (facts.neutral or 0.0)) for facts in scales]
    figures = fetched([{"rms": all_moments(value).rms, "zeros": (value == 0).float().mean()} for value in used])
    return tuple(ScaleRow(facts.name, **found) for facts, found in zip(scales, figures, strict=True))
