"""Work cut into parts that do not depend on the number of threads, each part done by one thread.

A library of linear algebra rounds a product as it splits it among threads. If it never splits one, the bits of the
result cannot depend on the threads: they are as many as torch has, and each takes whole parts.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

Part = TypeVar("Part")
Done = TypeVar("Done")

# The number of threads is the process's: whoever changes it does so alone.
_ALONE = threading.Lock()


class Each(Protocol):
    """A function of every part; the results come in the order of the parts."""

    def __call__(self, function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]: ...


@contextmanager
def workers(parts: int) -> Generator[Each]:
    """As many threads as torch has, but no more than there are parts; meanwhile torch itself splits nothing.

    torch has one number for the whole process: other threads of the program split nothing either until this is over,
    and one that uses torch for the first time meanwhile stays with one thread.
    """
    with _ALONE:
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            if min(threads, parts) <= 1:
                yield in_turn
            else:
                # What the number of threads means to OpenMP is each thread's own: a worker says it for itself.
                with ThreadPoolExecutor(min(threads, parts), initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    yield _side_by_side(pool)
        finally:
            torch.set_num_threads(threads)


def in_turn(function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]:
    """One part after the other, in the calling thread."""
    return [function(part) for part in parts]


def _side_by_side(pool: ThreadPoolExecutor) -> Each:
    inference = torch.is_inference_mode_enabled()

    def each(function: Callable[[Part], Done], parts: Sequence[Part], /) -> list[Done]:
        # The modes of autograd belong to a thread as well.
        def one(part: Part) -> Done:
            with torch.inference_mode(inference), torch.no_grad():
                return function(part)

        return list(pool.map(one, parts))

    return each
