"""What one call of lsuv was asked, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice, ScaleFree
    from initium.calibrate._found import Found
    from initium.calibrate._lanes import Stage
    from initium.calibrate._pieces import Piece
    from initium.calibrate._rounds import Wanted, Way
    from initium.calibrate._start import Pre
    from initium.calibrate._walks import Seeing
    from initium.calibrate._weights import Weights
    from initium.network import Batch
    from initium.planning import Plan


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked.

    Attributes:
        weights: What is written.
    """

    model: nn.Module
    batches: Sequence[Batch]
    masks: Sequence[Tensor | None]
    wanted: Wanted
    pre: Pre | Plan | None
    scale_free: ScaleFree
    seed: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        ways: The batches with the graphs of the check.
        choices: What was done with each weight.
        found: The factor of each piece.
        settling: What the last sweep saw before the factors.
        seeing: What the check saw.
        lanes: The check's lanes.
        values: What was written.
        sweeps: How many sweeps the factors took.
    """

    ways: Sequence[Way]
    choices: Mapping[str, Choice]
    found: Mapping[Piece, Found]
    settling: Seeing
    seeing: Seeing
    lanes: Sequence[Stage]
    values: Mapping[str, Tensor]
    sweeps: int
