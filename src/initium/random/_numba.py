"""The backend of the CPU: the laws as Numba compiles them, on all cores."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.graph import increment_version

from initium.random import _kernels
from initium.random._laws import Bernoulli, Curved, Law, Normal, Truncated, Uniform
from initium.random._threads import share

if TYPE_CHECKING:
    from initium.random._backend import Short
    from initium.random._stream import Key

Kernel = Callable[[int, int, int, int, tuple[int, int, int, int], tuple[float, ...]], None]
KINDS = {
    torch.float32: _kernels.SINGLE,
    torch.float64: _kernels.DOUBLE,
    torch.bfloat16: _kernels.BRAIN,
    torch.float16: _kernels.HALF,
    torch.bool: _kernels.TRUTH,
}
# A law's numbers in the order in which its kernel takes them.
NUMBERS: dict[type[Law], Callable[[Any], tuple[float, ...]]] = {
    Normal: attrgetter("mean", "std"),
    Uniform: attrgetter("centre", "half"),
    Truncated: attrgetter("mean", "std", "low", "high", "below", "above", "mass"),
    Curved: lambda law: (
        *(law.edge, law.step, law.low, law.high, float(law.by == "log"), law.rest, law.share, law.slope),
        *law.coefficients,
    ),
    Bernoulli: lambda law: (law.threshold,),
}
# Machine code is made, or loaded, when a law is first drawn.
_compiled = cache(_kernels.kernel)


@cache
def _prepared(law: type[Law], dtype: torch.dtype) -> tuple[Kernel, Callable[[Any], tuple[float, ...]], int]:
    return _compiled(law.__name__), NUMBERS[law], KINDS[dtype]


class Numba:
    """Stream version 1 by compiled loops, written straight into a CPU tensor's memory."""

    def words(self, out: torch.Tensor, key: Key, start: int) -> None:
        """The 32-bit words of flat indices start onwards, as int64."""
        kernel = _compiled("words")
        _written(out)
        share(lambda at, n: kernel(out.data_ptr() + 8 * at, _kernels.WORD, n, start + at, key, (0,)), out.numel())

    def fill(self, out: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous tensor, rounded to its dtype."""
        kernel, numbers, kind = _prepared(type(law), out.dtype)
        given, size = numbers(law), out.element_size()
        _written(out)
        share(lambda at, n: kernel(out.data_ptr() + size * at, kind, n, start + at, key, given), out.numel())

    def compiled(self, out: torch.Tensor, law: Law) -> Short:
        """What fills a tensor too short for two threads, from its address, its length and the key."""
        kernel, numbers, kind = _prepared(type(law), out.dtype)
        given = numbers(law)
        return lambda address, count, key: kernel(address, kind, count, 0, key, given)


def _written(out: torch.Tensor) -> None:
    """Autograd learns that what stands in a tensor changes, as it would from torch.

    Each piece asks for the address itself: so it holds the tensor, whose memory outlives the piece whatever interrupts.
    """
    if not out.is_inference():
        increment_version(out)
