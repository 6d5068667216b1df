"""The data's ways through a graph, for whoever asks where a value comes from without passing a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network._ops import (
    AFFINE,
    ATTENTIONS,
    LINEAR,
    PARTS,
    POOLS,
    SOFTMAXES,
    SUMS,
    inputs,
    op_name,
    shape_of,
)
from initium.network._sites import sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._readings import Readings
    from initium.network._sites import Site

_BOUNDED = frozenset("sigmoid hardsigmoid tanh hardtanh".split()) | SOFTMAXES
_STRAIGHT = AFFINE | PARTS | POOLS | LINEAR
_SCALINGS = frozenset({"mul", "div"})
_SPLITS = frozenset("chunk split split_with_sizes tensor_split unbind".split())


@dataclass(frozen=True, slots=True)
class Flow:
    """Who reads whom among the nodes that carry a signal.

    Attributes:
        read: The graph's readings.
        parents: The signals that a data node is made of, each once, in the order of its arguments.
        users: The data nodes that are made of it.
        weights: The uses of weights at a node; only nodes that have some.
        home: The nearest value behind a node of which it is made without any weight and without any other value: a
            weight's output, an input, a sum, a product. A value that stands there is its own.
    """

    read: Readings
    parents: dict[fx.Node, tuple[fx.Node, ...]]
    users: dict[fx.Node, tuple[fx.Node, ...]]
    weights: dict[fx.Node, tuple[Site, ...]]
    home: dict[fx.Node, fx.Node]

    def normalises(self, node: fx.Node) -> bool:
        """True for a normalisation, written out or not."""
        return self.read.neighbours.regions.is_norm(node)

    def bends(self, node: fx.Node) -> bool:
        """True where something follows no straight line; a normalisation does not count."""
        if self.normalises(node) or node in self.read.neighbours.regions.statistic or self.joins(node):
            return False
        return len(self.parents[node]) > 1 or op_name(node) not in _STRAIGHT

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Who reads a value as a signal, the model's output included."""
        return self.read.kinds.readers(node)

    def joins(self, node: fx.Node) -> bool:
        """True where several values are added, and not to choose by their sum."""
        return op_name(node) in SUMS and len(self.parents[node]) > 1 and node not in self.read.choosing

    def between(self, node: fx.Node, home: fx.Node) -> set[fx.Node]:
        """The nodes from one to its home, the home left out."""
        return set(self.behind(node, lambda each: each is home))

    def normalised(self, node: fx.Node, home: fx.Node, besides: AbstractSet[fx.Node] = frozenset()) -> bool:
        """True where every way from a node back to its home has a norm that is none of some others."""
        way = self.behind(node, lambda each: each is home or (self.normalises(each) and each not in besides))
        return node is not home and not any(home in self.parents[each] for each in way)

    def behind(self, node: fx.Node, ends: Callable[[fx.Node], bool]) -> Iterator[fx.Node]:
        """The node and what it is made of, nearest first, as far as the nodes where it ends, which are left out."""
        seen, stack = {node}, [node]
        while stack:
            here = stack.pop()
            if ends(here):
                continue
            yield here
            fresh = [parent for parent in self.parents[here] if parent not in seen]
            seen.update(fresh)
            stack += reversed(fresh)

    def values(self, node: fx.Node) -> tuple[fx.Node, ...]:
        """The parents that bring what is passed on, gates, scores and queries left out; none for a product of equals."""
        parents, name = self.parents[node], op_name(node)
        if name in ATTENTIONS:
            return tuple(parent for parent in node.args[2:3] if parent in self.parents) or parents
        if name == "mul" and any(self._zero(each) for each in node.all_input_nodes):
            return ()
        if len(parents) < 2 or name in SUMS or not (name in _SCALINGS or name in LINEAR):  # noqa: PLR2004 - a pair
            return parents
        left = tuple(parent for parent in parents if not self._gates(parent, parents))
        whole = name in LINEAR or all(_elements(parent) >= _elements(node) for parent in left)
        return left if len(left) == 1 and whole else ()

    def _zero(self, node: fx.Node) -> bool:
        """True for a constant that is zero (the state at the first step), and not for a parameter, which will change."""
        return self.read.numbers.get(node) == 0 and node not in self.read.kinds.origin

    def _gates(self, node: fx.Node, factors: tuple[fx.Node, ...]) -> bool:
        """True for the factor that weighs the other: bounded, or one number for many of the other's."""
        if self.bounded(node):
            return True
        if any(self.bounded(other) for other in factors):
            return False
        return _elements(node) < max(map(_elements, factors))

    def bounded(self, node: fx.Node) -> bool:
        """True for what a sigmoid, a tanh or a softmax gave, and nothing changed since."""
        while len(self.parents[node]) == 1 and op_name(node) not in _BOUNDED and not self.weights.get(node):
            node = self.parents[node][0]
        return op_name(node) in _BOUNDED


def _elements(node: fx.Node) -> int:
    """How many different numbers a value holds, an expanded one before it was expanded."""
    while op_name(node) in {"expand", "expand_as", "broadcast_to"}:
        node = node.all_input_nodes[0]
    total = 1
    for size in shape_of(node):
        total *= size
    return total


def flow(read: Readings) -> Flow:
    """Reads a graph once, in order."""
    made = Flow(read, {}, {}, {}, {})
    users: dict[fx.Node, list[fx.Node]] = {}
    for node in read.nodes:
        if read.kinds.kind[node] != "data" or node.op == "output":
            continue
        found = tuple(sites(read.kinds, node)) if node.op == "call_function" else ()
        if found:
            made.weights[node] = found
        made.parents[node] = tuple(dict.fromkeys(read.kinds.data_inputs(node)))
        for parent in made.parents[node]:
            users.setdefault(parent, []).append(node)
        made.home[node] = _home(made, node)
    made.users.update({node: tuple(users.get(node, ())) for node in made.parents})
    return made


def _home(made: Flow, node: fx.Node) -> fx.Node:
    if node in made.weights or (op_name(node) in LINEAR and len(made.parents[node]) > 1):
        return node
    homes = {made.home[parent] for parent in made.parents[node]}
    return homes.pop() if len(homes) == 1 and not _takes_apart(node) else node


def _takes_apart(node: fx.Node) -> bool:
    """One of the parts that a value was split into is a value of its own."""
    parents = inputs(node)
    return op_name(node) == "getitem" and bool(parents) and op_name(parents[0]) in _SPLITS
