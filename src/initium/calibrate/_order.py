"""The order of a walk: uses of one weight that do not read each other stand side by side, and are settled together."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, cast

import torch

from initium.network import changes_something, op_name, root, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import fx

    from initium.network import Network

_DROPS = frozenset({"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"})
_TRAINS = 2  # the place at which a dropout is told whether it drops


@dataclass(frozen=True, slots=True)
class Step:
    """What is run at once.

    Attributes:
        nodes: One node, or uses of the same weights.
        done: The values that nobody reads after it.
    """

    nodes: tuple[fx.Node, ...]
    done: tuple[fx.Node, ...]


def order_of(network: Network) -> list[Step]:
    """The graph's nodes, each after all that it reads.

    As the model runs them, save where a weight is first used in several places that do not depend on each other, as in
    siamese towers: what does not wait for the first place runs up to the last, so that one figure over all of them is known.
    What is written in place, and what draws, keeps its order.
    """
    nodes = [node for node in network.trace.graph.graph.nodes if node.op != "output"] if network.trace else []
    together = _together(network, nodes)
    needs = _needs(nodes) if together else None
    several = [(node,) for node in nodes] if needs is None else list(_scheduled(nodes, needs, together))
    return list(_with_ends(several))


def _together(network: Network, nodes: Sequence[fx.Node]) -> dict[fx.Node, int]:
    """By node the number of its group: first uses of the same weights, none of which reads another."""
    names = defaultdict[str, list[str]](list)
    for use in network.uses:
        names[use.node].append(use.name if use.layout != "gates" else "")
    keys = {node: tuple(names[node.name]) for node in nodes if node.name in names and "" not in names[node.name]}
    found: dict[tuple[str, ...], list[fx.Node]] = defaultdict(list)
    before: dict[fx.Node, set[str]] = {}
    for node in nodes:
        key = keys.get(node, ())
        seen = set[str]().union(*(before[each] for each in node.all_input_nodes))
        if key and not seen & set(key):
            found[key].append(node)
        before[node] = seen | set(key)
    groups = [group for group in found.values() if len(group) > 1]
    return {node: number for number, group in enumerate(groups) for node in group}


def _needs(nodes: Sequence[fx.Node]) -> dict[fx.Node, set[fx.Node]] | None:
    """What must run before each node; ``None`` where the graph does not tell."""
    needs: dict[fx.Node, set[fx.Node]] = {}
    writer: dict[fx.Node, fx.Node] = {}
    readers: dict[fx.Node, set[fx.Node]] = defaultdict(set)
    last: fx.Node | None = None
    for node in nodes:
        mine = needs.setdefault(node, set(node.all_input_nodes))
        roots = {cast("fx.Node", root(each)) for each in node.all_input_nodes}
        writes = {root(each) for each in written(node.target, node.args)}
        mine |= {writer[each] for each in roots if each in writer}
        for each in writes:
            if op_name(each) == "getitem":  # one of several views: what the others show is not followed
                return None
            mine |= readers[each] - {node}
            writer[each], readers[each] = node, set()
        for each in roots - writes:
            readers[each].add(node)
        if _idle(node):
            continue
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            mine |= set() if last is None else {last}
            last = node
        elif changes_something(node) and not writes and node.op == "call_function":
            return None
    return needs


def _idle(node: fx.Node) -> bool:
    """True for a dropout that drops nothing."""
    return op_name(node) in _DROPS and len(node.args) > _TRAINS and node.args[_TRAINS] is False


def _scheduled(
    nodes: Sequence[fx.Node], needs: Mapping[fx.Node, set[fx.Node]], together: Mapping[fx.Node, int]
) -> Iterator[tuple[fx.Node, ...]]:
    """The first node that is ready; one of a group waits for the others, as long as anything else can be done."""
    place = {node: at for at, node in enumerate(nodes)}
    waits = {node: len(needs[node]) for node in nodes}
    readers: dict[fx.Node, list[fx.Node]] = defaultdict(list)
    for node in nodes:
        for each in needs[node]:
            readers[each].append(node)
    sizes = {number: len(list(group)) for number, group in groupby(sorted(together.values()))}
    parked: dict[int, list[int]] = defaultdict(list)
    ready = [place[node] for node in nodes if not waits[node]]
    while ready or parked:
        if ready:
            at = heapq.heappop(ready)
            number = together.get(nodes[at])
            if number is not None:
                parked[number].append(at)
                if len(parked[number]) < sizes[number]:
                    continue
        else:  # the others wait for these
            number = min(parked, key=lambda each: min(parked[each]))
            sizes[number] -= len(parked[number])
            at = parked[number][0]
        step = [at] if number is None else sorted(parked.pop(number))
        yield tuple(nodes[each] for each in step)
        for node in (nodes[each] for each in step):
            for reader in readers[node]:
                waits[reader] -= 1
                if not waits[reader]:
                    heapq.heappush(ready, place[reader])


def _with_ends(several: Sequence[tuple[fx.Node, ...]]) -> Iterator[Step]:
    """Each step with the values that are read at it for the last time."""
    last = {node: at for at, step in enumerate(several) for node in step}
    for at, step in enumerate(several):
        for node in step:
            last |= dict.fromkeys(node.all_input_nodes, at)
    done = defaultdict[int, list["fx.Node"]](list)
    for node, at in last.items():
        done[at].append(node)
    for at, step in enumerate(several):
        yield Step(step, tuple(done[at]))
