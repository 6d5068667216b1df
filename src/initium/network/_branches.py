"""The place of every weight on the residual streams of a graph."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from initium.network._claims import Claim, claims
from initium.network._head import outgoing
from initium.network._joins import Join, Joins, joins
from initium.network._residual import Residual, Stream
from initium.network._silencers import silencers
from initium.network._streams import streams
from initium.network._sums import Steps, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._flow import Flow
    from initium.network._joins import Branch


@dataclass(frozen=True, slots=True)
class Branches:
    """What is known of the branches of a graph.

    Attributes:
        joins: The sums at which they come back.
        lines: The stream of every node that is on one.
        of: The place of each weight, by the operation that uses it; empty where there is no branch at all.
        ends: The last steps of each branch.
    """

    joins: Joins
    lines: dict[fx.Node, int] = field(default_factory=dict["fx.Node", int])
    of: dict[fx.Node, Residual] = field(default_factory=dict["fx.Node", Residual])
    ends: list[Steps] = field(default_factory=list[Steps])


def branches(flow: Flow) -> Branches:
    """Reads the data's ways: joins first, then the streams that they are on, then every weight's place."""
    read = Branches(joins(flow))
    if not read.joins.found:
        return read
    claimed = claims(read.joins)
    read.lines.update(streams(read.joins, claimed))
    places = _places(read, claimed)
    for node, claim in claimed.items():
        place = places[claim.join][claim.branch]
        read.of[node] = replace(place, place="last" if claim.last else "inside")
    read.of.update(_outside(read, claimed, places))
    return read


def _places(read: Branches, claimed: dict[fx.Node, Claim]) -> dict[fx.Node, list[Residual]]:
    """For every join the place of what stands in each of its branches."""
    on: dict[int, list[Join]] = defaultdict(list)
    for join in read.joins.found.values():
        on[read.lines[join.node]].append(join)
    memories = _memories(read.joins, read.lines, claimed)
    ends = _ends(read.joins, on, memories)
    found: dict[fx.Node, list[Residual]] = {}
    for number, several in on.items():
        index = 0
        for join, normalised in zip(several, _norms_after(read.joins, several), strict=True):
            found[join.node] = []
            for place, branch in enumerate(join.branches):
                made = replace(_place(read, join, branch), **ends[number], norm_after=normalised)
                found[join.node].append(replace(made, index=index, crosses=(join.node, place) in memories))
                index += 1
    return found


def _ends(
    read: Joins, on: dict[int, list[Join]], memories: dict[tuple[fx.Node, int], int]
) -> dict[int, dict[str, Any]]:
    """For every stream what its weights say of it: itself, the one that it reads, the one that reads it, its end."""
    known = {number: _stream(number, several, memories) for number, several in on.items()}
    out = outgoing(read.flow)
    most = {number: _read_most(memories, several) for number, several in on.items()}
    readers = {memory: number for number, memory in reversed(most.items())}
    return {
        number: {
            "stream": stream,
            "encoder": known.get(most[number]),
            "decoder": known.get(readers.get(number, -1)),
            "leaves": on[number][-1].node in out,
        }
        for number, stream in known.items()
    }


def _memories(read: Joins, lines: dict[fx.Node, int], claimed: dict[fx.Node, Claim]) -> dict[tuple[fx.Node, int], int]:
    """The other stream that a branch reads: that of its keys and values."""
    found: dict[tuple[fx.Node, int], int] = {}
    for node, claim in claimed.items():
        for parent in read.flow.parents[node] if claim.fed else ():
            line = lines.get(read.flow.home[parent], lines.get(parent))
            if line is not None and line != lines[claim.join]:
                found[claim.join, claim.branch] = line
    return found


def _stream(number: int, several: list[Join], memories: dict[tuple[fx.Node, int], int]) -> Stream:
    every = [(join.node, place) for join in several for place in range(len(join.branches))]
    length = max(branch.length for join in several for branch in join.branches)
    return Stream(number, len(every), sum(each in memories for each in every), length)


def _read_most(memories: dict[tuple[fx.Node, int], int], several: list[Join]) -> int:
    """The stream that most of these branches read; -1 for none."""
    nodes = {join.node for join in several}
    read = [line for (node, _), line in memories.items() if node in nodes]
    return max(read, key=read.count, default=-1)


def _norms_after(read: Joins, several: list[Join]) -> list[bool]:
    """Whether each join's sum is normalised on the stream, as the next join's bypass tells; the last is like the others."""
    homes = {join.home: read.flow.normalised(join.bypass, join.home) for join in several if join.shortcut is None}
    told = [homes.get(join.node) for join in several]
    known = [each for each in told if each is not None]
    usual = known[-1] if known else None
    return [
        each if each is not None else _only_normalised(read, join) if usual is None else usual
        for join, each in zip(several, told, strict=True)
    ]


def _only_normalised(read: Joins, join: Join) -> bool:
    """For a lone join: its sum is read by a norm alone, and its branch did not start with one."""
    readers = read.flow.users[join.node]
    return bool(readers) and all(map(read.flow.normalises, readers)) and not _norm_first(read, join, join.branches[0])


def _place(read: Branches, join: Join, branch: Branch) -> Residual:
    flow = read.joins.flow
    ends = steps(flow, join.node, branch.term)
    carried = steps(flow, join.node, join.bypass, branch.members)
    read.ends.append(ends)
    return Residual(
        place="inside",
        join=join.node.name,
        bypass=join.bypass.name,
        length=branch.length,
        alpha=None if carried.multipliers or carried.gates else carried.factor,
        factor=1.0 if ends.factor is None else ends.factor,
        multipliers=ends.multipliers,
        norm_first=_norm_first(read.joins, join, branch),
        norm_last=bool(ends.norms),
        norm_before_last=_norm_before_last(flow, branch),
        silencers=silencers(flow, ends)[1],
    )


def _norm_first(read: Joins, join: Join, branch: Branch) -> bool:
    """True where every way from the fork to the branch's first weight has a norm that the stream does not go through."""
    flow = read.flow
    shared: set[fx.Node] = flow.between(join.bypass, join.home) if join.home is join.fork else set()
    first = [site.data for node in branch.members for site in flow.weights.get(node, ()) if site.data in flow.parents]
    told = [_starts_normalised(flow, branch, join.fork, data, shared) for data in first]
    known = [each for each in told if each is not None]
    return bool(known) and all(known)


def _starts_normalised(flow: Flow, branch: Branch, fork: fx.Node, data: fx.Node, shared: set[fx.Node]) -> bool | None:
    """Of what one weight reads; ``None`` where another weight of the branch stands before it, or the fork does not."""
    if data is fork:
        return False
    way = set(flow.behind(data, lambda node: node in flow.weights or node not in branch.members))
    if not way or any(
        parent in flow.weights and parent in branch.members for each in way for parent in flow.parents[each]
    ):
        return None
    return flow.normalised(data, fork, shared)


def _norm_before_last(flow: Flow, branch: Branch) -> bool:
    """True where what every last weight reads has been normalised since the weight before."""
    return all(any(_normalised_since(flow, site.data) for site in flow.weights[last]) for last in branch.lasts)


def _normalised_since(flow: Flow, node: fx.Node | None) -> bool:
    """Walks back along what is passed on, to a norm or to a weight."""
    while node is not None and node not in flow.weights:
        if flow.normalises(node):
            return True
        node = next(iter(flow.values(node)), None)
    return False


def _outside(
    read: Branches, claimed: dict[fx.Node, Claim], places: dict[fx.Node, list[Residual]]
) -> Iterator[tuple[fx.Node, Residual]]:
    """Weights in no branch: on a stream, past a branch, or beside them all."""
    flow, lines = read.joins.flow, read.lines
    shortcuts = {join.shortcut for join in read.joins.found.values()}
    begins = _begins(read.joins)
    for node in flow.weights:
        if node in claimed:
            continue
        on = node in lines or node in begins or any(parent in lines for parent in flow.parents[node])
        made = Residual("shortcut" if node in shortcuts else "stream" if on else "beside")
        if node in begins:
            first = places[begins[node]][0]
            made = replace(made, stream=first.stream, encoder=first.encoder, decoder=first.decoder)
        yield node, made


def _begins(read: Joins) -> dict[fx.Node, fx.Node]:
    """What the streams are made of, their branches left out, with the first join on each."""
    found: dict[fx.Node, fx.Node] = {}
    for join in read.found.values():
        stack = [join.home] if join.home not in read.found else []
        while stack:
            here = stack.pop()
            if here not in found:
                found[here] = join.node
                stack += (read.found[here].bypass,) if here in read.found else read.flow.parents[here]
    return found
