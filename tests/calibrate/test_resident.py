"""What a pass lets go of is handed back before it is more than one block."""

import ctypes
import sys
from functools import partial

import pytest
import torch

from initium.calibrate import _resident
from initium.calibrate._resident import Resident

MEGA = 1 << 20


class Allocator:
    """A process whose memory only grows, by what is let go of, until that is handed back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live, self.kept, self.most, self.times = 100 * MEGA, 0, 0, 0
        monkeypatch.setattr(_resident, "_resident", lambda: self.live + self.kept)
        monkeypatch.setattr(_resident, "hand_back", self.hand_back)

    def hand_back(self) -> None:
        self.kept, self.times = 0, self.times + 1

    def run(self, resident: Resident, value: torch.Tensor, *, keeps: bool) -> None:
        resident.let_go([value, None])
        self.kept += value.nbytes if keeps else 0
        self.most = max(self.most, self.kept)
        resident.look()


def test_no_more_is_kept_for_later_than_a_block_and_what_passes_between_two_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allocator, resident, value = Allocator(monkeypatch), Resident(), torch.empty(MEGA // 4)
    for _ in range(500):
        allocator.run(resident, value, keeps=True)
    assert allocator.most <= (32 + 2 * 8) * MEGA


def test_memory_that_is_used_again_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    allocator, resident, value = Allocator(monkeypatch), Resident(), torch.empty(MEGA // 4)
    for _ in range(500):
        allocator.run(resident, value, keeps=False)
    assert not allocator.times


def test_what_has_no_memory_of_the_process_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(_resident, "_resident", partial(asked.append, 0))
    resident = Resident()
    for _ in range(100):
        sparse = torch.zeros(64, 64).to_sparse()
        resident.let_go([torch.empty(64 * MEGA, device="meta"), "neither has this", sparse])
        resident.look()
    assert not asked


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not say what the process has")
def test_what_the_process_has_is_read_from_the_system() -> None:
    before = _resident._resident()
    block = ctypes.create_string_buffer(64 * MEGA)
    ctypes.memset(block, 1, 64 * MEGA)
    assert _resident._resident() - before >= 48 * MEGA
    del block


def test_a_system_that_says_nothing_is_asked_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: _resident.Path
) -> None:
    monkeypatch.setattr(_resident, "_SIZES", tmp_path / "none")
    assert _resident._resident() == 0
