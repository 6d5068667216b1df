"""The sentences and the calls that several findings share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.diagnose._expected import needed
from initium.diagnose._figures import shown
from initium.records import Calibrate, Reinitialize

if TYPE_CHECKING:
    from initium.diagnose._links import Link
    from initium.network import Neighbour
    from initium.records import Remedy

TEXTBOOK = Reinitialize()
LSUV = Calibrate()
_WIDE = 4.0


@dataclass(frozen=True, slots=True)
class Because:
    """A cause and its cure, as a finding holds them.

    Attributes:
        cause: In words.
        cure: In words.
        remedy: For a machine.
        code: The check that finds this cause by itself; empty where none does.
    """

    cause: str
    cure: str
    remedy: Remedy | None = TEXTBOOK
    code: str = ""


def gain_of(neighbour: Neighbour) -> str:
    """The cure of a wrong gain, in one form, so that findings with one cure are seen to have one cause."""
    low, high = needed(neighbour) or (1.0, 1.0)
    wide = high > _WIDE * low  # a steep function: what keeps the size swells the gradient
    alike = wide or math.isclose(low, high, rel_tol=0.01)
    right = shown(low) if alike else f"between {shown(low)} and {shown(high)}"
    known = {"relu": " (He)", "tanh": " (Glorot gives 1)"}.get(neighbour.text, "")
    return f"Give each of these weights gain {right}{known}: a std of gain / sqrt(fan_in)."


def names(links: tuple[Link, ...]) -> tuple[str, ...]:
    """The weights' names, each once."""
    return tuple(dict.fromkeys(link.use.name for link in links))
