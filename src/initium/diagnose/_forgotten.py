"""Weights that nothing reads: forgotten, or there for another occasion.

A layer that its author forgot to call has as many outputs as inputs, alone or with those that were forgotten beside it: else the
layer behind it would have refused what it was given. A head of another loss narrows, and is not meant. Nor is a part of two weights
or more that the blocks of a stack all have and none calls, which is no slip but another mode (cross-attention without an encoder);
and nothing is said where the model asked a tensor for a value, since its way may have followed from the answer (a branch that this
batch does not take).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from initium.network import Facts, Network

_MATRIX, _SEVERAL = 2, 2


def forgotten(network: Network) -> set[str]:
    """The names of the weights that nothing reads and that look forgotten."""
    if network.trace is None or network.trace.asks:
        return set()
    weights = [facts for facts in network.parameters if len(facts.shape) >= _MATRIX]
    idle = {facts.name for facts in weights if facts.uses == 0}
    runs = (tuple(run) for unread, run in groupby(weights, lambda facts: facts.name in idle) if unread)
    fitting = {name for run in runs for name in _fitting(run)}
    return fitting - _of_another_mode(weights, idle)


def _fitting(run: Sequence[Facts]) -> Iterator[str]:
    """Of weights in a row those that stand in a stretch with as many outputs as inputs."""
    for start, first in enumerate(run):
        stops = [stop for stop in range(start, len(run)) if run[stop].shape[0] == first.shape[1]]
        yield from (facts.name for facts in run[start : max(stops, default=-1) + 1])


def _of_another_mode(weights: Sequence[Facts], idle: AbstractSet[str]) -> set[str]:
    """What a stack's blocks all have and none calls, two weights or more in each."""
    by_place: dict[str, set[str]] = defaultdict(set)
    for facts in weights:
        by_place[_of_any_block(facts.name)].add(facts.name)
    alike = {place: names for place, names in by_place.items() if len(names) >= _SEVERAL and names <= idle}
    parts = Counter(_stack(place) for place in alike)
    return {name for place, names in alike.items() if parts[_stack(place)] >= _SEVERAL for name in names}


def _of_any_block(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))


def _stack(place: str) -> str:
    return place.rpartition("*")[0]
