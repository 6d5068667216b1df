"""Interrupts, forks and the modes of a thread: what happens around a fill changes neither its bits nor the process."""

import os
import signal
import threading
import time
import weakref

import pytest
import torch

from fresh import python
from initium.random import Stream
from initium.random import _numba as numba_backend
from initium.random._laws import Normal
from initium.random._threads import MOST, share
from torch_threads import torch_threads

KEY = Stream(0).child("layers.0.weight").key
NUMBA = numba_backend.Numba()
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


SENT = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system sends no signal to a thread")


@pytest.mark.parametrize("further", [0, pytest.param(3, marks=SENT)])
def test_no_piece_is_written_after_an_interrupt_was_raised_nor_after_further_ones(further):
    writing, begun = set(), []

    def work(at, _):
        begun.append(at)
        if threading.current_thread() is threading.main_thread():
            while len(begun) < 2:
                time.sleep(0.001)
            raise KeyboardInterrupt
        writing.add(at)
        for _ in range(further):
            time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.2)
        writing.discard(at)

    with torch_threads(2), pytest.raises(KeyboardInterrupt):
        share(work, 100 * MOST)
    assert not writing
    assert len(begun) <= 3


@pytest.mark.parametrize("words", [False, True])
def test_who_still_writes_a_piece_holds_the_tensor(monkeypatch, words):
    kept = []
    monkeypatch.setattr(numba_backend, "share", lambda work, _: kept.append(work))
    out = torch.empty(10, dtype=torch.int64 if words else torch.float32)
    seen = weakref.ref(out)
    if words:
        NUMBA.words(out, KEY, 0)
    else:
        NUMBA.fill(out, KEY, 0, Normal(0.0, 1.0))
    del out
    assert seen() is not None
    kept.clear()
    assert seen() is None


def test_an_error_in_another_thread_ends_the_work():
    begun = []

    def work(at, _count):
        begun.append(at)
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError
        time.sleep(0.05)

    with torch_threads(2), pytest.raises(ZeroDivisionError):
        share(work, 100 * MOST)
    assert len(begun) <= 4


def test_a_piece_that_waits_for_a_thread_holds_nobody_up():
    """All threads of the pool are at work elsewhere: the caller does everything, and is not kept waiting."""
    free, taken = threading.Event(), []

    def elsewhere(_at, _count):
        taken.append(threading.get_ident())
        assert free.wait(20)

    threads = 1 + (os.cpu_count() or 1)
    with torch_threads(threads):
        other = threading.Thread(target=share, args=(elsewhere, 100 * MOST))
        other.start()
        while len(taken) < threads:
            time.sleep(0.001)
        done = []
        share(lambda at, _: done.append(at), 4 * MOST)
        assert not free.is_set()
        free.set()
        other.join()
    assert len(done) >= 4


def test_subnormal_values_do_not_depend_on_who_writes_them():
    def written(threads):
        with torch_threads(threads):
            out = torch.empty(1 << 22)
            NUMBA.fill(out, KEY, 0, Normal(0.0, 1.25 * 2.0**-126))
            return out

    written(2)  # a thread is born with the mode of the one that starts it
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor flushes nothing")
    try:
        assert torch.equal(written(2).view(torch.int32), written(1).view(torch.int32))
    finally:
        torch.set_flush_denormal(False)


@FORKS
@pytest.mark.parametrize(
    "draw",
    [
        "normal_(torch.empty(1 << 17), stream)",
        "normal_(torch.empty(700, 700).t(), stream)",
        "uniform_(torch.empty(1 << 17, dtype=torch.complex64), stream)",
        "orthogonal_(torch.empty(600, 500).t(), stream)",
        "sparse_(torch.empty(600, 500), stream, 0.5)",
        "delta_orthogonal_(torch.empty(300, 300, 3, 3), stream)",
        "permutation(1 << 18, stream)",
    ],
)
def test_a_forked_process_does_not_wait_for_the_threads_of_torch(draw):
    code = f"""
    import os, signal, torch
    from initium.random import *
    torch.set_num_threads(2)
    torch.ones(1 << 22).exp().add_(1)
    stream = Stream(0, "w")
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        {draw}
        os._exit(torch.get_num_threads())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(code, PYTHONWARNINGS="ignore::DeprecationWarning") == "2"


@FORKS
def test_a_process_forked_amid_a_matrix_makes_its_own():
    code = """
    import os, signal, torch
    from initium.random import Stream, orthogonal_
    from initium.random._workers import workers
    with workers():
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            orthogonal_(torch.empty(5, 5), Stream(0, "w"))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(code, PYTHONWARNINGS="ignore::DeprecationWarning") == "0"
