"""What drawing has freed is the system's again."""

import ctypes
import platform
from pathlib import Path

import pytest
import torch

from initium.random import Stream, hand_back, orthogonal_
from initium.random._heap import _trim

STATUS = Path("/proc/self/status")


def resident():
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone keeps it and can be asked")
def test_what_was_freed_among_what_is_held_goes_back():
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    size, count = 60_000, 500  # below what glibc maps by itself
    blocks = [libc.malloc(size) for _ in range(count)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[:-1]:  # the last one keeps the heap from shrinking
        libc.free(block)
    held = resident()
    hand_back()
    assert held - resident() > size * count / 2
    libc.free(blocks[-1])


def test_where_nobody_can_be_asked_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    _trim.cache_clear()
    hand_back()
    _trim.cache_clear()
    assert orthogonal_(torch.empty(2, 2), Stream(0).child("w")).isfinite().all()
