"""What turns (key, index) into values. All backends give the same bits, and ``_reference`` defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

if TYPE_CHECKING:
    from initium.random._laws import Law
    from initium.random._stream import Key


# What backends write: a tensor of another dtype gets float32 values, a piece at a time. bool is for Bernoulli laws.
STORED = frozenset((torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.bool))


# Fills a short tensor, given its address, its length and the key.
Short = Callable[[int, int, "Key"], None]


class Backend(Protocol):
    """What a backend must offer; the arguments are checked before they come here."""

    def words(self, out: torch.Tensor, key: Key, start: int) -> None:
        """Write the 32-bit words of flat indices start onwards into a contiguous int64 tensor."""
        ...

    def fill(self, out: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous tensor of a dtype in STORED, rounded to it."""
        ...


@runtime_checkable
class Compiling(Backend, Protocol):
    """A backend that can tell how it fills, once and for all: what is asked again for every fill takes longer than a short one."""

    def compiled(self, out: torch.Tensor, law: Law) -> Short:
        """From flat index 0 onwards, by this law, in the dtype of ``out``; checks nothing."""
        ...
