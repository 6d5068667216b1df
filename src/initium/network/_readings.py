"""The readings of one graph, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network._kinds import Kinds, choosing, kinds
from initium.network._neighbours import Neighbours, neighbours
from initium.network._numbers import numbers
from initium.network._ops import shape_of
from initium.network._packed import Keeping, keeping
from initium.network._regions import regions
from initium.network._rejoined import rejoined

if TYPE_CHECKING:
    from torch import fx, nn

    from initium.network._traced import Trace


@dataclass(frozen=True, slots=True)
class Readings:
    """What is made of a graph before anything is said of a parameter.

    Attributes:
        nodes: The graph's nodes, in order.
        kinds: What each carries.
        neighbours: What stands before and after each.
        placeholders: The node of each parameter.
        numbers: The nodes that are one number.
        keeping: Where units keep their places.
        values: What each parameter holds.
        choosing: The nodes of which nothing comes but a choice.
    """

    nodes: tuple[fx.Node, ...]
    kinds: Kinds
    neighbours: Neighbours
    placeholders: dict[str, fx.Node]
    numbers: dict[fx.Node, float]
    keeping: Keeping
    values: dict[str, nn.Parameter]
    choosing: frozenset[fx.Node]

    def name_of(self, weight: fx.Node) -> str:
        """The parameter behind a weight; of several (a composed weight), that of the most axes, then of the most elements."""
        shapes = {name: shape_of(self.placeholders[name]) for name in self.kinds.origin[weight].names}
        return max(shapes, key=lambda name: (len(shapes[name]), math.prod(shapes[name])))


def readings(traced: Trace, values: dict[str, nn.Parameter]) -> Readings:
    """Reads a trace; the values serve to tell a parameter that is one number throughout."""
    graph = rejoined(traced.graph.graph)
    kind = kinds(traced, graph)
    known = numbers(kind, graph, values)
    around = neighbours(regions(kind, graph, known), graph)
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    parameters = dict(zip(traced.parameters, placeholders, strict=False))
    nodes = tuple(graph.nodes)
    return Readings(nodes, kind, around, parameters, known, keeping(kind, nodes), values, choosing(nodes))
