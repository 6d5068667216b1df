"""A use of a weight beside what was measured there, and the stretches of a network in which scale is not free."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from initium.network import Facts, Network, Use
    from initium.records import Signal, SignalRow

_UNSCALED = frozenset({"lookup", "gates"})
_JOINTS = frozenset({"activation", "linear"})
_OUTWARD = frozenset({"output", "nothing", "softmax"})


@dataclass(frozen=True, slots=True)
class Link:
    """One use of a weight.

    Attributes:
        use: What the graph knows of it.
        row: What was measured there.
        facts: The facts of the weight.
    """

    use: Use
    row: SignalRow
    facts: Facts

    @property
    def gain(self) -> float:
        """What the weight has where a scheme has its gain: ``weight_rms * sqrt(fan_in)``."""
        return self.row.weight_rms * math.sqrt(self.use.fan_in)

    @property
    def plain(self) -> bool:
        """True where the weight itself multiplies the data, so that its values are its scale."""
        return self.use.direct and not self.facts.computed_by and self.use.layout not in _UNSCALED

    @property
    def hidden(self) -> bool:
        """True where the output is not the network's answer."""
        return self.use.after.kind not in _OUTWARD

    @property
    def zeroed(self) -> bool:
        """True where the weight is zero throughout, or a learned scale of it is: a choice, judged by its gradient alone."""
        return self.row.weight_rms == 0 or (self.row.out_rms == 0 and not self.plain)

    @property
    def units(self) -> int:
        """How many units the output has."""
        return self.facts.shape[1] if self.use.layout in {"in_out", "conv_transpose"} else self.facts.shape[0]


def links(network: Network, signal: Signal) -> tuple[Link, ...]:
    """Every measured use, in execution order."""
    uses = {(use.name, use.index): use for use in network.uses}
    facts = {name: each for each in network.parameters for name in each.names}
    return tuple(
        Link(uses[row.name, row.use], row, facts[row.name])
        for row in signal.rows
        if (row.name, row.use) in uses and row.name in facts
    )


def chains(network: Network, signal: Signal) -> tuple[tuple[Link, ...], ...]:
    """The stretches along which a signal travels alone: each link reads what the one before it gives, and nothing else.

    Normalisation makes scale free, and where signals meet (a residual sum, a concatenation) each is a part of what
    follows: a slope over either says nothing. A weight that is zero throughout is a choice and ends a chain. The
    network's answer ends one too, and is no part of it.
    """
    made: list[list[Link]] = []
    ends: dict[str, list[Link]] = {}
    for link in links(network, signal):
        if not link.hidden or link.zeroed or link.use.layout in _UNSCALED:
            continue
        chain = ends.get(next(iter(link.use.sources), "")) if len(link.use.sources) == 1 else None
        if chain is None or not _follows(chain[-1], link):
            chain = list[Link]()
            made.append(chain)
        else:
            del ends[chain[-1].use.node]
        chain.append(link)
        ends[link.use.node] = chain
    return tuple(map(tuple, made))


def lanes(network: Network, signal: Signal) -> tuple[tuple[Link, ...], ...]:
    """The same for a gradient: where others read a link too, their gradients meet on the way back, and a lane ends."""
    readers_of = readers(network)
    made: list[list[Link]] = []
    for chain in chains(network, signal):
        lane = list[Link]()
        for link in chain:
            lane.append(link)
            if len(readers_of[link.use.node]) > 1:
                made.append(lane)
                lane = []
        made += [lane] if lane else []
    return tuple(map(tuple, made))


def trunks(network: Network, signal: Signal) -> tuple[tuple[Link, ...], ...]:
    """The lanes on which the network depends: nothing leads around them.

    A fall inside a branch is no fall of the network: what bypasses it (the stream beside a residual branch, the other
    readers of a link) carries the signal forward and the gradient back.
    """
    readers_of = readers(network)
    return tuple(lane for lane in lanes(network, signal) if not bypassed(lane, readers_of))


def readers(network: Network) -> dict[str, set[str]]:
    """The uses that read each use."""
    found: dict[str, set[str]] = defaultdict(set)
    for use in network.uses:
        for source in use.sources:
            found[source].add(use.node)
    return found


def behind(
    start: Iterable[str], readers_of: Mapping[str, AbstractSet[str]], never: AbstractSet[str] = frozenset()
) -> Iterator[str]:
    """Every use that is made of some values, by way of no forbidden one; as they are found, so that a search may end early."""
    waiting, seen = list(start), set[str]()
    while waiting:
        fresh = readers_of.get(waiting.pop(), frozenset()) - seen - never
        yield from fresh
        seen |= fresh
        waiting += fresh


def bypassed(lane: Sequence[Link], readers_of: dict[str, set[str]]) -> bool:
    """True where what the first link reads also comes to a reader of the last by another way."""
    goals, own = readers_of[lane[-1].use.node], {link.use.node for link in lane}
    return not goals.isdisjoint(behind(lane[0].use.sources, readers_of, own))


def _follows(last: Link, link: Link) -> bool:
    """Nothing stands between but an activation, and views."""
    return link.use.before.kind in _JOINTS and not last.use.normalised
