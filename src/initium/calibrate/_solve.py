"""The factors of a recurrent layer: its states depend on them, so they are sought by running it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from initium.calibrate._seek import Seeking
from initium.calibrate._states import figures
from initium.signal import walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.calibrate._figures import Seen
    from initium.calibrate._found import Found
    from initium.calibrate._pieces import Piece
    from initium.calibrate._states import GatesAt
    from initium.signal import Layer, Ran

# A layer's factors stand still when no gate moves by more, or by more than a step of its precision; where they do not, its
# rows say what the check measured.
_STILL, _MOST_RUNS = 1e-4, 30


def together(several: Sequence[GatesAt], run: Callable[[Layer, int, list[Tensor]], list[Ran]]) -> None:
    """The layers of one operation in all lanes, one after the other."""
    lanes = [walked(gates) for gates in several]
    steps = [next(lane) for lane in lanes]
    while True:
        layer, index, _ = steps[0]
        rans = run(layer, index, [data for _, _, data in steps])
        try:
            steps = [lane.send(ran) for lane, ran in zip(lanes, rans, strict=True)]
        except StopIteration:
            return


def solve(
    several: Sequence[GatesAt],
    layer: Layer,
    run: Callable[[], list[Ran]],
    found: Callable[[Sequence[Seen], Piece], Found],
    known: Mapping[Piece, Found],
    *,
    once: bool,
) -> tuple[dict[Piece, Found], list[Ran]]:
    """The factors of a layer's gates: both weights of a gate get the one that gives what they add up to its statistic.

    The states that they read depend on the factors, so the layer is run until these stand still; ``once`` where they are
    given, and not at all where they are ``known``.
    """
    starts = [list(gates.weights) for gates in several]
    still = max(_STILL, *(torch.finfo(gates.weights[0].dtype).eps for gates in several))
    factors = dict(known)
    seeking: Seeking[Piece] = Seeking(lambda _: len(several[0].sizes()))
    for _ in range(0 if known else 1 if once else _MOST_RUNS):
        rans = run()
        steps, pairs = _steps(several, layer, rans, found)
        tried = {piece: factors[piece].factor if piece in factors else 1.0 for piece in steps}
        for piece, step in steps.items():
            before = factors.get(piece, step)
            factors[piece] = replace(before, factor=tried[piece] * step.factor, note=before.note or step.note)
        if all(abs(step.factor - 1) < still for step in steps.values()):
            return factors, rans
        for piece, factor in ({} if once else _sought(seeking, tried, steps, pairs)).items():
            factors[piece] = replace(factors[piece], factor=factor)
        _rescale(several, layer, starts, factors)
    if known:
        _rescale(several, layer, starts, factors)
    return factors, run()


def _sought(
    seeking: Seeking[Piece], tried: Mapping[Piece, float], steps: Mapping[Piece, Found], pairs: Mapping[Piece, Piece]
) -> dict[Piece, float]:
    """The factors to try next, where the states would not stay as they are; a gate's input speaks for its state too."""
    mine = [piece for piece in pairs if not steps[piece].note and steps[piece].before > 0]
    off = {piece: -math.log(steps[piece].factor) for piece in mine}
    logs = seeking.next({piece: math.log(tried[piece]) for piece in mine}, off) if mine else {}
    return {each: math.exp(log) for piece, log in logs.items() for each in (piece, pairs[piece])}


def _rescale(
    several: Sequence[GatesAt], layer: Layer, starts: Sequence[Sequence[Any]], factors: Mapping[Piece, Found]
) -> None:
    for gates, start in zip(several, starts, strict=True):
        for place, name in zip(layer.places[:2], layer.names, strict=False):
            gates.weights[place] = _times(start[place], factors, name)


def _steps(
    several: Sequence[GatesAt], layer: Layer, rans: Sequence[Ran], found: Callable[[Sequence[Seen], Piece], Found]
) -> tuple[dict[Piece, Found], dict[Piece, Piece]]:
    """What each gate is to be multiplied by, from where it is now; and which pieces of both weights belong together."""
    seen: dict[tuple[Piece, Piece], list[Seen]] = defaultdict(list)
    for gates, ran in zip(several, rans, strict=True):
        for pieces, figure in figures(gates, layer, ran):
            seen[pieces].append(figure)
    return {piece: found(figure, pieces[0]) for pieces, figure in seen.items() for piece in pieces}, dict(seen.keys())


def _times(weight: Tensor, factors: Mapping[Piece, Found], name: str) -> Tensor:
    """A weight with the factors of its gates."""
    made = weight.clone()
    for piece, one in factors.items():
        if piece.name == name:
            piece.scale(made, one.factor)
    return made
