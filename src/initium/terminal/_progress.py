"""How far a long step has come."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from initium.terminal._show import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextlib.contextmanager
def progress(title: str, total: int | None) -> Generator[Callable[[str], None]]:
    """A progress bar on standard error that is gone when it is done; none where nobody watches.

    Args:
        title: What is done.
        total: How many steps there are; without a number the bar only shows that something goes on.

    Yields:
        A function to call after each step, with a few words on how it stands, or none.

    Example:
        >>> with progress("weights", 2) as tick:
        ...     tick("0.weight")
    """
    if columns(sys.stderr) is None:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich is loaded when something is shown in colour
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(file=sys.stderr), transient=True) as bars:
        task = bars.add_task(title, total=total)
        yield lambda words: bars.update(task, advance=1, description=f"{title}  {words}".rstrip())
