"""Lines to a stream: with colour in a terminal, as plain text anywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from initium.terminal._text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from initium.terminal._text import Line

_DRAWN = "█▏⋮…●─"


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
        _DRAWN.encode(getattr(file or sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


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
    if not (hasattr(stream, "isatty") and stream.isatty()):
        stream.write(plain(lines) + "\n")
        return
    from rich.console import Console  # noqa: PLC0415 - rich is loaded when something is shown in colour

    on_console(lines, Console(file=stream, highlight=False))


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
