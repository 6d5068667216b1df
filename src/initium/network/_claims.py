"""Which branch each weight belongs to: the innermost that it is a part of, or the only one that its output goes into."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._joins import Joins


@dataclass(frozen=True, slots=True)
class Claim:
    """A weight of a branch.

    Attributes:
        join: The sum at which the branch comes back.
        branch: The number of the branch at it.
        last: True where its output is what is added.
        fed: True where it reads something else than the branch's own stream.
    """

    join: fx.Node
    branch: int
    last: bool = False
    fed: bool = False


def claims(read: Joins) -> dict[fx.Node, Claim]:
    """The branch of each weight that is in one; joins come in order, so an inner one comes first."""
    found: dict[fx.Node, Claim] = {}
    owner: dict[fx.Node, Claim] = {}
    for node, join in read.found.items():
        for number, branch in enumerate(join.branches):
            for member in branch.members:
                claim = Claim(node, number, member in branch.lasts)
                owner.setdefault(member, claim)
                if member in read.flow.weights:
                    found.setdefault(member, claim)
    return found | dict(_feeders(read, found, owner))


def _feeders(read: Joins, found: dict[fx.Node, Claim], owner: dict[fx.Node, Claim]) -> Iterator[tuple[fx.Node, Claim]]:
    """Weights beside a branch that it alone reads: keys and values of a memory, a projected condition."""
    kept = _carriers(read)
    into: dict[fx.Node, set[tuple[fx.Node, int]]] = defaultdict(set)
    for node in reversed(list(read.flow.parents)):
        for user in read.flow.users[node]:
            into[node] |= _read_by(read, user, owner, into)
        if node in read.flow.weights and node not in found and node not in kept and len(into[node]) == 1:
            ((join, number),) = into[node]
            if number >= 0:
                yield node, Claim(join, number, fed=True)


def _read_by(
    read: Joins, user: fx.Node, owner: dict[fx.Node, Claim], into: dict[fx.Node, set[tuple[fx.Node, int]]]
) -> set[tuple[fx.Node, int]]:
    """The branches that a value goes into by one of its readers; what goes anywhere else is marked by -1."""
    if user in owner:
        return {(owner[user].join, owner[user].branch)}
    return {(user, -1)} if user in read.flow.weights or user in read.found else into[user]


def _carriers(read: Joins) -> set[fx.Node]:
    """Weights that a stream begins with or goes through: they make what a join's bypass brings."""
    found = {join.shortcut for join in read.found.values() if join.shortcut is not None}
    seen: set[fx.Node] = set()
    for home in dict.fromkeys(join.home for join in read.found.values()):
        stack = [] if home in read.found else [home]
        while stack:
            here = stack.pop()
            if here in seen:
                continue
            seen.add(here)
            if here in read.flow.weights:
                found.add(here)
            elif here not in read.found:
                stack += read.flow.parents[here]
    return found
