"""Lines of styled text: what a room says, before anybody knows where it is shown."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Span:
    """Some text in one style; the text is shown as it stands, whatever brackets it holds.

    Attributes:
        text: The text, without line breaks.
        style: A style of rich, such as ``bold red``; empty for none.

    Example:
        >>> Span("[red]", "bold").text
        '[red]'
    """

    text: str
    style: str = ""


Line: TypeAlias = tuple[Span, ...]
"""Spans side by side."""


def plain(lines: tuple[Line, ...]) -> str:
    r"""Lines as text, without style.

    Args:
        lines: The lines.

    Returns:
        The text; no space at the end of a line, no newline at the end.

    Example:
        >>> plain(((Span("a", "red"), Span(" b")), (Span("c"),)))
        'a b\nc'
    """
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)


def paragraph(head: Span, text: str, width: int, indent: int, style: str = "") -> tuple[Line, ...]:
    """A text that is wrapped beside its head.

    Args:
        head: What stands in the margin of the first line.
        text: The text.
        width: Columns of the whole.
        indent: Columns of the margin.
        style: The text's style.

    Returns:
        The lines.

    Example:
        >>> print(plain(paragraph(Span("cure"), "sleep more", 12, 6)))
        cure  sleep
              more
    """
    wrapped = textwrap.wrap(text, width - indent, break_on_hyphens=False) or [""]
    margins = [Span(head.text.ljust(indent), head.style), *[Span(" " * indent)] * (len(wrapped) - 1)]
    return tuple((margin, Span(piece, style)) for margin, piece in zip(margins, wrapped, strict=True))


def as_ascii(line: Line) -> Line:
    """A line for a terminal that knows nothing but ASCII; what it does not know is a question mark.

    Args:
        line: Any.

    Returns:
        The same spans.

    Example:
        >>> as_ascii((Span("naïve"),))[0].text
        'na?ve'
    """
    return tuple(Span(span.text.encode("ascii", "replace").decode("ascii"), span.style) for span in line)


def wrapped(lines: tuple[Line, ...], width: int) -> tuple[Line, ...]:
    """Lines that fit a page: a text that is too long, alone or beside its head, goes on below; a drawn line stays whole.

    Args:
        lines: The lines.
        width: Columns of the page.

    Returns:
        The lines.

    Example:
        >>> print(plain(wrapped(((Span("sleep more"),), (Span("a ", "red"), Span("bed now"))), 6)))
        sleep
        more
        a bed
          now
    """
    made: list[Line] = []
    for line in lines:
        match line if sum(cells(span.text) for span in line) > width else ():
            case (text,):
                made += paragraph(Span(""), text.text, width, 0, text.style)
            case (head, text):
                made += paragraph(head, text.text, width, cells(head.text), text.style)
            case _:
                made.append(line)
    return tuple(made)


def cells(text: str) -> int:
    """Columns that a text takes in a terminal: an ideograph takes two.

    Args:
        text: The text, of one line.

    Returns:
        The columns.

    Example:
        >>> cells("layer"), cells("層")
        (5, 2)
    """
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - rich is loaded when something is shown

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """A text with spaces behind it, up to a width.

    Args:
        text: The text.
        width: Columns.

    Returns:
        The text, ``width`` columns wide or more.

    Example:
        >>> padded("層", 4) + "|"
        '層  |'
    """
    return text + " " * (width - cells(text))


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """A text that fits, cut in the middle: both ends of a qualified name say where it is.

    Args:
        text: The text.
        width: Columns that it may take.
        ellipsis: What stands for the part that is cut.

    Returns:
        The text, at most ``width`` columns wide.

    Example:
        >>> shorten("encoder.layers.11.mlp.fc1.weight", 16)
        'encoder…1.weight'
    """
    if cells(text) <= width:
        return text
    left = (width - len(ellipsis)) // 2
    right = width - left - len(ellipsis)
    return _fitting(text, left) + ellipsis + _fitting(text[::-1], right)[::-1]


def _fitting(text: str, width: int) -> str:
    """The longest beginning that fits."""
    end = min(len(text), width)
    while cells(text[:end]) > width:
        end -= 1
    return text[:end]
