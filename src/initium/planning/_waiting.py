"""An interrupt that comes while old values are put back waits until they are."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType


@contextlib.contextmanager
def interrupts_wait() -> Generator[None]:
    """Hands Ctrl-C to whoever handles it on leaving, however often it came.

    Values are read from a file for as long as that takes, and who waits presses again. Only the main thread hears an
    interrupt, so in another there is nothing to wait for.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def noted(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))

    signal.signal(signal.SIGINT, noted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[-1])
