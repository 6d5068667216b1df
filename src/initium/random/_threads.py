"""Long work by several threads, a piece each at a time: no value depends on who writes it."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Elements. For fewer than the least another thread is not worth waking; the most lets an interrupt in after milliseconds.
LEAST, MOST = 1 << 15, 1 << 20
ALONE = 2 * LEAST


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay, started as they are needed: to start one takes longer than a small fill."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="initium")


if hasattr(os, "register_at_fork"):
    # A child process has the pool and none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


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
    left = deque(parts)

    def take() -> None:
        while True:
            try:
                part = left.popleft()
            except IndexError:
                return
            work(part)

    helpers: list[Future[None]] = []
    try:
        _call(helpers, take, threads - 1)
        take()
    finally:
        left.clear()
        wait(helpers)
    for helper in helpers:
        helper.result()


def _call(helpers: list[Future[None]], take: Callable[[], None], count: int) -> None:
    """Have so many more threads take pieces; none where Python is about to end and starts no thread any more."""
    try:
        helpers.extend(_pool().submit(take) for _ in range(count))
    except RuntimeError:
        return
