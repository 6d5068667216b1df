"""Rows of a table that differ in one index of a dotted name, as one row."""

from __future__ import annotations

import math
import re
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_INDEX = re.compile("0|[1-9][0-9]*")
_RUN = 3

Row = tuple[str, ...]


class _Item(NamedTuple):
    """A row on its way: the parts of its name, the cells that must agree, and what each other column has so far."""

    parts: Row
    rest: Row
    figures: tuple[Row, ...]


def merged(rows: Sequence[Row], ranged: Collection[int] = ()) -> list[Row]:
    """Rows whose other cells agree and whose names differ in one index, each where the first of them stood.

    Cells of the columns in ``ranged`` need not agree: they become their least and their largest figure, ``0.5..0.7``.
    """
    made = [_item(row, ranged) for row in rows]
    # One place after another: blocks that hold blocks become `layers.{0..11}.experts.{0..7}.weight`.
    for place in range(max((len(each.parts) for each in made), default=0)):
        made = _merged_at(place, made)
    return [_row(each, ranged) for each in made]


def _item(row: Row, ranged: Collection[int]) -> _Item:
    rest = tuple(cell for column, cell in enumerate(row) if column and column not in ranged)
    return _Item(tuple(row[0].split(".")), rest, tuple((row[column],) for column in sorted(ranged)))


def _row(item: _Item, ranged: Collection[int]) -> Row:
    rest, figures = iter(item.rest), iter(item.figures)
    columns = range(1, 1 + len(item.rest) + len(item.figures))
    return (".".join(item.parts), *(_range(next(figures)) if each in ranged else next(rest) for each in columns))


def _range(cells: Row) -> str:
    """The least and the largest, NaN above all; what is no figure says nothing beside one."""
    numbers = sorted((math.isnan(number), number, cell) for cell in cells if (number := _figure(cell)) is not None)
    if not numbers:
        return cells[0]
    low, high = numbers[0][-1], numbers[-1][-1]
    return low if low == high else f"{low}..{high}"


def _figure(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _merged_at(place: int, rows: list[_Item]) -> list[_Item]:
    groups: dict[tuple[Row, Row | None, Row], list[_Item]] = {}
    for each in rows:
        parts = each.parts
        # A bare number is a figure, not a name with an index.
        indexed = len(parts) > max(1, place) and _INDEX.fullmatch(parts[place])
        key = (parts[:place], parts[place + 1 :], each.rest) if indexed else (parts, None, each.rest)
        groups.setdefault(key, []).append(each)
    return [
        _Item(_name(place, [each.parts for each in alike]), key[-1], _joined(alike)) for key, alike in groups.items()
    ]


def _joined(alike: list[_Item]) -> tuple[Row, ...]:
    columns = zip(*(each.figures for each in alike), strict=True)
    return tuple(tuple(chain.from_iterable(column)) for column in columns)


def _name(place: int, alike: list[Row]) -> Row:
    first = alike[0]
    if len(set(alike)) == 1:
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
