"""How fast the pooled figures of weights that are used again follow the factors: by the powers with which these enter each use."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from initium.calibrate._figures import spread_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from initium.calibrate._figures import Seen, Statistic
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Way
    from initium.network import Use

    Powers = Mapping[Piece, float]

# What keeps a size: twice the input gives twice the output.
_KEEPS = frozenset({"relu", "leaky_relu", "identity", "abs"})
# The largest step that is thought of, and by how many halvings it is found.
_MOST, _STEPS = 64.0, 60
# A step whose length says nothing more than its own rounding.
_LITTLE = 1e-9


def powers_of(way: Way, sought: Collection[Piece]) -> dict[Piece, list[Powers]]:
    """By piece the powers in which the sought ones enter each of its uses.

    A sum of several grows as these do on average; behind what keeps no size (a norm, a tanh) a power is forgotten.
    """
    at: dict[str, Powers] = {}
    found: dict[Piece, list[Powers]] = defaultdict(list)
    for use in way.network.uses:
        read = [at[node] for node in use.sources if node in at] if _keeps(use) else []
        mine = [part.piece for part in way.parts[use.node, use.name]]
        before, several = _mean(read), list["Powers"]()
        for piece in mine:
            several.append({**before, piece: before.get(piece, 0.0) + 1.0} if piece in sought else before)
            found[piece].append(several[-1])
        at[use.node] = _mean(several)
    return found


def _mean(several: Sequence[Powers]) -> dict[Piece, float]:
    keys = {piece for each in several for piece in each}
    return {piece: sum(each.get(piece, 0.0) for each in several) / len(several) for piece in keys}


def _keeps(use: Use) -> bool:
    return use.before.kind in {"linear", "sum"} or getattr(use.before.activation, "name", "") in _KEEPS


def slopes_of(piece: Piece, one: Found, seen: Sequence[Seen], powers: Sequence[Powers], statistic: Statistic) -> Powers:
    """By how much the logarithm of a figure changes with those of the sought factors, on the way to its target.

    ``powers`` are those of its uses, in the order in which they were seen, each in all lanes.
    """
    lanes, rest = divmod(len(seen), max(1, len(powers)))
    if rest or not lanes:
        return {piece: 1.0}
    terms = [
        (math.log(figure / one.target), sum(each.values()), each, figures.count)
        for each, figures in zip((each for each in powers for _ in range(lanes)), seen, strict=True)
        if 0 < (figure := spread_of([figures], statistic).at(one.factor)) < math.inf
    ]
    if not terms:
        return {piece: 1.0}
    step = _step([(figure, power, count) for figure, power, _, count in terms])
    weights = [count * math.exp(min(2 * (figure + power * step), _MOST)) for figure, power, _, count in terms]
    every = {key: 0.0 for _, _, each, _ in terms for key in each}
    for weight, (_, _, each, _) in zip(weights, terms, strict=True):
        for key, power in each.items():
            every[key] += power * weight / sum(weights)
    off = _log_rms([(figure, power, count) for figure, power, _, count in terms], 0.0)
    along = -off / step / sum(every.values()) if abs(step) > _LITTLE else 1.0
    return {key: power * along for key, power in every.items()}


def _step(terms: Sequence[tuple[float, float, int]]) -> float:
    """The step of all factors after which the figure is right."""
    low, high = (-_MOST, 0.0) if _log_rms(terms, 0.0) > 0 else (0.0, _MOST)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _log_rms(terms, middle) > 0 else (middle, high)
    return (low + high) / 2


def _log_rms(terms: Sequence[tuple[float, float, int]], step: float) -> float:
    """The logarithm of the root mean square, all factors multiplied by the exponential of a step."""
    logs = [(2 * (figure + power * step), count) for figure, power, count in terms]
    largest = max(each for each, _ in logs)
    return (
        largest
        + math.log(sum(count * math.exp(each - largest) for each, count in logs) / sum(count for _, count in logs))
    ) / 2
