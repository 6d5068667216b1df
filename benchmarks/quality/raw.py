"""Raw words on standard output, for batteries that read them there."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING

from initium.random import Stream
from quality import words

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDLESS = 1 << 62


def source(seed: int, name: str, length: int | None) -> Iterator[words.Words]:
    """One stream, or the beginnings of the streams of ``layers.0.weight``, ``layers.1.weight``, ... one after another."""
    if length is None:
        return itertools.chain.from_iterable(
            words.long(Stream(seed).child(name), 1 << 30, start=at) for at in range(0, ENDLESS, 1 << 30)
        )
    return words.short((Stream(seed).child(f"layers.{i}.weight") for i in itertools.count()), length)


def write(chunks: Iterator[words.Words], count: int) -> int:
    """Little-endian words until ``count`` is reached (never, if it is negative) or the reader has enough."""
    left = count if count >= 0 else ENDLESS
    try:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk[:left].astype("<u4", copy=False).data)
            left -= len(chunk)
            if left <= 0:
                break
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The interpreter flushes once more at its end: give it a place where that succeeds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
