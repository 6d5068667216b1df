"""Where a demo is shown; the command line gives one that knows colours and progress bars."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from initium.terminal import Line, plain, wrapped

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Tick: TypeAlias = Callable[[], None]


class Stage(Protocol):
    """What a demo needs of a place to be shown."""

    ascii_only: bool
    width: int

    def say(self, lines: tuple[Line, ...]) -> None:
        """Shows some lines; a paragraph that is too long for the width is wrapped."""
        ...

    def progress(self, title: str, total: int) -> AbstractContextManager[Tick]:
        """A progress bar; each call of what it gives is one step."""
        ...


class Recorder:
    """A stage that remembers the text.

    Example:
        >>> from initium.terminal import Span
        >>> stage = Recorder()
        >>> stage.say(((Span("healthy"),),))
        >>> stage.text
        'healthy'
    """

    ascii_only = False
    width = 80

    def __init__(self) -> None:
        self.text = ""

    def say(self, lines: tuple[Line, ...]) -> None:
        """Remembers some lines."""
        self.text += ("\n" if self.text else "") + plain(wrapped(lines, self.width))

    def progress(self, title: str, total: int) -> AbstractContextManager[Tick]:  # noqa: ARG002 - nothing is shown
        """Counts nothing."""
        return contextlib.nullcontext(lambda: None)
