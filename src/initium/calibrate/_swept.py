"""What one pass saw of the weights that are sought."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from initium.calibrate._figures import Seen
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece


@dataclass(frozen=True, slots=True)
class Swept:
    """What a pass saw of the weights that are sought.

    Attributes:
        found: The factors that it had, or found on its way.
        off: How far the pooled figure of each sought piece is from its target, in its logarithm.
        seen: The figures of each piece before its factor, where the pass was a sweep.
        throughout: Whether all uses of what is sought had the factor that is ``found``.
    """

    found: dict[Piece, Found]
    off: Mapping[Piece, float]
    seen: Mapping[Piece, Sequence[Seen]] = field(default_factory=dict["Piece", "Sequence[Seen]"])
    throughout: bool = True

    @property
    def factors(self) -> dict[Piece, float]:
        """The factors that it had for them."""
        return {piece: self.found[piece].factor for piece in self.off}

    @property
    def largest(self) -> float:
        """How far the farthest is."""
        return max(map(abs, self.off.values()), default=0.0)


def off_of(
    found: Mapping[Piece, Found], figures: Mapping[Piece, float], sought: Container[Piece]
) -> dict[Piece, float]:
    """How far the figure of each sought piece is from its target, in its logarithm."""
    return {
        piece: math.log(figures[piece] / one.target)
        for piece, one in found.items()
        if piece in sought and not one.note and math.isfinite(figures[piece]) and figures[piece] > 0
    }
