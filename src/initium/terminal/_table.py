"""A table as plain text."""

from __future__ import annotations

import re
import textwrap
from io import StringIO
from typing import TYPE_CHECKING

from initium.terminal._repeats import merged
from initium.terminal._show import columns, speaks_unicode
from initium.terminal._text import cells

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from initium.terminal._repeats import Row

_FIGURE = r"[-+]?(\d[\d,_]*(\.(?!\.)\d*)?|\.\d+|inf|nan)(e[-+]?\d+)?"
_NUMBER = re.compile(rf"{_FIGURE}(\.\.{_FIGURE})?\s?%?x?", re.IGNORECASE)
_UNLIMITED = 10_000
_GAP, _CLOSE = 3, 2
_LEAST = 5  # rich cuts text away in columns much narrower than this
_BLANK = frozenset({"", "-"})
_MOST = 20  # longer than this, and repeated blocks are worth one row
_PROSE = 24  # columns of text from which on it is read as a sentence
_MARK = "*"


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    width: int | None = None,
    ranged: Collection[str] = (),
) -> str:
    """A table as plain text, without colour; a column of numbers is set to the right.

    Nothing is cut away. Where a width bounds the table:

    - Of more than 20 rows, those that differ in one index of a dotted name are one: ``layers.{0..11}.weight``.
    - A table that is too wide sends the sentences of its last column below, each once, with a number in their place.
    - What is still too wide goes on in the next line; if that would break the names, each stands on a line of its own.

    Args:
        headers: One title a column.
        rows: One value a column in each; shown by ``str``.
        title: A line above the table.
        width: Columns of text; ``None`` for the terminal's width, or, where there is no terminal, as wide as needed and
            every row for itself.
        ranged: Headers of columns of figures that need not agree for rows to be one: it has ``least..largest`` there.

    Returns:
        The lines, joined; no newline at the end. In ASCII where standard output knows nothing else.

    Example:
        >>> print(table(["name", "std"], [["first", 0.5], ["second", 12.25]]))
        name       std
        ──────────────
        first      0.5
        second   12.25
    """
    heads, body = tuple(headers), [tuple(str(cell) for cell in row) for row in rows]
    room = columns() if width is None else width
    lines = _drawn(heads, body, _UNLIMITED, _GAP) if room is None else _fitted(heads, body, room, ranged)
    if not speaks_unicode():
        lines = [line.replace("─", "-") for line in lines]
    return "\n".join([title, "", *lines] if title else lines)


def _fitted(heads: Row, rows: list[Row], width: int, ranged: Collection[str]) -> list[str]:
    rows = merged(rows, {place for place, head in enumerate(heads) if head in ranged}) if len(rows) > _MOST else rows
    if _needed(heads, rows, _GAP) <= width:
        return _drawn(heads, rows, width, _GAP)
    heads, rows, notes = _footnoted(heads, rows)
    below = [line for note in notes for line in textwrap.wrap(note, width, subsequent_indent="  ") or [""]]
    # A cell of more than one line reads well while it keeps half of its width.
    excess = _needed(heads, rows, _CLOSE) - width
    gentle = len(heads) == 1 or 2 * excess <= max(_widths(heads, rows)[1:])
    return [*(_drawn if gentle else _headed)(heads, rows, width, _CLOSE), *below]


def _footnoted(heads: Row, rows: list[Row]) -> tuple[Row, list[Row], list[str]]:
    """The sentences of the last column by number, where they repeat."""
    texts = list(dict.fromkeys(row[-1] for row in rows))
    if len(texts) == len(rows) or max(map(cells, texts)) < _PROSE:
        return heads, rows, []
    numbers = {text: str(place) for place, text in enumerate(texts, 1)}
    notes = ["", f"{_MARK} {heads[-1]}", *(f"{number} {text}" for text, number in numbers.items())]
    return (*heads[:-1], _MARK), [(*row[:-1], numbers[row[-1]]) for row in rows], notes


def _headed(heads: Row, rows: list[Row], width: int, gap: int) -> list[str]:
    """The first cell of each row on a line above the others."""
    below = [(_MARK, *row[1:]) for row in rows]
    firsts = iter([heads[0], *(row[0] for row in rows)])

    def lines() -> Iterator[str]:
        for line in _drawn((_MARK, *heads[1:]), below, width, gap):
            if line.startswith(_MARK):
                yield from textwrap.wrap(next(firsts), width, break_on_hyphens=False)
            yield f" {line[1:]}".rstrip() if line.startswith(_MARK) else line

    return list(lines())


def _drawn(heads: Row, rows: list[Row], width: int, gap: int) -> list[str]:
    from rich import box  # noqa: PLC0415 - rich is loaded when something is shown
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=False, collapse_padding=gap == _CLOSE)
    for index, head in enumerate(heads):
        side = "right" if _numeric([row[index] for row in rows]) else "left"
        made.add_column(Text(head), justify=side, overflow="fold", no_wrap=index == 0 and len(heads) > 1)
    for row in rows:
        made.add_row(*map(Text, row))
    least = sum(min(each, _LEAST) for each in _widths(heads, rows)) + gap * (len(heads) - 1)
    out = StringIO()
    Console(file=out, width=max(width, least), color_system=None, legacy_windows=False).print(made)
    return [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]


def _widths(heads: Row, rows: list[Row]) -> list[int]:
    return [max(map(cells, column)) for column in zip(heads, *rows, strict=True)]


def _needed(heads: Row, rows: list[Row], gap: int) -> int:
    return sum(_widths(heads, rows)) + gap * (len(heads) - 1)


def _numeric(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if cell not in _BLANK]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)
