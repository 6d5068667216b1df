"""Which layers belong together: the blocks of a model, and the layers of a finding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import Finding, Signal

_LEVELS = 3
_FEWEST, _MOST = 3, 60


@dataclass(frozen=True, slots=True)
class Stretch:
    """Places side by side, from 1: the first and the last."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a finding.

    Attributes:
        places: All of them, from 1, in execution order.
        first: Where the finding begins; 0 where it speaks of no layer.
        runs: The same places as stretches.
    """

    places: tuple[int, ...]
    first: int
    runs: tuple[Stretch, ...]


def blocks(signal: Signal) -> tuple[Stretch, ...]:
    """Every second block of layers; a block is what shares a name up to a number in it.

    Of the numbers in the names the first is taken that makes a few blocks of several layers; none where there is no such.
    """
    names = [row.name.split(".") for row in signal.rows]
    for level in range(_LEVELS):
        found = _runs([_block(parts, level) for parts in names])
        if _FEWEST <= len(found) <= min(_MOST, len(names) // 2):
            return found[1::2]
    return ()


def layers(finding: Finding, signal: Signal) -> Layers:
    """The rows that a finding speaks of."""
    named = set(finding.layers)
    held = [row.name in named for row in signal.rows]
    places = tuple(place for place, there in enumerate(held, start=1) if there)
    begins = (place for place in places if signal.rows[place - 1].name == finding.begins)
    first = next(begins, places[0] if places else 0)
    return Layers(places, first, tuple(run for run in _runs(held) if held[run.first - 1]))


def _runs(keys: Sequence[object]) -> tuple[Stretch, ...]:
    """Each stretch of equal keys."""
    grouped = groupby(enumerate(keys, start=1), key=lambda each: each[1])
    places = ([place for place, _ in members] for _, members in grouped)
    return tuple(Stretch(each[0], each[-1]) for each in places)


def _block(parts: list[str], level: int) -> str:
    """The name up to its number of that level, from 0; up to the last one where it has fewer."""
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    end = numbers[min(level, len(numbers) - 1)] if numbers else 0
    return ".".join(parts[: end + 1])
