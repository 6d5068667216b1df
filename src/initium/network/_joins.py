"""Where a residual branch comes back to its stream, and what lies between.

A sum is such a join where one of its terms reaches it without a weight from a value that the other term is made of by
weights. A projection that carries the stream past a longer branch counts as such a term.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from initium.network._attention import scored
from initium.network._ops import NOISE, RESHAPES, op_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._flow import Flow


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch that comes back.

    Attributes:
        term: The node that is added.
        members: Its nodes; those of joins inside it are left out.
        lasts: The weights whose output is added.
        length: The most weights in a row.
    """

    term: fx.Node
    members: frozenset[fx.Node]
    lasts: frozenset[fx.Node]
    length: int


@dataclass(frozen=True, slots=True)
class Join:
    """A sum at which branches come back to a stream.

    Attributes:
        node: The sum.
        bypass: The term that brings the stream.
        home: The value that it brings.
        fork: The value that the branches are made of: that one, or one further back on the stream.
        branches: What is added.
        shortcut: The projection on the bypass, if any.
        inner: The joins that lie inside the branches.
    """

    node: fx.Node
    bypass: fx.Node
    home: fx.Node
    fork: fx.Node
    branches: tuple[Branch, ...]
    shortcut: fx.Node | None
    inner: frozenset[fx.Node]


@dataclass(frozen=True, slots=True)
class Joins:
    """The joins of a graph, in order.

    Attributes:
        flow: The data's ways.
        reached: For every node, one bit for each possible fork that it is made of.
        bit: The bit of a possible fork.
        found: The joins by their sums.
    """

    flow: Flow
    bit: dict[fx.Node, int]
    reached: dict[fx.Node, int] = field(default_factory=dict["fx.Node", int])
    found: dict[fx.Node, Join] = field(default_factory=dict["fx.Node", Join])

    def made_of(self, node: fx.Node, fork: fx.Node) -> bool:
        """True where a node depends on a fork, and is not the fork itself."""
        return fork in self.bit and bool(self.reached[node] >> self.bit[fork] & 1)


def joins(flow: Flow) -> Joins:
    """Reads the data's ways once forward."""
    read = Joins(flow, {node: place for place, node in enumerate(_possible(flow))})
    scores = scored(flow)
    for node, parents in flow.parents.items():
        reached = 0
        for parent in parents:
            reached |= read.reached[parent]
            if parent in read.bit:
                reached |= 1 << read.bit[parent]
        read.reached[node] = reached
        if flow.joins(node) and node not in scores and len({flow.home[parent] for parent in parents}) > 1:
            join = _join(read, node)
            if join is not None:
                read.found[node] = join
    return read


def _possible(flow: Flow) -> Iterator[fx.Node]:
    """What a sum's term brings without a weight, or through one, each once."""
    found: dict[fx.Node, None] = {}
    for node, parents in flow.parents.items():
        if flow.joins(node):
            for home in (flow.home[parent] for parent in parents):
                found[home] = None
                data = _data_of(flow, home)
                if data is not None:
                    found[flow.home[data]] = None
    yield from found


def _data_of(flow: Flow, node: fx.Node) -> fx.Node | None:
    """What the one weight at a node multiplies."""
    found = flow.weights.get(node, ())
    return found[0].data if len(found) == 1 and found[0].data in flow.home else None


def _join(read: Joins, node: fx.Node) -> Join | None:
    first, second = read.flow.parents[node][:2]
    for bypass, other in ((first, second), (second, first)):
        home = read.flow.home[bypass]
        fork = next((each for each in _back(read, home) if read.made_of(other, each)), None)
        if fork is not None:
            return _made(read, node, bypass, home, fork)
    for bypass, other in ((first, second), (second, first)):
        join = _past_a_projection(read, node, bypass, other)
        if join is not None:
            return join
    return None


def _back(read: Joins, home: fx.Node) -> Iterator[fx.Node]:
    """The values that stood on the stream before, latest first."""
    yield home
    while home in read.found:
        home = read.found[home].home
        yield home


def _made(read: Joins, node: fx.Node, bypass: fx.Node, home: fx.Node, fork: fx.Node) -> Join | None:
    """The join with its branches, ``None`` where what is added passed no weight."""
    other = next(parent for parent in read.flow.parents[node] if parent is not bypass)
    inner: dict[fx.Node, None] = {}
    branches = [_branch(read, term, fork, inner) for term in _terms(read, other, fork)]
    if len(branches) > 1 and _share(read, branches):
        branches = [_branch(read, other, fork, inner)]
    weighty = tuple(each for each in branches if each.lasts)
    return Join(node, bypass, home, fork, weighty, None, frozenset(inner)) if weighty else None


def _terms(read: Joins, node: fx.Node, fork: fx.Node) -> list[fx.Node]:
    """The terms of a sum of branches, each by itself."""
    top = node
    while op_name(top) in NOISE | RESHAPES and len(read.flow.parents[top]) == 1 and len(read.flow.users[top]) == 1:
        top = read.flow.parents[top][0]
    if not read.flow.joins(top) or top in read.found or len(read.flow.users[top]) > 1:
        return [node]
    parts = [parent for parent in read.flow.parents[top] if read.made_of(parent, fork)]
    return [term for parent in parts for term in _terms(read, parent, fork)]


def _share(read: Joins, branches: list[Branch]) -> bool:
    """True where terms have a weight in common: they are one branch (a low-rank update beside its weight)."""
    weights = [member for branch in branches for member in branch.members if member in read.flow.weights]
    return len(set(weights)) < len(weights) or not all(branch.length for branch in branches)


def _branch(read: Joins, term: fx.Node, fork: fx.Node, inner: dict[fx.Node, None]) -> Branch:
    """What lies between the fork and the term; a join on the way is passed along its stream."""
    passed: list[fx.Node] = []
    seen, stack = {term}, [term]
    while stack:
        here = stack.pop()
        if not read.made_of(here, fork):
            continue
        passed.append(here)
        fresh = [parent for parent in _ways(read, here, fork) if parent not in seen]
        seen.update(fresh)
        stack += fresh
    inner.update({node: None for node in passed if node in read.found})
    members = frozenset(node for node in passed if node not in read.found)
    return Branch(term, members, frozenset(_lasts(read, term, members)), _length(read, sorted(passed), fork))


def _ways(read: Joins, node: fx.Node, fork: fx.Node) -> tuple[fx.Node, ...]:
    """The parents; at a join inside, its stream, unless that does not lead to the fork."""
    if node not in read.found:
        return read.flow.parents[node]
    bypass = read.found[node].bypass
    return (bypass,) if bypass is fork or read.made_of(bypass, fork) else read.flow.parents[node]


def _lasts(read: Joins, term: fx.Node, members: frozenset[fx.Node]) -> Iterator[fx.Node]:
    seen, stack = {term}, [term]
    while stack:
        here = stack.pop()
        if here in read.flow.weights and here in members:
            yield here
        elif here in members:
            fresh = [parent for parent in read.flow.values(here) if parent not in seen]
            seen.update(fresh)
            stack += fresh


def _length(read: Joins, passed: list[fx.Node], fork: fx.Node) -> int:
    """The most weights on one way to the last of the nodes."""
    most: dict[fx.Node, int] = {}
    for node in passed:
        behind = max((most.get(parent, 0) for parent in _ways(read, node, fork)), default=0)
        most[node] = behind + (node in read.flow.weights)
    return most[passed[-1]] if passed else 0


def _past_a_projection(read: Joins, node: fx.Node, bypass: fx.Node, other: fx.Node) -> Join | None:
    """One straight weight beside a longer way that bends."""
    shortcut = read.flow.home[bypass]
    data = _data_of(read.flow, shortcut)
    if data is None:
        return None
    fork = read.flow.home[data]
    if not read.made_of(other, fork):
        return None
    join = _made(read, node, bypass, fork, fork)
    if join is None or join.inner or len(join.branches) != 1:
        return None
    (branch,) = join.branches
    shared = read.flow.between(data, fork)
    way, longer = read.flow.between(bypass, shortcut) | (shared - branch.members), branch.members - shared
    straight, bent = not any(map(read.flow.bends, way)), any(map(read.flow.bends, longer))
    apart = straight and bent and branch.length > 1 and shortcut not in branch.members
    return replace(join, shortcut=shortcut) if apart else None
