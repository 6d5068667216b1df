"""The peak of this process's own resident memory, on Linux; getrusage would count what it was started from."""

from __future__ import annotations

import gc
from pathlib import Path

from initium.random import hand_back

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forgotten() -> int | None:
    """Forget the peak so far; the bytes that are resident now, or None where nobody tells.

    What was freed and kept by the allocator goes back first: else a call is charged less, the more of it there happens to be.
    """
    if not RESET.exists():
        return None
    gc.collect()
    hand_back()
    RESET.write_text("5")
    return peak()


def peak() -> int:
    """The most bytes since the peak was last forgotten."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
