"""Linear algebra cut into parts that do not depend on the number of threads, each part done by one thread.

A library of linear algebra rounds a product as it splits it among threads. If it never splits one, the bits of the
result cannot depend on the threads: they are as many as torch has, and each takes whole parts.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

from initium.random._threads import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

Part = TypeVar("Part")
Done = TypeVar("Done")


class _Alone:
    """The number of threads is the process's: whoever changes it does so alone."""

    lock = threading.Lock()


def _released() -> None:
    """A child process has the lock as it was, and no thread that would open it."""
    _Alone.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_released)


class Each(Protocol):
    """A function of every part; the results come in the order of the parts."""

    def __call__(self, function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]: ...


@contextmanager
def workers() -> Generator[Each]:
    """As many threads as torch has; meanwhile torch itself splits nothing.

    torch has one number for the whole process: other threads of the program split nothing either until this is over,
    and one that uses torch for the first time meanwhile stays with one thread.
    """
    with _Alone.lock:
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            yield partial(_side_by_side, threads)
        finally:
            torch.set_num_threads(threads)


def in_turn(function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]:
    """One part after the other, in the calling thread."""
    return [function(part) for part in parts]


def _side_by_side(threads: int, function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]:
    """The modes of autograd, and what the number of threads means to OpenMP, belong to a thread: each is told."""
    inference, done = torch.is_inference_mode_enabled(), dict[int, Done]()

    def one(place: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode(inference), torch.no_grad():
            done[place] = function(parts[place])

    spread(one, range(len(parts)), min(threads, len(parts)))
    return [done[place] for place in range(len(parts))]
