"""What std each output gets: the target, or, of a residual branch that is to leave its stream's scale, its share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from initium.calibrate._figures import spread_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.calibrate._lanes import Point, Stage
    from initium.network import Network, Residual, Use

Branches = Literal["unit", "balanced"]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a residual stream begins and ends.

    Attributes:
        number: The stream's.
        branches: How many it has.
        start: The node of the value that the first branch is added to.
        end: The node of the last sum.
    """

    number: int
    branches: int
    start: str
    end: str


def streams_of(network: Network) -> dict[int, Ends]:
    """The residual streams of a network, by their numbers."""
    found: dict[int, Ends] = {}
    for place in _branches(network):
        if place.stream is not None:
            before = found.get(place.stream.number)
            first, last = (before.start, before.end) if before else (place.bypass, place.join)
            start = place.bypass if place.index == 0 else first
            end = place.join if place.index == place.stream.branches - 1 else last
            found[place.stream.number] = Ends(place.stream.number, place.stream.branches, start, end)
    return found


def _branches(network: Network) -> Iterator[Residual]:
    return (use.residual for use in network.uses if use.residual is not None and use.residual.join)


def target_of(
    use: Use, points: Sequence[Point], target: float, branches: Branches, streams: Sequence[dict[int, Ends]]
) -> float:
    r"""The std for one use's output.

    Formula:
        ``target``; of the last weight of a branch, balanced, ``std(x_0) / (c sqrt(n))``: n branches of a stream that begins
        as x_0, each multiplied by the constant c before it is added. The stream ends at ``sqrt(2) std(x_0)``.
    """
    place = use.residual
    if branches == "unit" or place is None or place.stream is None or place.place != "last" or _normed(place):
        return target
    starts = [
        point.lane.streams[ends[place.stream.number].start]
        for point, ends in zip(points, streams, strict=True)
        if ends[place.stream.number].start in point.lane.streams
    ]
    size = spread_of(starts, "std").std if starts else target
    return (size or target) / (abs(place.factor) or 1.0) / math.sqrt(place.stream.branches)


def growths(lanes: Sequence[Stage], streams: Sequence[dict[int, Ends]]) -> Iterator[str]:
    """How every stream grows from its beginning to its end, in words."""
    for number, ends in streams[0].items():
        pairs = [
            (lane.streams[each[number].start], lane.streams[each[number].end])
            for lane, each in zip(lanes, streams, strict=True)
            if {each[number].start, each[number].end} <= lane.streams.keys()
        ]
        if pairs:
            first, last = (spread_of(side, "std").std for side in zip(*pairs, strict=True))
            grown = f"{last / first:.3g}-fold" if first else "from nothing"
            yield f"residual stream {number} ({_counted(ends.branches)}): std {first:.3g} at its start, {last:.3g} at its end, {grown}"


def _counted(branches: int) -> str:
    return "1 branch" if branches == 1 else f"{branches} branches"


def _normed(place: Residual) -> bool:
    """True where a norm decides what the branch or its stream weighs."""
    return place.norm_last or place.norm_after
