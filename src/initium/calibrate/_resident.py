"""What a pass has let go of goes back while it runs, and not only at its end."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from initium.random import hand_back

if TYPE_CHECKING:
    from collections.abc import Iterable

# The longest block that glibc ever keeps for later: what is longer goes back by itself. And how often one looks.
_KEPT, _LOOK = 32 << 20, 8 << 20
_SIZES = Path("/proc/self/statm")


@dataclass(slots=True)
class Resident:
    """Hands back what is kept for later, before it is more than a block of the kind that is kept.

    The figures of a pass lie between its values, and split the room that these leave: values that come later do not fit into
    it and lie behind, until most of the process's memory is such room.
    """

    _since: int = 0
    _least: int | None = None

    def let_go(self, values: Iterable[object]) -> None:
        """Called with values that are about to be let go of."""
        self._since += sum(each.nbytes for each in values if isinstance(each, Tensor) and _plain(each))

    def look(self) -> None:
        """Called when they are gone."""
        if self._since < _LOOK:
            return
        self._since, now = 0, _resident()
        if self._least is None:
            self._least = now
        elif now >= self._least + _KEPT:
            hand_back()
            self._least = _resident()


def _plain(value: Tensor) -> bool:
    """Whether a tensor has memory of the process, all of one kind."""
    return value.device.type == "cpu" and value.layout == torch.strided and not value.is_nested


def _resident() -> int:
    """The bytes that the process has, where the system says so; where it does not, nobody knows how to hand any back either."""
    try:
        return int(_SIZES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
