"""A fast backend is believed only after it has given the reference's bits on this machine."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from initium.random._backend import Compiling

if TYPE_CHECKING:
    from collections.abc import Callable

    from initium.random._backend import Backend, Short
    from initium.random._laws import Law
    from initium.random._stream import Key

# Through every loop and its remainder, both sides of the quantile, and the carry of the counter.
PROBED, KEY, START = 2085, (0x377C7DA3, 0x522D1712, 0xFF4CF840, 0xD7635F86), (1 << 34) - 5


class Verified:
    """``fast``, checked once for each law, dtype and device on a few values; the reference where they differ."""

    def __init__(self, fast: Backend, reference: Backend) -> None:
        self._fast, self._reference = fast, reference
        self._chosen: dict[Any, Backend] = {}

    def words(self, out: torch.Tensor, key: Key, start: int) -> None:
        """As the backends do."""
        known = self._chosen.get(out.get_device())
        chosen = known or self._choose(out.get_device(), out, lambda backend, to: backend.words(to, KEY, START))
        chosen.words(out, key, start)

    def fill(self, out: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """As the backends do."""
        case = (type(law), out.dtype, out.get_device())
        known = self._chosen.get(case)
        chosen = known or self._choose(case, out, lambda backend, to: backend.fill(to, KEY, START, law))
        chosen.fill(out, key, start, law)

    def compiled(self, out: torch.Tensor, law: Law) -> Short | None:
        """What the fast backend fills short tensors with, where it is believed and has such a thing."""
        chosen = self._chosen.get((type(law), out.dtype, out.get_device()))
        return chosen.compiled(out, law) if isinstance(chosen, Compiling) else None

    def _choose(self, case: object, like: torch.Tensor, draw: Callable[[Backend, torch.Tensor], None]) -> Backend:
        found, wanted = (torch.empty(PROBED, dtype=like.dtype, device=like.device) for _ in range(2))
        draw(self._reference, wanted)
        try:
            draw(self._fast, found)
            trouble = "" if torch.equal(found.view(torch.uint8), wanted.view(torch.uint8)) else "other bits"
        except Exception as error:  # noqa: BLE001  a compiler fails in its own ways; the reference always serves
            trouble = f"{type(error).__name__}: {error}"
        if trouble:
            warnings.warn(
                f"initium's fast backend {type(self._fast).__name__} does not serve {like.dtype} on {like.device} here "
                f"({trouble}); torch operations give the same values, more slowly.",
                RuntimeWarning,
                stacklevel=2,
            )
        self._chosen[case] = self._reference if trouble else self._fast
        return self._chosen[case]
