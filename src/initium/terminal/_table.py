"""A table as plain text."""

from __future__ import annotations

import re
import shutil
import sys
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"[-+]?(\d[\d,_]*\.?\d*|\.\d+|inf|nan)(e[-+]?\d+)?\s?%?x?", re.IGNORECASE)
_UNLIMITED = 10_000
_LEAST = 8  # rich cuts cells away in columns much narrower than this
_BLANK = frozenset({"", "-"})


def table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", width: int | None = None
) -> str:
    """A table as plain text, without colour; a column of numbers is set to the right.

    A cell that is too wide for the table goes on in the next line: nothing is cut away.

    Args:
        headers: One title a column.
        rows: One value a column in each; shown by ``str``.
        title: A line above the table.
        width: Columns of text; ``None`` for the terminal's width, or, where there is no terminal, as wide as needed.
            A table is never narrower than 8 a column.

    Returns:
        The lines, joined; no newline at the end.

    Example:
        >>> print(table(["name", "std"], [["first", 0.5], ["second", 12.25]]))
        name       std
        ──────────────
        first      0.5
        second   12.25
    """
    from rich import box  # noqa: PLC0415 - rich is loaded when something is shown
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    cells = [[str(cell) for cell in row] for row in rows]
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=False)
    for index, header in enumerate(headers):
        column = [row[index] for row in cells]
        made.add_column(Text(header), justify="right" if _numeric(column) else "left", overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    out = StringIO()
    console = Console(
        file=out, width=max(_width(width), _LEAST * len(headers)), color_system=None, legacy_windows=False
    )
    console.print(made)
    lines = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
    return "\n".join([title, "", *lines] if title else lines)


def _numeric(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if cell not in _BLANK]
    return bool(filled) and all(_NUMBER.fullmatch(cell) for cell in filled)


def _width(width: int | None) -> int:
    if width is not None:
        return width
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED
