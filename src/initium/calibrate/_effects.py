"""How the rate at which one weight learns changes with the sizes of others."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from initium.calibrate._bindings import scale_free
from initium.calibrate._streams import through
from initium.errors import InitiumError
from initium.gains import moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initium.calibrate._scales import Scales
    from initium.gains import Nonlinearity
    from initium.network import Facts, Network

Effects = dict[str, dict[str, float]]

# Sizes that are nearer to one another, in decades, share their slopes; a slope that is nearer to a straight line's is one.
_GRID, _SEEN = 0.02, 1e-6


class Bend(NamedTuple):
    """The slopes of the logs of rms phi and of rms phi' by the log of the rms of what phi reads."""

    forward: float
    backward: float


_STRAIGHT = Bend(1.0, 0.0)


def effects_of(network: Network, scales: Scales) -> Effects:
    r"""By weight, the decades of ``|g| / |w|`` for a decade in the size of each movable one.

    Formula:
        Where a norm or the next weight makes up for a size, y the log10 of sizes: ``r = -2 (y - y of what it reads)``,
        since the gradient falls as the output grows, and rises with the input, and the weight does the contrary. At the
        end of a branch e on a stream that is normalised before it is read, or on which no norm stands:
        ``r_e = -y_e - s + 2 y of what it reads``, and in the branch ``r = y_e - s - 2 (y - y of what it reads)``, with s the
        log10 of the stream's size, to which each that is added to it counts by its square: the gradient on the stream does
        not depend on one branch, and falls as the stream grows. What is read behind a norm counts for nothing. So it is where a
        norm stands behind the sum, but s is 0 there. What goes out has ``r = -y + 2 y of what it reads``, and 2 c with c the log10
        of the scale of the norm before it: its loss hardly answers to its size.

        Before an activation phi whose input has the rms sigma, with s and t the slopes of the logs of rms phi and of rms
        phi' by that of sigma: ``r = t - s - 1`` of y itself, 2 s of what reads it, and ``1 + t - s`` of all that the weight
        reads by way of others, since the gradient that goes back is in proportion to phi'. Of ReLU s is 1 and t 0.

    Args:
        network: The traced model.
        scales: The sizes now.

    Returns:
        By weight and movable weight.
    """
    known = {facts.name: facts for facts in network.parameters}
    ends, shares = _streams(known, scales)
    out = scales.terms | scales.logs
    movable, effects = dict.fromkeys(scales.movable, ()), Effects()
    bent = {name: _STRAIGHT if name in scales.divided else _bend(known[name], scales.size(name)) for name in movable}
    for name, read in (movable | scales.sources).items():
        found = defaultdict[str, float](float)
        place = known[name].residual
        stream = shares.get(place.stream.number, {}) if place and place.stream else {}
        if name in movable:
            table = place is None and known[name].role == "embedding"
            ended = place is not None and place.stream and ends.get((place.stream.number, place.index)) == name
            found[name] -= 1.0 if name in stream or table or ended or name in out else _own(bent[name])
        for source in read:
            if source in movable:
                found[source] += 2.0 * bent[source].forward / len(read)
        if place and place.stream and place.place == "inside" and (end := ends.get((place.stream.number, place.index))):
            found[end] += 1.0
        for other, share in stream.items():
            found[other] -= share
        effects[name] = dict(found)
    for name, closed in scales.closes.items():  # the outputs keep their size
        for each in closed:
            effects[each][name] = 2.0
    _reach_back(effects, bent, scales.sources)
    return effects


def _reach_back(effects: Effects, bent: Mapping[str, Bend], sources: Mapping[str, Sequence[str]]) -> None:
    """What an activation does to the gradient of all that its weight reads by way of others."""
    for name, bend in bent.items():
        change = 1.0 + bend.backward - bend.forward
        if abs(change) < _SEEN:
            continue
        seen, ahead = set[str](), [*sources.get(name, ())]
        while ahead:
            if (source := ahead.pop()) not in seen:
                seen.add(source)
                ahead += sources.get(source, ())
        for source in seen & effects.keys():
            effects[source][name] = effects[source].get(name, 0.0) + change


def _own(bend: Bend) -> float:
    return 1.0 + bend.forward - bend.backward


def _bend(facts: Facts, size: float) -> Bend:
    """The slopes at a size: of what is in proportion to its input where no activation follows or none that is known."""
    activation = facts.after.activation
    if activation is None or facts.role == "embedding" or not size > 0:
        return _STRAIGHT
    return _slopes(activation, round(math.log10(size) / _GRID))


@lru_cache(maxsize=1024)
def _slopes(activation: Nonlinearity, place: int) -> Bend:
    lower, upper = (10.0 ** (2 * _GRID * (place + step)) for step in (-0.5, 0.5))
    try:
        below, above = (moments(activation, variance=variance) for variance in (lower, upper))
    except InitiumError:
        return _STRAIGHT
    squares = (below.second, above.second), (below.slope_second, above.slope_second)
    if not all(0 < square < math.inf for pair in squares for square in pair):
        return _STRAIGHT
    forward, backward = (math.log(above / below) / math.log(upper / lower) for below, above in squares)
    return Bend(forward, backward)


def _streams(
    known: Mapping[str, Facts], scales: Scales
) -> tuple[dict[tuple[int, int], str], dict[int, dict[str, float]]]:
    """By stream and branch its end, and by stream all shares in it; none of one behind whose sums norms stand, which is 1 there."""
    ends, squares = dict[tuple[int, int], str](), defaultdict[int, dict[str, float]](dict)
    for name in scales.movable:
        place = known[name].residual
        if place is None or place.stream is None or scale_free(known[name]) or name in scales.divided:
            continue
        number, line = place.stream.number, scales.lines[place.stream.number]
        if place.place == "last" and (place.norm_first or line.loose):
            ends[number, place.index] = name
        elif place.place == "last" and name in scales.held:
            ends[number, place.index] = name
            continue
        elif known[name].role != "embedding" and not (name in line.feed and line.loose):
            continue
        if (added := scales.size(name) * through(place, scales.layers)) > 0:  # a branch that starts silent adds nothing
            squares[number][name] = added**2
    read = {number for (number, _), name in ends.items() if name not in scales.held}
    return ends, {
        number: {name: square / sum(members.values()) for name, square in members.items()}
        for number, members in squares.items()
        if number in read
    }
