"""What stands before and after each value, seen through everything that leaves a distribution's shape alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from initium.gains import Activation
from initium.network._facts import Neighbour
from initium.network._ops import (
    ATTENTIONS,
    LINEAR,
    LOOKUPS,
    LOSSES,
    NOISE,
    PARTS,
    PLACES,
    POOLS,
    PRODUCTS,
    RESHAPES,
    SOFTMAXES,
    SUMS,
    is_float,
    is_mix,
    is_pointwise,
    op_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import fx

    from initium.network._regions import Regions

NOTHING = Neighbour("nothing", "nothing")
_ORDER = (
    "activation",
    "softmax",
    "attention",
    "product",
    "linear",
    "recurrent",
    "norm",
    "unknown",
    "output",
    "nothing",
)


ANSWERS = ("output", "softmax")
"""Kinds of neighbour that are no part of the network: what a weight gives them is its answer."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """One thing that follows a value.

    Attributes:
        neighbour: What follows.
        activated: The node whose value it takes, where it is an activation, a softmax or the output.
        normalised: True where a normalisation stands between.
        renewed: True where it is an activation, and what that gives is normalised before anything else is made of it.
    """

    neighbour: Neighbour
    activated: fx.Node | None = None
    normalised: bool = False
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What precedes and what follows every data node that is a base."""

    regions: Regions
    before: dict[fx.Node, Neighbour] = field(default_factory=dict["fx.Node", Neighbour])
    after: dict[fx.Node, frozenset[Ahead]] = field(default_factory=dict["fx.Node", "frozenset[Ahead]"])
    unknown: dict[str, None] = field(default_factory=dict[str, None])

    def preceding(self, node: fx.Node) -> Neighbour:
        """What precedes the use of a data node."""
        if node in self.before:
            return self.before[node]
        return _before(self, node) if node in self.regions.base else NOTHING

    def following(self, node: fx.Node) -> Ahead:
        """What follows a weight operation, as one: an activation wins over the plainer things beside it."""
        return _one(self.after.get(node, frozenset()))


def neighbours(regions: Regions, graph: fx.Graph) -> Neighbours:
    """Reads the graph once forwards and once backwards."""
    read, exits = Neighbours(regions), _exits(regions)
    asked = {
        node for nodes in exits.values() for node in nodes
    }  # within a region nobody asks, and a region may be long
    for node in graph.nodes:
        if node in asked or regions.base.get(node) is node:
            read.before[node] = _before(read, node)
    for node in reversed(list(graph.nodes)):
        if regions.base.get(node) is node:
            read.after[node] = frozenset(_after(read, exits.get(node, [node])))
    return read


def _exits(regions: Regions) -> dict[fx.Node, list[fx.Node]]:
    """For every base, the nodes of its region that somebody outside reads."""
    found: dict[fx.Node, list[fx.Node]] = {}
    for node, base in regions.base.items():
        if any(regions.base.get(user) is not base for user in node.users):
            found.setdefault(base, []).append(node)
    return found


def _before(read: Neighbours, node: fx.Node) -> Neighbour:
    function = read.regions.activation(node)
    if function is not None:
        return Neighbour("activation", str(function), function)
    base = read.regions.base[node]
    return read.before[base] if base is not node else _made_by(read, node)


def _made_by(read: Neighbours, node: fx.Node) -> Neighbour:
    """What kind of value a base is."""
    name = op_name(node)
    kind = _operation_kind(read, node)
    if kind == "through":
        parents = read.regions.kinds.data_inputs(node)
        return _joined([read.before[parent] for parent in parents if parent in read.before])
    if kind == "activation":
        return Neighbour("activation", name, Activation(name, ()))
    if kind == "unknown":
        return Neighbour("unknown", f"unknown: {name}")
    return Neighbour(kind, kind)


def _operation_kind(read: Neighbours, node: fx.Node) -> str:
    """One word for an operation that ends a region; ``through`` for one that keeps a distribution's shape."""
    name = op_name(node)
    parents = read.regions.kinds.data_inputs(node)
    table = (
        ("input", node.op == "placeholder"),
        ("norm", read.regions.is_norm(node)),
        ("embedding", name in LOOKUPS),
        ("linear", name in LINEAR and bool(read.regions.kinds.parameter_inputs(node))),
        ("product", name in PRODUCTS or name in LINEAR),
        ("attention", name in ATTENTIONS),
        ("softmax", name in SOFTMAXES),
        ("activation", name == "glu"),
        ("output", name in LOSSES or node.op == "output"),
        ("through", name in PARTS or name in POOLS or name in RESHAPES or name in NOISE or name in PLACES),
        ("through", node in read.regions.statistic),
        ("sum", name in SUMS and len(parents) > 1),
        ("product", name in {"mul", "div", "addcmul", "lerp", "outer", "ger"} and len(parents) > 1),
        ("through", name in {"outer", "ger"}),
        ("sum", name in {"maximum", "minimum", "where", "lerp"}),
        ("input", not parents),
        ("product", is_pointwise(node) or is_mix(node)),
    )
    return next((kind for kind, holds in table if holds), "unknown")


def _joined(several: list[Neighbour]) -> Neighbour:
    """What precedes a join: the one thing, where all the parts agree."""
    distinct = list(dict.fromkeys(several))
    if not distinct:
        return NOTHING
    if len(distinct) == 1:
        return distinct[0]
    return Neighbour("sum", " | ".join(sorted(str(one) for one in distinct)))


def _after(read: Neighbours, exits: Iterable[fx.Node]) -> Iterable[Ahead]:
    readers = {node: _readers(read, node) for node in exits if is_float(node)}
    bent = {node for node, seen in readers.items() if seen and node in read.regions.bent}
    for node, seen in readers.items():
        if _by_way_of(read, node, bent - {node}):
            continue
        function = read.regions.activation(node) if seen else None
        if function is not None:
            renewed = all(_renewed(read, user) for user in seen)
            yield Ahead(Neighbour("activation", str(function), function), read.regions.entry(node), renewed=renewed)
        else:
            for user in seen:
                yield from _seen_at(read, user, node)


def _renewed(read: Neighbours, user: fx.Node) -> bool:
    """Whether a reader is a normalisation, or hands on as it came to nothing but those."""
    kind, ahead = _operation_kind(read, user), read.after.get(user, ())
    return kind == "norm" or (kind == "through" and bool(ahead) and all(one.normalised for one in ahead))


def _readers(read: Neighbours, node: fx.Node) -> list[fx.Node]:
    """Those outside of a node's region that carry the signal on."""
    outside = [user for user in node.users if read.regions.base.get(user) is not read.regions.base[node]]
    return [user for user in outside if _carries_on(read.regions, user)]


def _by_way_of(read: Neighbours, node: fx.Node, bent: set[fx.Node]) -> bool:
    """True of what is made of an activation's value that is read itself too (``1 - z`` beside ``z``): that one follows the base."""
    if not bent or node not in read.regions.bent:
        return False
    waiting, seen = [node], {node, *bent}
    while waiting:
        parents = [each for each in read.regions.kinds.data_parents(waiting.pop()) if each not in seen]
        if read.regions.base[node] in parents:
            return False
        seen.update(parents)
        waiting += parents
    return True


def _carries_on(regions: Regions, user: fx.Node) -> bool:
    """False for a comparison, a shape, and a mean, variance or norm that only serves to scale its own base."""
    if user.op == "output":
        return True
    signal = regions.kinds.kind[user] == "data" and is_float(user)
    return signal and regions.statistic.get(user) not in regions.normalised


def _seen_at(read: Neighbours, user: fx.Node, node: fx.Node) -> Iterable[Ahead]:
    kind = "output" if user.op == "output" else _operation_kind(read, user)
    ahead = read.after.get(user, frozenset[Ahead]())
    if len(read.regions.kinds.data_inputs(user)) > 1:  # what is joined is no longer the answer of one weight
        ahead = frozenset(replace(one, activated=None) if one.neighbour.kind in ANSWERS else one for one in ahead)
    if kind == "norm":
        return [Ahead(one.neighbour, one.activated, normalised=True) for one in ahead] or [
            Ahead(Neighbour("norm", "norm"), normalised=True)
        ]
    if kind == "sum":  # a normalisation of the sum does not make one of its terms scale-free
        return [replace(one, normalised=False) for one in ahead]
    if kind == "through":
        return ahead
    if kind == "activation":
        return [Ahead(Neighbour("activation", op_name(user), Activation(op_name(user), ())))]
    if kind == "unknown":
        read.unknown[op_name(user)] = None
        return [Ahead(Neighbour("unknown", f"unknown: {op_name(user)}"))]
    cosine = op_name(user) == "cosine_similarity"  # a product of what it divides by its own norm
    return [Ahead(Neighbour(kind, kind), node if kind in ANSWERS else None, normalised=cosine)]


def _one(several: frozenset[Ahead]) -> Ahead:
    """One answer out of many: the strongest kind; two different activations stay unknown."""
    if not several:
        return Ahead(NOTHING)
    ranked = sorted(several, key=lambda one: (_rank(one.neighbour.kind), str(one.neighbour), str(one.activated)))
    first = ranked[0]
    normalised, renewed = all(one.normalised for one in several), all(one.renewed for one in several)
    rivals = {str(one.neighbour) for one in several if one.neighbour.kind == "activation"}
    if len(rivals) > 1:
        return Ahead(Neighbour("unknown", " | ".join(sorted(rivals))), None, normalised, renewed)
    return Ahead(first.neighbour, first.activated, normalised, renewed)


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
