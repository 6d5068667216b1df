"""Long work by several threads, a piece each at a time: no value depends on who writes it."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from contextlib import AbstractContextManager

# Elements. For fewer than the least another thread is not worth waking; the most lets an interrupt in after milliseconds.
LEAST, MOST = 1 << 15, 1 << 20
ALONE = 2 * LEAST
# The least normal number, and what makes it a subnormal one.
TINY, HALF = 2.0**-1022, 0.5


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay, started as they are needed: to start one takes longer than a small fill."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="initium")


class _Forked:
    """Whether this process is a fork of another, whose threads it thinks it has."""

    yes = False


def _forked() -> None:
    _pool.cache_clear()
    _Forked.yes = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def unsplit_if_forked() -> AbstractContextManager[None]:
    """In the child of a fork, torch splits no operation meanwhile: OpenMP would wait for ever for the parent's threads."""
    return _unsplit() if _Forked.yes else nullcontext()


@contextmanager
def _unsplit() -> Generator[None]:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


def share(work: Callable[[int, int], None], count: int) -> None:
    """Call ``work(at, length)`` until all of ``count`` is done, by as many threads as torch uses."""
    if count < ALONE:
        work(0, count)
        return
    threads = min(torch.get_num_threads(), count // LEAST)
    piece = min(MOST, -(-count // (4 * threads)) * 4)
    spread(lambda at: work(at, min(piece, count - at)), range(0, count, piece), threads)


def spread(work: Callable[[int], None], parts: Iterable[int], threads: int) -> None:
    """Call ``work`` on each part, the first ones first, by so many threads, the calling one among them.

    On an error or an interrupt no further part is begun, and none is still being worked on when it is raised.
    """
    flushes = TINY * HALF == 0.0
    left, busy, errors = deque(parts), set[Lock](), list[BaseException]()

    def take() -> None:
        while True:
            try:
                part = left.popleft()
            except IndexError:
                return
            work(part)

    def help_out() -> None:
        mine = Lock()
        mine.acquire()
        busy.add(mine)  # before a part is taken: who finds none left need not be waited for
        try:
            torch.set_flush_denormal(flushes)  # a thread's own, and it decides bits near 1e-38
            take()
        except BaseException as error:  # noqa: BLE001  the caller raises it
            errors.append(error)
            left.clear()
        finally:
            busy.discard(mine)
            mine.release()

    try:
        _call(help_out, threads - 1)
        take()
    finally:
        try:
            left.clear()
            _wait(busy)
        except BaseException:
            _wait(busy)
            raise
    if errors:
        raise errors[0]


def _wait(busy: set[Lock]) -> None:
    """Until nobody works any more, however often that is interrupted."""
    try:
        for each in tuple(busy):
            each.acquire()
    except BaseException:
        _wait(busy)  # who has ended meanwhile is not among them
        raise


def _call(help_out: Callable[[], None], count: int) -> None:
    """Have so many more threads help; none where Python is about to end and starts no thread any more."""
    try:
        for _ in range(count):
            _pool().submit(help_out)
    except RuntimeError:
        return
