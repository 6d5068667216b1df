"""What a draw checks before it begins: the stream and the place in it."""

from __future__ import annotations

from initium.errors import ArgumentError, ArgumentTypeError
from initium.random._stream import Stream


def named(stream: object) -> Stream:
    """Refuse what is no stream, and a stream with no name."""
    if not isinstance(stream, Stream):
        raise ArgumentTypeError(
            f"randomness comes from a Stream; got {stream!r} of type {type(stream).__name__}. "
            'Use `Stream(seed).child("layers.0.weight")`.'
        )
    _ = stream.key
    return stream


def index(start: int, count: int) -> int:
    """The flat index of the first element."""
    if isinstance(start, bool) or not isinstance(start, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(f"start is the flat index of the first element, an int; got {start!r}.")
    if not 0 <= start <= (1 << 63) - 1 - count:
        raise ArgumentError(f"start must lie in [0, 2**63) together with its {count} elements; got {start}.")
    return start
