"""The weights that a call works on: the model's own, in their own memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.errors import PlanError
from initium.planning import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.planning import Undo


class Weights:
    """Values that are drawn and scaled where the model has them; a second set of them is held nowhere in memory.

    Args:
        model: The model.
        opened: Gives a parameter's own memory to write into.
        undo: Where the start is kept when factors may have to be taken back; a file, save where memory is asked for.

    Attributes:
        values: What was written, by parameter.
    """

    def __init__(self, model: nn.Module, opened: Callable[[Tensor], Tensor], undo: Undo) -> None:
        self.values: dict[str, Tensor] = {}
        self.opened = opened
        self._model = model
        self._journal = Journal("memory" if undo == "memory" else True)
        self._backs: list[Callable[[], object]] = []
        self._kept = set[str]()

    def close(self) -> None:
        """Gives up the start."""
        self.keep()

    def start(self) -> Mapping[str, Tensor]:
        """The values without factors: as they are, or put back."""
        while self._backs:
            self._backs[-1]()
            self._backs.pop()
        self.keep()
        return self.values

    def keep(self) -> None:
        """Makes what is there now the start of what follows."""
        self._backs.clear()
        self._kept.clear()
        self._journal.close()

    def scale(self, found: Mapping[Piece, Found], choices: Mapping[str, Choice], *, again: bool) -> None:
        """Multiplies the start by factors; it is kept where another try may need it ``again``."""
        self.start()
        for piece, one in found.items():
            if one.factor != 1:
                name = choices[piece.name].carrier if piece.name in choices else piece.name
                self.times(piece, name, one.factor, again=again)

    def held(self, name: str) -> Tensor:
        """What is there now."""
        return self.values[name] if name in self.values else self._model.get_parameter(name)

    def times(self, piece: Piece, name: str, factor: float, *, again: bool) -> None:
        """Multiplies a piece where the parameter of this name has it."""
        if name not in self.values:
            self.values[name] = self.opened(self._model.get_parameter(name))
        if again and name not in self._kept:
            self._backs.append(self._journal.kept(self.values[name]))
            self._kept.add(name)
        piece.scale(self.values[name], factor)
        _check_fits(name, self.values[name], factor)


def _check_fits(name: str, scaled: Tensor, factor: float) -> None:
    parts = torch.view_as_real(scaled) if scaled.is_complex() else scaled
    if not math.isfinite(max(abs(float(end)) for end in torch.aminmax(parts))):
        raise PlanError(
            f"`{name}` times the factor {factor:.4g} does not fit into {scaled.dtype}. Nothing was changed. Its input is "
            "almost zero: look at what comes before it, or calibrate in float32."
        )
