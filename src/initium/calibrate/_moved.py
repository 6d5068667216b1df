"""How the factors of what is used once move with those of what is used again: learnt sweep by sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece


class Moved:
    """A matrix of slopes, of the logarithms of factors by those of the sought ones, made better by each sweep (Broyden).

    It begins as zero: a correction is then believed to change nothing else.
    """

    def __init__(self) -> None:
        self._sought, self._others = list["Piece"](), list["Piece"]()
        self._slopes = torch.zeros(0, 0, dtype=torch.float64, device="cpu")
        self._before: tuple[Tensor, Tensor] | None = None

    def anew(self) -> None:
        """Forgets the factors and not how they move: those that follow are of other data."""
        self._before = None

    def hear(self, found: Mapping[Piece, Found], sought: Mapping[Piece, float]) -> None:
        """What one more sweep found; ``sought`` are those that are tried over and over."""
        others = [piece for piece, one in found.items() if piece not in sought and not one.note]
        if list(sought) != self._sought or others != self._others:
            self._sought, self._others, self._before = list(sought), others, None
            self._slopes = torch.zeros(len(others), len(sought), dtype=torch.float64, device="cpu")
        here = _logs(found, self._sought), _logs(found, self._others)
        if self._before is not None:
            step, moved = (now - before for now, before in zip(here, self._before, strict=True))
            length = float(step @ step)
            if length:
                self._slopes = self._slopes + torch.outer(moved - self._slopes @ step, step) / length
        self._before = here

    def on(self, found: Mapping[Piece, Found], sought: Mapping[Piece, float]) -> dict[Piece, Found]:
        """Those of the last sweep, moved on to the factors that are ``sought`` next."""
        step = [math.log(sought[piece] / found[piece].factor) for piece in self._sought]
        moves = self._slopes @ torch.tensor(step, dtype=torch.float64, device="cpu")
        return {
            piece: replace(found[piece], factor=found[piece].factor * math.exp(move))
            for piece, move in zip(self._others, moves.tolist(), strict=True)
        }


def _logs(found: Mapping[Piece, Found], pieces: list[Piece]) -> Tensor:
    return torch.tensor([math.log(found[piece].factor) for piece in pieces], dtype=torch.float64, device="cpu")
