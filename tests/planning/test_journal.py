"""What is overwritten is kept in a file that nobody sees, and comes back bit for bit; without a disk it is kept in memory."""

import os
import subprocess
import sys
import threading
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from torch import nn

from initium.errors import ArgumentTypeError
from initium.planning import Journal, _journal, all_or_nothing

DTYPES = [
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.complex64,
    torch.complex128,
    torch.float8_e4m3fn,
    torch.int64,
]


@pytest.fixture(autouse=True)
def disk(monkeypatch, tmp_path):
    """A folder that counts as a disk, for values of any number."""
    monkeypatch.setattr(_journal, "_LITTLE", 0)
    monkeypatch.setattr(_journal, "_is_memory", lambda _: False)
    monkeypatch.setattr(_journal, "_folders", lambda: iter([str(tmp_path)]))
    return tmp_path


@pytest.fixture
def journal():
    made = Journal(undo=True)
    yield made
    made.close()


def bits(tensor):
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return plain.view(-1).view(torch.uint8).clone()


def random_bits(shape, dtype):
    wide = dtype.itemsize * torch.Size(shape).numel()
    return torch.randint(0, 256, (wide,), dtype=torch.uint8).view(dtype).reshape(shape)


CASES = {
    **{str(dtype): lambda dtype=dtype: random_bits((6, 8), dtype) for dtype in DTYPES},
    "transposed": lambda: random_bits((5, 7), torch.float32).T,
    "with gaps": lambda: random_bits((6, 8), torch.float32)[:, 1:4],
    "no axes": lambda: torch.tensor(3.0),
    "channels last": lambda: random_bits((2, 3, 4, 4), torch.float32).to(memory_format=torch.channels_last),
    "conjugate": lambda: torch.randn(3, 4, dtype=torch.complex64).conj(),
    "negative": lambda: torch.randn(3, 4, dtype=torch.complex64).conj().imag,
    "shared": lambda: random_bits((4, 4), torch.float32).share_memory_(),
}


@pytest.mark.parametrize("case", CASES)
def test_values_of_any_kind_come_back_bit_by_bit(journal, case):
    data = CASES[case]()
    before = bits(data)
    back = journal.kept(data)
    data.fill_(2)
    assert not torch.equal(bits(data), before)
    back()
    assert torch.equal(bits(data), before)
    assert journal._file is not None


def test_values_come_back_wherever_new_tensors_are_made(journal):
    """A default device is the caller's; values that lie in memory otherwise than in order are read beside it."""
    data = CASES["channels last"]()
    before = bits(data)
    back = journal.kept(data)
    data.fill_(2)
    with torch.device("meta"):
        back()
    assert torch.equal(bits(data), before)


def test_of_plain_values_no_second_tensor_is_made(journal, monkeypatch):
    data = torch.randn(50, 50)
    monkeypatch.setattr(torch.Tensor, "clone", None)
    monkeypatch.setattr(torch.Tensor, "contiguous", None)
    monkeypatch.setattr(torch, "empty", None)
    before = data.tolist()
    back = journal.kept(data)
    data.zero_()
    back()
    assert data.tolist() == before


def test_little_is_worth_no_file(journal, monkeypatch):
    monkeypatch.setattr(_journal, "_LITTLE", 100)
    data = torch.arange(20.0)
    backs = [journal.kept(data)]
    assert journal._file is None
    backs.append(journal.kept(data))
    assert journal._file is not None
    for back in backs:
        data.zero_()
        back()
        assert torch.equal(data, torch.arange(20.0))


def test_without_values_there_is_nothing_to_keep(journal):
    for data in (torch.empty(0, 3), torch.empty(4, device="meta")):
        journal.kept(data)()
    assert journal._file is None


def test_the_file_has_no_name_and_is_closed(disk):
    made = Journal(undo=True)
    made.kept(torch.ones(10))
    file = made._file
    assert os.name == "nt" or not list(disk.iterdir())
    made.close()
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        thread.join()
    assert file.closed
    assert not list(disk.iterdir())


def test_an_interrupt_while_a_large_file_is_given_up_comes_too_late(monkeypatch):
    """What follows the last value that is written takes no time in which a call could be interrupted."""
    weight, pressed, gone = nn.Parameter(torch.ones(4)), threading.Event(), threading.Event()
    real = _journal.tempfile.TemporaryFile

    class Large:
        """A file whose blocks are freed for as long as it takes to press Ctrl-C."""

        def __init__(self, **options):
            self._file = real(**options)

        def __getattr__(self, name):
            return getattr(self._file, name)

        def close(self):
            pressed.wait(60)
            self._file.close()
            gone.set()

    monkeypatch.setattr(_journal.tempfile, "TemporaryFile", Large)
    with all_or_nothing() as opened:
        opened(weight).fill_(2)
    pressed.set()
    assert gone.wait(60)
    assert torch.equal(weight.data, torch.full((4,), 2.0))


def test_a_file_is_closed_where_no_thread_can_be_had(monkeypatch):
    def refused(_):
        raise RuntimeError("can't start new thread")

    made = Journal(undo=True)
    made.kept(torch.ones(10))
    file = made._file
    monkeypatch.setattr(_journal.Thread, "start", refused)
    made.close()
    assert file.closed


def test_nothing_is_left_where_the_process_is_killed(disk):
    code = (
        "import os, signal, torch\n"
        "from initium.planning import _journal, all_or_nothing\n"
        f"_journal._LITTLE, _journal._folders = 0, lambda: iter([{str(disk)!r}])\n"
        "_journal._is_memory = lambda _: False\n"
        "with all_or_nothing() as opened:\n"
        "    opened(torch.nn.Parameter(torch.ones(99)))\n"
        "    print('kept', flush=True)\n"
        "    os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "kept" in done.stdout, done.stderr
    assert done.returncode != 0
    assert not list(disk.iterdir())


class Odd:
    """A file that takes and gives some bytes at a time, breaks after so many, or is interrupted once as it is read."""

    def __init__(self, file, *, most=None, full=None, interrupted=False):
        self.file, self.most, self.full, self.interrupted = file, most, full, interrupted
        self.written = 0

    def write(self, view):
        if self.full is not None and self.written >= self.full:
            raise OSError(28, "No space left on device")
        count = self.file.write(view[: self.most])
        self.written += count
        return count

    def readinto(self, view):
        count = self.file.readinto(view[: self.most])
        if self.interrupted:
            self.interrupted = False
            raise KeyboardInterrupt
        return count

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.fixture
def odd(monkeypatch):
    real, files = _journal.tempfile.TemporaryFile, []

    def prepare(**how):
        def temporary(*args, **kwargs):
            files.append(Odd(real(*args, **kwargs), **how))
            return files[-1]

        monkeypatch.setattr(_journal.tempfile, "TemporaryFile", temporary)
        return files

    return prepare


def overwritten(weights, error=None):
    """Opens and fills several weights, and fails."""
    with all_or_nothing() as opened:
        for weight in weights:
            opened(weight).fill_(7.0)
        if error is not None:
            raise error


def weights_of(count=4):
    weights = [nn.Parameter(torch.randn(5, 6)) for _ in range(count)]
    return weights, [weight.detach().clone() for weight in weights]


def same(weights, before):
    return all(torch.equal(*pair) for pair in zip(weights, before, strict=True))


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_what_the_system_takes_and_gives_in_parts_is_whole(odd, most):
    files, (weights, before) = odd(most=most), weights_of()
    with pytest.raises(RuntimeError):
        overwritten(weights, RuntimeError())
    assert same(weights, before)
    assert files[0].closed


@pytest.mark.parametrize("full", [0, 1, 121, 300])
@pytest.mark.parametrize("error", [None, RuntimeError()])
def test_a_full_disk_is_no_reason_to_fail_nor_to_forget(odd, full, error):
    files, (weights, before) = odd(full=full, most=50), weights_of()
    if error is None:
        overwritten(weights)
        assert all(bool((weight == 7).all()) for weight in weights)
    else:
        with pytest.raises(RuntimeError):
            overwritten(weights, error)
        assert same(weights, before)
    assert len(files) == 1
    assert files[0].closed


def test_an_interrupt_while_values_are_put_back_does_not_stop_it(odd):
    files, (weights, before) = odd(interrupted=True, most=50), weights_of()
    with pytest.raises(KeyboardInterrupt):
        overwritten(weights, RuntimeError())
    assert same(weights, before)
    assert files[0].closed


def test_half_of_a_disk_is_left_to_others(monkeypatch, journal):
    usage = namedtuple("usage", "free")  # noqa: PYI024 - what shutil gives, in short
    monkeypatch.setattr(_journal.shutil, "disk_usage", lambda _: usage(799))
    journal.kept(torch.ones(100))
    assert journal._file is None
    other = Journal(undo=True)
    monkeypatch.setattr(_journal.shutil, "disk_usage", lambda _: usage(800))
    other.kept(torch.ones(100))
    assert other._file is not None
    other.close()


def test_a_disk_that_is_memory_is_passed_over(monkeypatch, tmp_path, journal):
    first, second, mounts = tmp_path / "first", tmp_path / "second", tmp_path / "mounts"
    first.mkdir()
    second.mkdir()
    monkeypatch.undo()
    device = Path(first).stat().st_dev
    line = f"23 28 {os.major(device)}:{os.minor(device)} / /somewhere rw,nosuid shared:2 - {{}} none rw\n"
    monkeypatch.setattr(_journal, "_MOUNTS", mounts)
    for kind, memory in (("tmpfs", True), ("ramfs", True), ("ext4", False)):
        mounts.write_text("1 0 8:1 / / rw - ext4 /dev/a rw\n" + line.format(kind))
        assert _journal._is_memory(str(first)) is memory
    monkeypatch.setattr(_journal, "_LITTLE", 0)
    monkeypatch.setattr(_journal, "_folders", lambda: iter([str(first), str(second)]))
    monkeypatch.setattr(_journal, "_is_memory", lambda folder: folder == str(first))
    journal.kept(torch.ones(100))
    assert journal._folder == str(second)


def test_where_no_disk_is_values_are_kept_in_memory(monkeypatch):
    monkeypatch.setattr(_journal, "_folders", lambda: iter(["/no such folder"]))
    weights, before = weights_of()
    with pytest.raises(KeyboardInterrupt):
        overwritten(weights, KeyboardInterrupt())
    assert same(weights, before)


def test_memory_that_is_asked_for_is_no_file(monkeypatch):
    monkeypatch.setattr(_journal.tempfile, "TemporaryFile", None)
    made, data = Journal(undo="memory"), torch.ones(3)
    back = made.kept(data)
    data.zero_()
    back()
    made.close()
    assert data.tolist() == [1.0, 1.0, 1.0]


def test_weights_that_share_memory_get_what_they_had_first():
    whole = torch.arange(12.0)
    before = whole.clone()
    overwritten_parts = [nn.Parameter(whole[:8]), nn.Parameter(whole[4:])]
    with pytest.raises(RuntimeError):
        overwritten(overwritten_parts, RuntimeError())
    assert torch.equal(whole, before)


@pytest.mark.parametrize("undo", [1, None, "disk", 0.0])
def test_a_way_back_that_is_none_is_refused(undo):
    with pytest.raises(ArgumentTypeError, match="undo must be True or False, or 'memory'"), all_or_nothing(undo=undo):
        pass
