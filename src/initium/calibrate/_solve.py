"""The factors of a recurrent layer: its states depend on them, so they are sought by running it."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from initium.calibrate._pieces import Piece
from initium.calibrate._seek import Seeking
from initium.calibrate._states import figures
from initium.signal import walked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.calibrate._figures import Seen
    from initium.calibrate._found import Found
    from initium.calibrate._states import GatesAt
    from initium.signal import Layer, Ran

# A layer's factors stand still when no gate moves by more; where they do not, its rows say what the check measured.
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
    factors, seeking = dict(known), dict[Piece, Seeking]()
    for _ in range(0 if known else 1 if once else _MOST_RUNS):
        rans = run()
        steps = _steps(several, layer, rans, found)
        for piece, step in steps.items():
            before = factors.get(piece, replace(step, factor=1.0))
            sought = seeking.setdefault(piece, Seeking(len(several[0].sizes()), alone=True))
            factors[piece] = replace(
                before, factor=_next(sought, before, step, once=once), note=before.note or step.note
            )
        if all(abs(step.factor - 1) < _STILL for step in steps.values()):
            return factors, rans
        _rescale(several, layer, starts, factors)
    if known:
        _rescale(several, layer, starts, factors)
    return factors, run()


def _next(seeking: Seeking, before: Found, step: Found, *, once: bool) -> float:
    """The factor to try after one that gave this."""
    if once or step.note or step.before <= 0 or abs(step.factor - 1) < _STILL:
        return before.factor * step.factor
    seeking.hear(math.log(before.factor), math.log(step.before / step.target))
    return math.exp(seeking.next)


def _rescale(
    several: Sequence[GatesAt], layer: Layer, starts: Sequence[Sequence[Any]], factors: Mapping[Piece, Found]
) -> None:
    for gates, start in zip(several, starts, strict=True):
        for place, name in zip(layer.places[:2], layer.names, strict=False):
            gates.weights[place] = _times(start[place], factors, name)


def _steps(
    several: Sequence[GatesAt], layer: Layer, rans: Sequence[Ran], found: Callable[[Sequence[Seen], Piece], Found]
) -> dict[Piece, Found]:
    """What each gate is to be multiplied by, from where it is now."""
    seen: dict[tuple[Piece, Piece], list[Seen]] = defaultdict(list)
    for gates, ran in zip(several, rans, strict=True):
        for pieces, figure in figures(gates, layer, ran):
            seen[pieces].append(figure)
    return {piece: found(figure, pieces[0]) for pieces, figure in seen.items() for piece in pieces}


def _times(weight: Tensor, factors: Mapping[Piece, Found], name: str) -> Tensor:
    """A weight with the factors of its gates."""
    made = weight.clone()
    for piece, one in factors.items():
        if piece.name == name:
            piece.scale(made, one.factor)
    return made
