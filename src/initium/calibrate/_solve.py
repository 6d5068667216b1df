"""The factors of a recurrent layer: its states depend on them, so they are sought by running it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from initium.calibrate._seek import Seeking, by_uses
from initium.calibrate._states import figures
from initium.signal import run_steps, walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.calibrate._figures import Seen
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._states import GatesAt
    from initium.signal import Layer, Ran, Reading

# A layer's factors stand still when no gate moves by more, or by more than a step of its precision: half of what a figure may
# be off. Where they do not, its rows say what the check measured. And one sequence of so many is tried first.
_STILL, _MOST_RUNS, _THIN, _MANY = 5e-4, 30, 16, 4


def together(several: Sequence[GatesAt], run: Callable[[Layer, int, list[Tensor]], list[Ran]]) -> None:
    """The layers of one operation in all lanes, one after the other; what they compute is what the operation gives."""
    lanes = [walked(gates) for gates in several]
    steps = [next(lane) for lane in lanes]
    while True:
        layer, index, _ = steps[0]
        rans = run(layer, index, [data for _, _, data in steps])
        for gates, ran in zip(several, rans, strict=True):
            gates.keep(layer, ran)
        try:
            steps = [lane.send(ran) for lane, ran in zip(lanes, rans, strict=True)]
        except StopIteration:
            return


@dataclass(frozen=True, slots=True)
class Gated:
    """One layer of a recurrent operation in all lanes.

    Attributes:
        several: The operation, by lane.
        layer: The layer.
        reads: What it reads, by lane.
        found: What is to be done with the figures of a piece.
    """

    several: Sequence[GatesAt]
    layer: Layer
    reads: Sequence[Reading]
    found: Callable[[Sequence[Seen], Piece], Found]

    def run(self, factors: Mapping[Piece, float], every: int = 1) -> list[Ran]:
        """The layer with these factors, on every so many-th sequence; its inputs' products are only scaled."""
        rans: list[Ran] = []
        for gates, read in zip(self.several, self.reads, strict=True):
            place, start = self.layer.places[1], gates.weights[self.layer.places[1]]
            gates.weights[place] = _times(start, factors, self.layer.names[1])
            units = _times(torch.ones(read.inputs.shape[-1], 1, device="cpu"), factors, self.layer.names[0])
            rans.append(run_steps(gates, self.layer, read.thinned(every).times(units[:, 0])))
            gates.weights[place] = start
        return rans

    def steps(
        self, rans: Sequence[Ran], factors: Mapping[Piece, float], every: int = 1
    ) -> tuple[dict[Piece, Found], dict[Piece, Piece]]:
        """What each gate is to be multiplied by, from where it is; and which pieces of both weights belong together."""
        seen: dict[tuple[Piece, Piece], list[Seen]] = defaultdict(list)
        for gates, ran in zip(self.several, rans, strict=True):
            for pieces, figure in figures(gates, self.layer, ran, every):
                seen[pieces].append(figure)
        made: dict[Piece, Found] = {}
        for pieces, several in seen.items():
            factor = factors.get(pieces[0], 1.0)
            step = self.found(several, pieces[0])
            before = self.found([each.over(factor) for each in several], pieces[0]).before
            made |= dict.fromkeys(pieces, replace(step, before=before))
        return made, dict(seen.keys())

    def solve(self) -> tuple[dict[Piece, Found], list[Ran], dict[Piece, dict[Piece, float]]]:
        """The factors of the gates: both weights of a gate get the one that gives what they add up to its statistic.

        The states that they read depend on the factors, so the layer is run until these stand still: on a few of the sequences
        as near as those can tell, and then on all. What is left after the last run is corrected by what the runs told;
        that is how fast the figures follow the factors, and is given too.
        """
        factors: dict[Piece, float] = {}
        still = max(_STILL, *(torch.finfo(read.inputs.dtype).eps for read in self.reads))
        seeking: Seeking[Piece] = Seeking(by_uses(lambda _: len(self.several[0].sizes())))
        every = self._thinned()
        if every > 1:
            factors, _, _ = self._sought(seeking, factors, self._blur(every), every)
            seeking.anew()
        sought, steps, rans = self._sought(seeking, factors, still)
        found = {piece: replace(step, factor=sought[piece]) for piece, step in steps.items()}
        return found, rans, self._of_both(seeking.slopes())

    def _of_both(self, slopes: Mapping[Piece, Mapping[Piece, float]]) -> dict[Piece, dict[Piece, float]]:
        """How fast figures follow factors, of both weights: each pair moves as one, so either may be taken for it."""
        return {
            replace(piece, name=name): {replace(by, name=name): slope for by, slope in row.items()}
            for name in self.layer.names[:2]
            for piece, row in slopes.items()
        }

    def given(
        self, factors: Mapping[Piece, float]
    ) -> tuple[dict[Piece, Found], list[Ran], dict[Piece, dict[Piece, float]]]:
        """The same where the factors are known, and nothing else is told."""
        rans = self.run(factors)
        steps, _ = self.steps(rans, factors)
        return {piece: _at(one, factors.get(piece)) for piece, one in steps.items()}, rans, {}

    def _sought(
        self, seeking: Seeking[Piece], factors: dict[Piece, float], still: float, every: int = 1
    ) -> tuple[dict[Piece, float], dict[Piece, Found], list[Ran]]:
        for _ in range(_MOST_RUNS):
            rans = self.run(factors, every)
            steps, pairs = self.steps(rans, factors, every)
            tried, factors = factors, dict.fromkeys(steps, 1.0)
            mine = [piece for piece in pairs if not steps[piece].note and steps[piece].before > 0]
            off = {piece: -math.log(steps[piece].factor) for piece in mine}
            if mine:
                logs = seeking.next({piece: math.log(tried.get(piece, 1.0)) for piece in mine}, off)
                factors |= {each: math.exp(log) for piece, log in logs.items() for each in (piece, pairs[piece])}
            if all(abs(value) < still for value in off.values()):
                return factors, steps, rans
        rans = self.run(factors, every)
        return factors, self.steps(rans, factors, every)[0], rans

    def _thinned(self) -> int:
        """Of how many sequences one is enough to begin with; 1 where they are few, or where some of them do not count."""
        fewest = min(len(read.begins[0]) for read in self.reads)
        return min(_THIN, fewest) if fewest >= _MANY and all(gates.counts() is None for gates in self.several) else 1

    def _blur(self, every: int) -> float:
        """How well a std is known by so few values, were they independent."""
        units = self.several[0].weights[self.layer.places[1]].shape[-1]
        return 1 / math.sqrt(2 * units * sum(sum(read.sizes) / every for read in self.reads))


def _at(found: Found, factor: float | None) -> Found:
    """What was found where the factor is known; a gate that has none may have the reason why not."""
    return replace(found, factor=1.0) if factor is None else replace(found, factor=factor, note="")


def _times(weight: Tensor, factors: Mapping[Piece, float], name: str) -> Tensor:
    """A weight with the factors of its gates."""
    mine = {piece: factor for piece, factor in factors.items() if piece.name == name and factor != 1}
    made = weight.clone() if mine else weight
    for piece, factor in mine.items():
        piece.scale(made, factor)
    return made
