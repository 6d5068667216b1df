"""What a draw checks before it begins: the stream and the place in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]  no public name does it

from initium import checks
from initium.errors import ArgumentError, ArgumentTypeError
from initium.random._stream import UNNAMED, Stream

if TYPE_CHECKING:
    from typing import SupportsIndex


def named(stream: object) -> Stream:
    """Refuse what is no stream, and a stream with no name."""
    if not isinstance(stream, Stream):
        raise ArgumentTypeError(
            f"randomness comes from a Stream; got {stream!r} of type {type(stream).__name__}. "
            'Use `Stream(seed).child("layers.0.weight")`.'
        )
    if stream.name is None:
        raise ArgumentError(UNNAMED)
    return stream


def index(start: SupportsIndex, count: int) -> int:
    """The flat index of the first element."""
    if type(start) is int and start == 0:
        return 0
    first = checks.integer(start, "start (the flat index of the first element)")
    if not 0 <= first <= (1 << 63) - 1 - count:
        raise ArgumentError(f"start must lie in [0, 2**63) together with its {count} elements; got {first}.")
    return first


def place(device: object) -> torch.device:
    """The device of that name, if this machine has it."""
    try:
        found = torch.device(cast("str", device))
        with _disable_current_modes():
            torch.empty(0, device=found)
    except (RuntimeError, TypeError, AssertionError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise ArgumentError(
            f"{device!r} is no device of this machine: {reason}. Use `cpu`, then `.to(...)`."
        ) from error
    return found
