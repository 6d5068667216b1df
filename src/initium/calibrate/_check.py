"""The check: a plain pass over what was written. What drifted since its sweep is corrected where the pass comes to it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from initium.calibrate._figures import spread_of
from initium.calibrate._pieces import Piece
from initium.calibrate._receipt import slack_of
from initium.calibrate._states import GatesAt, figures
from initium.calibrate._walks import Seeing, shares_memory
from initium.network import op_name
from initium.signal import reading, run_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import fx

    from initium.calibrate._figures import Seen, Statistic
    from initium.calibrate._found import Found
    from initium.calibrate._lanes import Lane, Point
    from initium.calibrate._rounds import Way
    from initium.calibrate._spread import Spread
    from initium.calibrate._weights import Weights
    from initium.signal import Layer, Ran, Reading

Step = Callable[[Mapping["Piece", float]], Mapping["Piece", float]]
# What shows a parameter's own memory.
_VIEWS = frozenset(
    "alias chunk detach expand getitem mT narrow permute select slice split split_with_sizes squeeze swapaxes swapdims t "
    "transpose unbind unsqueeze view".split()
)
# A gate moves its own states, so it may take more than one run of the layer.
_MOST_RUNS = 2


class Checking(Seeing):
    """Looks, and corrects what misses its target and is used here for the first and only time.

    Nothing before has read it, and its operation is run anew with what was written: all that the pass sees is what the weights
    give that it leaves behind.

    Args:
        known: The factors that were written.
        statistic: Which figure is right.
        alone: What may be corrected.
        weights: Where it is written.
        step: By how much the logarithms of factors are to move, by how far figures are off in theirs.
        again: Whether what was written may be taken back.

    Attributes:
        found: The factors of all pieces, with the corrections.
    """

    def __init__(
        self,
        known: Mapping[Piece, Found],
        statistic: Statistic,
        alone: Iterable[Piece],
        weights: Weights,
        step: Step,
        *,
        again: bool,
    ) -> None:
        super().__init__()
        self.found = dict(known)
        self._statistic: Statistic = statistic
        several = set(alone)  # of a recurrent operation these are whole weights
        mine = (piece for piece in known if piece in several or Piece(piece.name) in several)
        self._alone = {piece for piece in mine if not known[piece].note}
        self._weights, self._step, self._again = weights, step, again

    def __call__(self, points: list[Point]) -> None:
        """Looks; and once more where it corrected something."""
        if points[0].uses[0].layout == "gates":
            self.gates(points)
            return
        for index in range(len(points[0].uses)):
            new = self.keep(points, index)
            if self._corrected([part.piece for part in new], points):
                for part, several in new.items():
                    del self.seen[part.piece][-len(several) :]
                for point in points:
                    cast("Lane", point.lane).again(point)
                self.keep(points, index)

    def gates(self, points: list[Point]) -> None:
        """The same of a recurrent layer, whose inputs' products are only scaled."""
        self.layers(points, self._layer)

    def _layer(self, several: Sequence[GatesAt], layer: Layer, index: int, data: Sequence[Tensor]) -> list[Ran]:
        reads = [reading(gates, layer, each, index) for gates, each in zip(several, data, strict=True)]
        rans = _ran(several, layer, reads)
        for _ in range(_MOST_RUNS):
            factors = self._steps(several, layer, rans)
            if not factors:
                break
            for piece, factor in factors.items():
                self._write(piece, factor)
            reads = [_times(read, layer.names[0], factors) for read in reads]
            rans = _ran(several, layer, reads)
        self.keep_gates(several, layer, rans)
        return rans

    def _steps(self, several: Sequence[GatesAt], layer: Layer, rans: Sequence[Ran]) -> dict[Piece, float]:
        """What the gates of a layer are to be multiplied by, where one is off: each moves the states that all of them read."""
        seen: dict[tuple[Piece, Piece], list[Seen]] = defaultdict(list)
        for gates, ran in zip(several, rans, strict=True):
            for pieces, figure in figures(gates, layer, ran):
                seen[pieces].append(figure)
                self.eps |= dict.fromkeys(pieces, torch.finfo(ran.outputs.dtype).eps)
        spreads = {pieces: spread_of(each, self._statistic) for pieces, each in seen.items()}
        points = [gates.point for gates in several]
        if not any(self._may(pieces[0], spread, points) for pieces, spread in spreads.items()):
            return {}
        off = {
            piece: math.log(spread.std / self.found[piece].target)
            for pieces, spread in spreads.items()
            for piece in pieces
            if pieces[0] in self._alone
        }
        return {piece: math.exp(step) for piece, step in self._step(off).items()}

    def _corrected(self, pieces: Iterable[Piece], points: Sequence[Point]) -> bool:
        """Whether anything was not where it should be, and is now."""
        spreads = {piece: spread_of(self.seen[piece], self._statistic) for piece in pieces}
        wrong = [piece for piece, spread in spreads.items() if self._may(piece, spread, points)]
        for piece in wrong:
            self._write(piece, cast("float", spreads[piece].factor(self.found[piece].target)))
        return bool(wrong)

    def _may(self, piece: Piece, spread: Spread, points: Sequence[Point]) -> bool:
        """Whether a piece is not where it should be, and may be corrected here."""
        if piece not in self._alone:
            return False
        target, value = self.found[piece].target, self._weights.held(piece.name)
        off = abs(spread.std - target) > slack_of(self, piece, target)
        return off and spread.factor(target) is not None and all(shares_memory(value, point.args) for point in points)

    def _write(self, piece: Piece, factor: float) -> None:
        self._weights.times(piece, piece.name, factor, again=self._again)
        self.found[piece] = replace(self.found[piece], factor=self.found[piece].factor * factor)


def _ran(several: Sequence[GatesAt], layer: Layer, reads: Sequence[Reading]) -> list[Ran]:
    return [run_steps(gates, layer, read) for gates, read in zip(several, reads, strict=True)]


def _times(read: Reading, name: str, factors: Mapping[Piece, float]) -> Reading:
    units = torch.ones(read.inputs.shape[-1], device="cpu")
    for piece, factor in factors.items():
        for a, b in (piece.spans or ((0, len(units)),)) if piece.name == name else ():
            units[a:b] = factor
    return read.times(units)


def alone_in(ways: Sequence[Way], carriers: Mapping[str, str]) -> set[Piece]:
    """The pieces that one operation reads, where they lie, and nothing else."""
    first, *others = (_alone(way, carriers) for way in ways)
    return first.intersection(*others)


def _alone(way: Way, carriers: Mapping[str, str]) -> set[Piece]:
    trace, nodes = way.network.trace, defaultdict[Piece, set[str]](set)
    if trace is None:
        return set()
    for (node, _), parts in way.parts.items():
        for part in parts:
            nodes[part.piece].add(node)
    ends: dict[str, set[str]] = defaultdict(set)
    for use in way.network.uses:
        ends[use.name].add(use.node if use.layout not in {"lookup", "added"} else "")
    held = dict(zip(trace.parameters, trace.graph.graph.nodes, strict=False))
    plain = {name for name, several in ends.items() if carriers.get(name) == name and _only(held[name], several)}
    return {piece for piece, several in nodes.items() if len(several) == 1 and piece.name in plain}


def _only(node: fx.Node, ends: set[str]) -> bool:
    """Whether all that reads a value are these operations, by way of views."""
    return all(user.name in ends or (op_name(user) in _VIEWS and _only(user, ends)) for user in node.users)
