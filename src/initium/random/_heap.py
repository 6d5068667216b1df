"""What was freed goes back to the system: an allocator keeps it, in pieces that large tensors do not fit into."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def hand_back() -> None:
    """Gives what was freed back to the system, from the heaps of all threads; glibc alone has to be asked.

    Matrices are drawn in float64 by several threads, each with a heap of its own. What they leave there stays the process's,
    and another thread cannot use it.

    Example:
        >>> import torch
        >>> from initium.random import Stream, hand_back, orthogonal_
        >>> _ = orthogonal_(torch.empty(256, 256), Stream(0).child("w"))
        >>> hand_back()
    """
    _trim()(0)


@cache
def _trim() -> Callable[[int], Any]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another library, or a system whose programs have no names
        return lambda _: None
