"""A terminal as the demo's stage: colours and a progress bar where there is one, plain text where there is none."""

from __future__ import annotations

import contextlib
import sys
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from initium.terminal import on_console, page, show, speaks_unicode, wrapped

if TYPE_CHECKING:
    from collections.abc import Generator

    from initium.demo import Tick
    from initium.terminal import Line


class TerminalStage:
    """Shows lines as they come, and remembers them for a picture."""

    def __init__(self) -> None:
        self.ascii_only = not speaks_unicode(sys.stdout)
        self.width = page(sys.stdout)
        self._recorded = Console(
            record=True,
            width=self.width,
            file=StringIO(),
            force_terminal=True,
            color_system="truecolor",
            legacy_windows=False,
        )

    def say(self, lines: tuple[Line, ...]) -> None:
        """Shows some lines."""
        fitting = wrapped(lines, self.width)
        show(fitting, sys.stdout)
        sys.stdout.flush()
        on_console(fitting, self._recorded)

    @contextlib.contextmanager
    def progress(self, title: str, total: int) -> Generator[Tick, None, None]:
        """A progress bar that is gone when it is done; none where nobody watches."""
        console = Console(file=sys.stderr)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
            task = bars.add_task(title, total=total)
            yield lambda: bars.advance(task)

    def picture(self, title: str) -> str:
        """Everything that was shown, as SVG."""
        return self._recorded.export_svg(title=title)
