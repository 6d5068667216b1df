"""Old values until it is known that nobody wants them back: in a file without a name, as databases keep them, or in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal, cast

import torch

from initium.checks import scalar
from initium.errors import ArgumentTypeError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from torch import Tensor

Undo = bool | Literal["memory"]

# Bytes: for fewer in all, a file is not worth opening.
_LITTLE = 1 << 20
# File systems whose files are memory.
_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mountinfo")


def undo_of(value: object) -> Undo:
    """The choice of a way back, checked.

    Raises:
        ArgumentTypeError: It is none of them.
    """
    plain = scalar(value, "undo")
    if not (isinstance(plain, bool) or plain == "memory"):
        raise ArgumentTypeError(
            f"undo must be True or False, or 'memory'; got {value!r} of type {type(value).__name__}. True keeps what is "
            "overwritten in a temporary file, 'memory' in memory, and False nowhere."
        )
    return cast("Undo", plain)


class Journal:
    """Keeps the values of tensors, and gives the way back to them.

    The file has no name where the system allows that, and is gone when the process ends, however it ends. It is written
    once and read only on the way back. Where no disk has room, or a write fails, values are kept in memory.

    Args:
        undo: ``True`` for a file, ``"memory"`` for none.
    """

    def __init__(self, undo: Literal[True, "memory"]) -> None:
        self._in_memory = undo == "memory"
        self._bytes = 0
        self._folder = ""
        self._file: io.FileIO | None = None

    def kept(self, data: Tensor) -> Callable[[], object]:
        """Keeps the values of a tensor as they are now; what it gives puts them back, bit for bit."""
        self._bytes += data.nbytes
        if not self._in_memory and self._bytes > _LITTLE and _plain(data):
            at = self._written(data)
            if at is not None:
                return partial(self._put_back, data, at)
        return partial(data.copy_, data.clone())

    def close(self) -> None:
        """Gives up all that was kept.

        Blocks of a large file are freed for a while, in which an interrupt would find a call that fails and has changed
        everything: a thread does that.
        """
        file, self._file = self._file, None
        if file is not None:
            try:
                Thread(target=file.close).start()
            except RuntimeError:  # none can be had
                file.close()

    def _written(self, data: Tensor) -> int | None:
        """Where in the file the values begin; ``None`` where they could not be written."""
        try:
            file = self._opened(data.nbytes)
            at = file.seek(0, os.SEEK_END)
            left = _bytes(_beside(data))
            while left:  # the system may take a part
                left = left[file.write(left) :]
        except OSError:  # memory it is: for these values, and for what follows
            self._in_memory = True
            return None
        return at

    def _opened(self, size: int) -> io.FileIO:
        """The file, with room for so many bytes: half of a disk is left to others.

        Raises:
            OSError: There is none.
        """
        if self._file is None:
            self._folder = next(folder for folder in [*_folders(), ""] if not folder or _room(folder, size))
            if not self._folder:
                raise FileNotFoundError
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115 - closed by close
        if not _room(self._folder, size):
            raise FileNotFoundError
        return self._file

    def _put_back(self, data: Tensor, at: int) -> None:
        try:
            self._read(data, at)
        except KeyboardInterrupt:  # halfway through: once more, from the start
            self._read(data, at)
            raise

    def _read(self, data: Tensor, at: int) -> None:
        file, direct = cast("io.FileIO", self._file), _direct(data)
        values = data if direct else torch.empty(data.shape, dtype=data.dtype, device="cpu")  # whatever the default is
        left = _bytes(values)
        file.seek(at)
        while left:
            count = file.readinto(left)
            if not count:
                raise OSError("the temporary file with the old values has lost its end")
            left = left[count:]
        if not direct:
            data.copy_(values)


def _folders() -> Iterator[str]:
    """Where temporary files may lie; the second one is on a disk where the first is memory."""
    yield tempfile.gettempdir()
    yield "/var/tmp"  # noqa: S108 - a file without a name is made there


def _room(folder: str, size: int) -> bool:
    return Path(folder).is_dir() and not _is_memory(folder) and 2 * size <= shutil.disk_usage(folder).free


def _is_memory(folder: str) -> bool:
    """True of a file system in memory; only Linux tells."""
    if not _MOUNTS.exists():
        return False
    device = Path(folder).stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    lines = [line.split() for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()]
    return any(line[2] == number and line[line.index("-") + 1] in _MEMORY for line in lines)


def _plain(data: Tensor) -> bool:
    """Whether a tensor is its bytes, of whole ones each."""
    return type(data) is torch.Tensor and data.layout == torch.strided and not data.is_meta and data.numel() > 0


def _direct(data: Tensor) -> bool:
    """Whether a tensor's memory holds its bytes in order."""
    return data.device.type == "cpu" and data.is_contiguous() and not (data.is_conj() or data.is_neg())


def _beside(data: Tensor) -> Tensor:
    """A tensor whose memory holds these values in order: itself, where it does."""
    return data if _direct(data) else data.cpu().resolve_conj().resolve_neg().contiguous()


def _bytes(data: Tensor) -> memoryview:
    return data.view(-1).view(torch.uint8).numpy().data
