"""A progress bar for what takes many passes; nothing is shown where nobody watches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextlib.contextmanager
def progress(title: str, total: int | None) -> Generator[Callable[[str], None]]:
    """Gives what is called after each step with a few words on how it stands; the bar is gone when it is done.

    Without a total it only shows that something is going on.
    """
    from rich.console import Console  # noqa: PLC0415 - rich is loaded when something is shown
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=total)

        def step(words: str) -> None:
            bars.update(task, advance=1, description=f"{title}  {words}")

        yield step
