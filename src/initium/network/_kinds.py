"""Which values of a graph carry a signal, which are made of parameters alone, of integer inputs, or of constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from initium.network._ops import (
    COUNTS,
    FACTORIES,
    LINEAR,
    PARTS,
    PRODUCTS,
    RESHAPES,
    inputs,
    is_float,
    op_name,
    shape_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import fx

    from initium.network._traced import Trace

Kind = Literal["data", "parameter", "index", "constant"]
_INDEXING = frozenset("index index_select gather take take_along_dim".split())
_EMPTIED = frozenset({"tril", "triu"})  # some elements become zero: what is filled is not what is used
_COMPOSES = frozenset(PRODUCTS) | {"einsum", "tensordot"}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a parameter-only value is made of.

    Attributes:
        names: The parameters it depends on.
        moved: True where it is one parameter's elements, only moved (views, slices), so that filling fills it.
        through: The other operations on the way.
    """

    names: tuple[str, ...]
    moved: bool
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kind of every node, and the origin of the parameter-only ones."""

    kind: dict[fx.Node, Kind]
    origin: dict[fx.Node, Origin]

    def data_inputs(self, node: fx.Node) -> list[fx.Node]:
        """The nodes that bring a signal: data of a floating type, whatever the operation."""
        return [parent for parent in inputs(node) if self.kind[parent] == "data" and is_float(parent)]

    def data_parents(self, node: fx.Node) -> list[fx.Node]:
        """The same, with the comparisons and masks that were made of data."""
        return [parent for parent in inputs(node) if self.kind[parent] == "data"]

    def parameter_inputs(self, node: fx.Node) -> list[fx.Node]:
        """The nodes that bring parameters."""
        return [parent for parent in inputs(node) if self.kind[parent] == "parameter"]

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Who reads a value as a signal, the model's output included."""
        return [user for user in node.users if user.op == "output" or (self.kind[user] == "data" and is_float(user))]


def kinds(trace: Trace, graph: fx.Graph) -> Kinds:
    """Reads a trace's graph, as it is or rejoined, once and in order."""
    read = Kinds({}, {})
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    split = len(trace.parameters), len(trace.parameters) + len(trace.buffers)
    for position, node in enumerate(placeholders):
        given: Kind = "data" if is_float(node) else "index"
        read.kind[node] = "parameter" if position < split[0] else "constant" if position < split[1] else given
        if position < split[0]:
            read.origin[node] = Origin((trace.parameters[position],), moved=True)
    for node in graph.nodes:
        if node not in read.kind:
            read.kind[node] = _kind(read, node)
            if read.kind[node] == "parameter":
                read.origin[node] = _origin(read, node)
    return read


def _kind(read: Kinds, node: fx.Node) -> Kind:
    if op_name(node) in FACTORIES:
        return "constant"
    if op_name(node) in COUNTS:
        return "index"
    parents = {read.kind[parent] for parent in inputs(node)}
    if "data" in parents:
        return "data"
    if "parameter" in parents:
        return "data" if _feeds(node, parents) else "parameter"
    return "index" if "index" in parents else "constant"


def _feeds(node: fx.Node, parents: Collection[str]) -> bool:
    """A weight operation starts a signal of its own on what is no data: a lookup, a learned query, a constant grid.

    A product of parameters alone (a low-rank update) is still a parameter, and so are a product with constants (the
    power iteration of a spectral norm) and a table read at fixed places.
    """
    name = op_name(node)
    if name in _INDEXING and "index" in parents:
        return not _picks_matrices(node)
    if name in _COMPOSES or name in _INDEXING:
        return "index" in parents
    return name in LINEAR


def _picks_matrices(node: fx.Node) -> bool:
    """True where whole matrices are picked out of a stack (one a sample: experts, relations) and go into a product."""
    return len(shape_of(node.all_input_nodes[0])) > 2 and any(_multiplies(node))  # noqa: PLR2004 - a stack of matrices


def _multiplies(node: fx.Node) -> Iterator[bool]:
    for user in node.users:
        yield op_name(user) in _COMPOSES
        if op_name(user) in RESHAPES:
            yield from _multiplies(user)


def _origin(read: Kinds, node: fx.Node) -> Origin:
    parents = [read.origin[parent] for parent in inputs(node) if parent in read.origin]
    names = tuple(dict.fromkeys(name for parent in parents for name in parent.names))
    through = tuple(dict.fromkeys(step for parent in parents for step in parent.through))
    name = op_name(node)
    if name in RESHAPES or name in PARTS - _EMPTIED:
        return Origin(names, moved=len(names) == 1 and all(parent.moved for parent in parents), through=through)
    return Origin(names, moved=False, through=(*through, name))


def choosing(nodes: Sequence[fx.Node]) -> frozenset[fx.Node]:
    """The nodes of which nothing is made but whole numbers and truth values: no signal goes on from there."""
    found = set["fx.Node"]()
    for node in reversed(nodes):
        goes_on = [user for user in node.users if user.op == "output" or (is_float(user) and user not in found)]
        if node.users and is_float(node) and not goes_on:
            found.add(node)
    return frozenset(found)
