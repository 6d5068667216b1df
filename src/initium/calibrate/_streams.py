"""What residual streams begin as, and how large what is added to them starts."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.network import Facts, Network, Residual, Use

# What all branches of a stream together add to its second moment.
SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Line:
    """A residual stream, as far as sizes go.

    Attributes:
        feed: The tables and weights whose outputs it begins as, and what each of those is multiplied by first.
        ends: The last weights of its branches.
        readers: The weights in its branches that read nothing else.
        met: Whether what it begins as is normalised before any branch reads it.
        bare: Whether no norm stands in it, before its branches or at their ends.
        loose: Whether none stands on it or at the ends, so that all of it may grow or shrink together.
    """

    feed: Mapping[str, float]
    ends: tuple[str, ...]
    readers: tuple[str, ...]
    met: bool
    bare: bool
    loose: bool


def lines_of(network: Network) -> dict[int, Line]:
    """The streams, by number."""
    feed, ends = defaultdict[int, dict[str, "Use"]](dict), defaultdict[int, dict[str, None]](dict)
    uses = defaultdict[int, list["Use"]](list)
    for use in network.uses:
        place = use.residual
        if place is None or place.stream is None:
            continue
        uses[place.stream.number].append(use)
        if place.place == "stream" and not use.head:
            feed[place.stream.number][use.name] = use
        elif place.place == "last":
            ends[place.stream.number][use.name] = None
    return {number: _line(feed[number], tuple(ends[number]), several) for number, several in uses.items()}


def _line(feed: Mapping[str, Use], ends: tuple[str, ...], several: list[Use]) -> Line:
    read = frozenset(node for use in feed.values() for node in use.sources)
    begins = {name: use.factor for name, use in feed.items() if use.node not in read}  # the last of a stem
    nodes = {use.node for use in several if use.name in begins}
    branches = [(use, use.residual) for use in several if use.residual and use.residual.in_branch]
    readers = [use for use, _ in branches if nodes and nodes >= use.sources]
    places = [place for _, place in branches]
    return Line(
        begins,
        ends,
        tuple(use.name for use in readers),
        met=bool(readers) and all(use.before.kind == "norm" for use in readers),
        bare=not any(place.norm_first or place.norm_after or place.norm_last for place in places),
        loose=not any(place.norm_after or place.norm_last for place in places),
    )


def adds(place: Residual) -> bool:
    """True for the end of a branch whose size reaches the stream."""
    return place.place == "last" and bool(place.branches) and not place.norm_last


def end_size(facts: Facts, line: Line, sizes: Mapping[str, float], layers: Mapping[str, float]) -> float | None:
    r"""The size at which the end of a branch starts; ``None`` for a weight that ends none, or behind which a norm stands.

    Formula:
        ``stream * sqrt(SHARE / branches)``, through a LayerScale or a constant factor by so much more, up to 1: all
        branches together add a quarter of the second moment that the stream began with, so that they do not drown it. The
        stream is 1 behind a norm on it, and before that as large as what it begins as.

    Args:
        facts: What is known of the weight.
        line: Its stream.
        sizes: By weight and table, the rms of its output.
        layers: The values of LayerScales.
    """
    place = facts.residual
    if place is None or not adds(place):
        return None
    renewed = place.norm_after and (line.met or place.index)
    begins = [sizes[each] * factor for each, factor in line.feed.items() if each in sizes]
    stream = 1.0 if renewed or not begins else math.hypot(*begins)
    wanted = stream * abs(place.alpha or 1.0) * math.sqrt(SHARE / place.branches)
    passed = through(place, layers)
    return wanted if passed in {0.0, 1.0} else min(1.0, wanted / passed)


def through(place: Residual, layers: Mapping[str, float]) -> float:
    """What the output of a branch is multiplied by before it is added."""
    return abs(place.factor) * math.prod(layers.get(each, 1.0) for each in place.multipliers)
