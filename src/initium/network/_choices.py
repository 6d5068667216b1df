"""Which values decided sizes while a model was traced: what a walk on other values may have to keep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import fx

from initium.network._noted import Noted
from initium.network._ops import PARTS, op_name

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

_SIZING_TOO = frozenset({"repeat_interleave"})  # carries no such tag where the program tells the size


def take_choices(graph: fx.Graph) -> dict[str, Any]:
    """By node the whole numbers and truth values that were made of floating values or drawn, and on which a size hangs.

    A graph holds the sizes that were met. A walk on other values (weights of the same law, inputs drawn anew) keeps
    another number of neighbours or nodes where these choices are made anew, and what was sized by them no longer fits.
    Where there is such a choice, what else leads to an index is one too: both have to be of the same run.
    The values are taken out of the graph, which keeps shapes alone.
    """
    nodes: list[fx.Node] = list(graph.nodes)
    found = _above([node for node in nodes if _sizes(node)])
    if found:
        found |= _above([node for node in nodes if op_name(node) in PARTS])
    for node in nodes:
        if "val" in node.meta:
            node.meta["val"] = _without(node.meta["val"])
    return found


def choosers(graph: fx.Graph, choices: Iterable[str], weighed: Container[str]) -> set[fx.Node]:
    """The placeholders whose own values lead to a choice: no weight is used on the way."""
    seen, left = set[fx.Node](), [node for node in graph.nodes if node.name in set(choices)]
    while left:
        node = left.pop()
        if node not in seen and node.name not in weighed:
            seen.add(node)
            left.extend(node.all_input_nodes)
    return {node for node in seen if node.op == "placeholder"}


def _above(targets: list[fx.Node]) -> dict[str, Any]:
    """The choices that lead to one of these by whole numbers."""
    found: dict[str, Any] = {}
    seen, left = set[fx.Node](), targets
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        if _chosen(node):
            found[node.name] = _choices(node.meta.get("val"))
        left.extend(parent for parent in node.all_input_nodes if _whole(parent))
    return found


def as_chosen(made: Any, kept: Any) -> Any:  # noqa: ANN401 - a tensor or several
    """What an operation made, with the kept choices in it."""
    if isinstance(kept, list):
        return tuple(as_chosen(*each) for each in zip(made, cast("list[Any]", kept), strict=True))
    return made if kept is None else kept.clone()


def _sizes(node: fx.Node) -> bool:
    return torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ()) or op_name(node) in _SIZING_TOO


def _chosen(node: fx.Node) -> bool:
    """True where floating values, or chance, become whole numbers."""
    if node.op != "call_function" or not _whole(node):
        return False
    drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return drawn or any(_floats(parent) for parent in node.all_input_nodes)


def _whole(node: fx.Node) -> bool:
    return any(each.choice is not None for each in _each(node.meta.get("val")))


def _floats(node: fx.Node) -> bool:
    return any(each.dtype.is_floating_point or each.dtype.is_complex for each in _each(node.meta.get("val")))


def _each(value: Any) -> Iterator[Noted]:  # noqa: ANN401 - what the tracer noted
    if isinstance(value, Noted):
        yield value
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from _each(part)


def _choices(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_choices(part) for part in cast("list[Any]", value)]
    return value.choice if isinstance(value, Noted) else None


def _without(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_without(part) for part in cast("list[Any]", value)]
    return replace(value, choice=None) if isinstance(value, Noted) else value
