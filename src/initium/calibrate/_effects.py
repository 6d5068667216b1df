"""How the rate at which one weight learns changes with the sizes of others."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.calibrate._scales import Scales
    from initium.network import Facts, Network

Effects = dict[str, dict[str, float]]


def effects_of(network: Network, scales: Scales) -> Effects:
    r"""By weight, the decades of ``|g| / |w|`` for a decade in the size of each movable one.

    Formula:
        Where a norm or the next weight makes up for a size, y the log10 of sizes: ``r = -2 (y - y of what it reads)``,
        since the gradient falls as the output grows, and rises with the input, and the weight does the contrary. At the
        end of a branch e on a stream that is normalised before it is read, or on which no norm stands:
        ``r_e = -y_e - s + 2 y of what it reads``, and in the branch ``r = y_e - s - 2 (y - y of what it reads)``, with s the
        log10 of the stream's size, to which each that is added to it counts by its square: the gradient on the stream does
        not depend on one branch, and falls as the stream grows. What is read behind a norm counts for nothing.

    Args:
        network: The traced model.
        scales: The sizes now.

    Returns:
        By weight and movable weight.
    """
    known = {facts.name: facts for facts in network.parameters}
    ends, shares = _streams(known, scales)
    movable, effects = dict.fromkeys(scales.movable, ()), Effects()
    for name, read in (movable | scales.sources).items():
        found = defaultdict[str, float](float)
        place = known[name].residual
        stream = shares.get(place.stream.number, {}) if place and place.stream else {}
        if name in movable:
            found[name] -= 1.0 if name in stream or (place is None and known[name].role == "embedding") else 2.0
        for source in read:
            if source in movable:
                found[source] += 2.0 / len(read)
        if place and place.stream and place.place == "inside" and (end := ends.get((place.stream.number, place.index))):
            found[end] += 1.0
        for other, share in stream.items():
            found[other] -= share
        effects[name] = dict(found)
    return effects


def _streams(
    known: Mapping[str, Facts], scales: Scales
) -> tuple[dict[tuple[int, int], str], dict[int, dict[str, float]]]:
    """Of streams that no branch reads as they are: by stream and branch its end, and by stream all shares in it."""
    ends, squares = dict[tuple[int, int], str](), defaultdict[int, dict[str, float]](dict)
    for name in scales.movable:
        place = known[name].residual
        if place is None or place.stream is None or known[name].normalised:
            continue
        number, line = place.stream.number, scales.lines[place.stream.number]
        if place.place == "last" and (place.norm_first or line.loose):
            ends[number, place.index] = name
        elif known[name].role != "embedding" and not (name in line.feed and line.loose):
            continue
        through = math.prod(scales.layers.get(each, 1.0) for each in place.multipliers)
        squares[number][name] = (scales.size(name) * through) ** 2
    read = {number for number, _ in ends}
    return ends, {
        number: {name: square / sum(members.values()) for name, square in members.items()}
        for number, members in squares.items()
        if number in read
    }
