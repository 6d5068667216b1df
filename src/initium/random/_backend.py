"""Who turns (key, index) into values: the one place where a faster backend joins.

A backend is chosen by the device of the tensor, and all of them give the same bits: adding one changes no caller.
A backend that does not know a law (``Curved`` is rare) hands it to ``REFERENCE``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from initium.random._reference import Reference

if TYPE_CHECKING:
    import torch

    from initium.random._laws import Law
    from initium.random._stream import Key


class Backend(Protocol):
    """What a backend must offer; the arguments are checked before they come here."""

    def words(self, key: Key, start: int, count: int, device: torch.device) -> torch.Tensor:
        """The 32-bit words of flat indices start to start + count, as int64 of shape (count,)."""
        ...

    def fill(self, flat: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous 1-d tensor, rounded to its dtype."""
        ...


REFERENCE: Backend = Reference()
BACKENDS: dict[str, Backend] = {}


def backend_for(device: torch.device) -> Backend:
    """The backend of a kind of device; the reference where there is none of its own."""
    return BACKENDS.get(device.type, REFERENCE)
