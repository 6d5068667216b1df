"""A table in plain text: columns that line up, and notes below."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME, _PAGE = 44, 120


def table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines: the first column to the left, figures to the right, and the last column's text wrapped."""
    every = [headers, *cells]
    widths = [max(len(each[place]) for each in every) for place in range(len(headers) - 1)]
    for each in every:
        lead = each[0].ljust(widths[0])
        lead += "".join(f"  {part.rjust(width)}" for part, width in zip(each[1:-1], widths[1:], strict=True)) + "  "
        yield from textwrap.wrap(each[-1], _PAGE, initial_indent=lead, subsequent_indent=" " * len(lead)) or [lead]


def note(text: str) -> str:
    """A note, as wide as the table."""
    return textwrap.fill(f"note: {text}", _PAGE, subsequent_indent="      ", break_long_words=False)


def named(name: str, part: str) -> str:
    """A name and its part; a long one keeps its end, by which its neighbours differ."""
    whole = f"{name} [{part}]" if part else name
    return whole if len(whole) <= _NAME else f"...{whole[3 - _NAME :]}"


def number(value: float | None) -> str:
    """Four figures, or a dash for none."""
    return "-" if value is None or value != value else f"{value:.4g}"  # noqa: PLR0124 - NaN is the one that is not itself
