"""Lines to a stream: with colour in a terminal, as plain text anywhere else; and what a stream can take."""

from __future__ import annotations

import codecs
import re
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from initium.terminal._text import Span, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.text import Text

    from initium.terminal._text import Line

_NARROWEST, _WIDEST = 60, 80
_DRAWN = "█▏⋮…●─"
# A name may hold anything: an escape would reach the reader's terminal, and rich and a pipe would differ.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def speaks_unicode(file: TextIO | None = None) -> bool:
    """Whether a stream can take the characters that pictures are drawn with.

    Args:
        file: The stream; ``None`` for standard output.

    Returns:
        False where its encoding has no blocks.

    Example:
        >>> import io
        >>> speaks_unicode(io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
        False
    """
    try:
        _DRAWN.encode(_encoding(file or sys.stdout))
    except UnicodeEncodeError:
        return False
    return True


def columns(file: TextIO | None = None) -> int | None:
    """How wide the terminal is that a stream leads to.

    Args:
        file: The stream; ``None`` for standard output.

    Returns:
        The columns; ``None`` where the stream is no terminal.

    Example:
        >>> import io
        >>> columns(io.StringIO()) is None
        True
    """
    stream = file or sys.stdout
    watched = hasattr(stream, "isatty") and stream.isatty()
    return shutil.get_terminal_size().columns if watched else None


def page(file: TextIO | None = None) -> int:
    """Columns that a page is drawn in: the terminal's, but 60 or more, and 80 or fewer, where a line is read best.

    Args:
        file: The stream; ``None`` for standard output.

    Returns:
        The columns; 80 where the stream is no terminal.

    Example:
        >>> import io
        >>> page(io.StringIO())
        80
    """
    return min(_WIDEST, max(_NARROWEST, columns(file) or _WIDEST))


def write(text: str, file: TextIO | None = None) -> None:
    """Writes a text and a line break; what the stream's encoding has no character for becomes a question mark.

    Args:
        text: The text, of one line or several.
        file: The stream; ``None`` for standard output.

    Example:
        >>> write("healthy")
        healthy
    """
    stream = file or sys.stdout
    stream.write(_legible(text, stream) + "\n")


def _encoding(stream: TextIO) -> str:
    try:
        return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name
    except LookupError:
        return "ascii"


def _legible(text: str, stream: TextIO) -> str:
    encoding = _encoding(stream)
    return _CONTROL.sub("?", text).encode(encoding, "replace").decode(encoding)


def fitting(lines: Callable[..., tuple[Line, ...]], file: TextIO | None = None) -> tuple[Line, ...]:
    """What is drawn, for a stream: in its characters and as wide as its page.

    Args:
        lines: Draws, given ``ascii_only`` and ``width``.
        file: The stream; ``None`` for standard output.

    Returns:
        The lines.

    Example:
        >>> import io
        >>> fitting(lambda *, ascii_only, width: ((Span("~" if ascii_only else "-" * width),),), io.StringIO())[0][0].text[:3]
        '---'
    """
    return lines(ascii_only=not speaks_unicode(file), width=page(file))


def show(lines: tuple[Line, ...], file: TextIO | None = None) -> None:
    """Writes lines to a stream.

    Args:
        lines: The lines.
        file: The stream; ``None`` for standard output.

    Example:
        >>> from initium.terminal import Span
        >>> show(((Span("healthy", "green"),),))
        healthy
    """
    stream = file or sys.stdout
    if columns(stream) is None:
        write(plain(lines), stream)
        return
    from rich.console import Console  # noqa: PLC0415 - rich is loaded when something is shown in colour

    legible = tuple(tuple(Span(_legible(span.text, stream), span.style) for span in line) for line in lines)
    on_console(legible, Console(file=stream, highlight=False))


def on_console(lines: tuple[Line, ...], console: Console) -> None:
    """Prints lines on a console of rich.

    Args:
        lines: The lines.
        console: Where they are shown.
    """
    for line in lines:
        console.print(_styled(line), no_wrap=True, crop=False, soft_wrap=True, highlight=False)


def _styled(line: Line) -> Text:
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text.assemble(*((span.text, span.style) for span in line))
