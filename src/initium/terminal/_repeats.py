"""Rows of a table that differ in one index of a dotted name, as one row."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = re.compile("0|[1-9][0-9]*")
_RUN = 3

Row = tuple[str, ...]


def merged(rows: Sequence[Row]) -> list[Row]:
    """Rows whose other cells agree and whose names differ in one index, each where the first of them stood."""
    made = [(tuple(row[0].split(".")), row[1:]) for row in rows]
    # One place after another: blocks that hold blocks become `layers.{0..11}.experts.{0..7}.weight`.
    for place in range(max((len(parts) for parts, _ in made), default=0)):
        made = _merged_at(place, made)
    return [(".".join(parts), *rest) for parts, rest in made]


def _merged_at(place: int, rows: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    groups: dict[tuple[Row, Row | None, Row], list[Row]] = {}
    for parts, rest in rows:
        # A bare number is a figure, not a name with an index.
        indexed = len(parts) > max(1, place) and _INDEX.fullmatch(parts[place])
        key = (parts[:place], parts[place + 1 :], rest) if indexed else (parts, None, rest)
        groups.setdefault(key, []).append(parts)
    return [(_name(place, alike), key[-1]) for key, alike in groups.items()]


def _name(place: int, alike: list[Row]) -> Row:
    first = alike[0]
    if len(alike) == 1:
        return first
    return (*first[:place], f"{{{_spelled(sorted({int(each[place]) for each in alike}))}}}", *first[place + 1 :])


def _spelled(indices: list[int]) -> str:
    """``0..11``, with a step ``0..10..2``, else numbers and runs: ``0,2..5``."""
    steps = {after - before for before, after in pairwise(indices)}
    if len(indices) >= _RUN and len(steps) == 1 and steps != {1}:
        return f"{indices[0]}..{indices[-1]}..{steps.pop()}"
    return ",".join(_runs(indices))


def _runs(indices: list[int]) -> list[str]:
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [each for run in runs for each in ([f"{run[0]}..{run[-1]}"] if len(run) >= _RUN else map(str, run))]
