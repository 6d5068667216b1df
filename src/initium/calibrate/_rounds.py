"""The sweeps that find the factors: one, or one more for every correction of a weight that is used again."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.calibrate._figures import spread_of
from initium.calibrate._lanes import Lane, sweep
from initium.calibrate._masks import check_masks
from initium.calibrate._moved import Moved
from initium.calibrate._order import order_of
from initium.calibrate._pieces import parts_of
from initium.calibrate._seek import Seeking
from initium.calibrate._targets import streams_of, target_of
from initium.calibrate._walks import Seeing, Settling
from initium.errors import TraceError
from initium.network import unchanged
from initium.random import hand_back
from initium.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice
    from initium.calibrate._figures import Statistic
    from initium.calibrate._lanes import Point
    from initium.calibrate._order import Step
    from initium.calibrate._pieces import Part, Piece
    from initium.calibrate._targets import Branches, Ends
    from initium.network import Batch, Network, Trace

# A correction below the first needs no sweep of its own, one below the second is none; and the most sweeps.
_NEAR, _EXACT, MOST_ROUNDS = 1e-2, 1e-5, 16
# A factor's change by which it is seen what it does; and of how many that is tried, each on a sixteenth of the samples.
_NUDGE, _MOST_NUDGES = 1.02, 12


@dataclass(frozen=True, slots=True)
class Way:
    """A batch and the graph that it runs on.

    Attributes:
        batch: The batch.
        mask: Which of its positions count.
        network: What was read with a batch of its shapes.
        parts: What every use is made of.
        streams: The residual streams.
        order: The order in which its operations run.
    """

    batch: Batch
    mask: Tensor | None
    network: Network
    parts: Mapping[tuple[str, str], tuple[Part, ...]]
    streams: dict[int, Ends]
    order: Sequence[Step]

    @property
    def watched(self) -> set[str]:
        """The nodes at which a stream begins and ends."""
        return {node for ends in self.streams.values() for node in (ends.start, ends.end)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call asks for.

    Attributes:
        target: The figure that every output gets.
        statistic: Which figure.
        branches: What the ends of residual branches get.
    """

    target: float
    statistic: Statistic
    branches: Branches


def ran(
    model: nn.Module,
    ways: Sequence[Way],
    values: Mapping[str, Tensor],
    settle: Callable[[], Any],
    *,
    exact: bool = False,
) -> tuple[Any, list[Lane]]:
    """One sweep with these values in the place of the model's, drawing from the random state of the call; changes nothing.

    Where other sizes would be chosen than were met while tracing, the choices are kept as they were then.
    """
    hand_back()  # what the draws and the sweep before have freed
    try:
        return _swept(model, ways, values, settle, exact=exact, kept=False)
    except TraceError:
        if not any(cast("Trace", way.network.trace).choices for way in ways):
            raise
    return _swept(model, ways, values, settle, exact=exact, kept=True)


def _swept(
    model: nn.Module,
    ways: Sequence[Way],
    values: Mapping[str, Tensor],
    settle: Callable[[], Any],
    *,
    exact: bool,
    kept: bool,
) -> tuple[Any, list[Lane]]:
    lanes: list[Lane] = []
    made = settle()
    with unchanged(model), torch.no_grad():
        tensors: list[Sequence[Tensor]] = []
        for way in ways:
            traced = cast("Trace", way.network.trace)
            tensors.append([each for several in traced.bind(model, way.batch, values) for each in several])
            choices = traced.choices if kept else {}
            lane = Lane(
                way.network, way.parts, way.order, watched=way.watched, mask=way.mask, choices=choices, exact=exact
            )
            lanes.append(lane)
        uses = len({use.node for use in ways[0].network.uses})
        with progress(f"{len(ways)} batches", uses) if len(ways) > 1 else nullcontext() as tick:
            sweep(lanes, tensors, made if tick is None else _ticking(made, tick))
    check_masks([lane.counting for lane in lanes])
    return made, lanes


def _ticking(settle: Callable[[list[Point]], None], tick: Callable[[str], None]) -> Callable[[list[Point]], None]:
    def settled_one(points: list[Point]) -> None:
        settle(points)
        tick("")

    return settled_one


def settled(
    model: nn.Module,
    ways: Sequence[Way],
    start: Callable[[], Mapping[str, Tensor]],
    choices: Mapping[str, Choice],
    wanted: Wanted,
    *,
    given: Mapping[Piece, float],
    few: Sequence[Way] = (),
) -> Iterator[tuple[Settling, int]]:
    """What sweeps over a start found, and how many they were: each time that all factors are worth checking.

    One sweep finds those of weights that are used once. Of one that is used again the next use is not known at the first:
    it is corrected, and the sweep made anew, until the correction is small enough to be trusted. The first sweep has the
    factors that are ``given``, and where there are ways of a ``few`` samples those that are right for these.
    """
    seeking: Seeking[Piece] = Seeking(lambda piece: len(choices[piece.name].uses))
    moved = Moved()
    for samples in (few, ways) if few else (ways,):
        target = partial(
            target_of, target=wanted.target, branches=wanted.branches, streams=[way.streams for way in samples]
        )
        seeking.anew()
        moved.anew()

        def swept(given: Mapping[Piece, float]) -> tuple[Settling, dict[Piece, float]]:
            settle = partial(Settling, choices, wanted.statistic, target, dict(given))  # noqa: B023 - called in its turn
            made, _ = ran(model, samples, start(), settle)  # noqa: B023
            made.close()
            return made, _off(made, samples, choices, wanted.statistic)  # noqa: B023

        for sweeps in range(1, MOST_ROUNDS + 1):
            made, off = swept(given)
            given = _sought(seeking, made, off)
            moved.hear(made.found, given)
            largest = max(map(abs, off.values()), default=0.0)
            near = largest < _NEAR or sweeps == MOST_ROUNDS
            if near and samples is few:
                if not any(use.layout == "gates" for piece in off for use in choices[piece.name].uses):  # two by two
                    _nudge(seeking, moved, made, off, swept)
                break
            if near:
                made.found |= moved.on(made.found, given)
                for piece in off:
                    made.found[piece] = replace(made.found[piece], factor=given[piece])
                yield made, sweeps
                if largest <= _EXACT:
                    return  # another sweep would find the same


def _nudge(
    seeking: Seeking[Piece],
    moved: Moved,
    made: Settling,
    off: Mapping[Piece, float],
    swept: Callable[[Mapping[Piece, float]], tuple[Settling, dict[Piece, float]]],
) -> None:
    """Learns what each factor does to all figures, by a sweep over a few samples for each."""
    base = {piece: made.found[piece].factor for piece in off}
    for piece in off if 1 < len(off) <= _MOST_NUDGES else ():
        tried = {**base, piece: base[piece] * _NUDGE}
        other, there = swept(tried)
        if there.keys() != off.keys():
            return
        for found, factors, figures in ((other.found, tried, there), (made.found, base, off)):
            seeking.hear({each: math.log(factor) for each, factor in factors.items()}, figures)
            moved.hear(found, factors)


def _sought(seeking: Seeking[Piece], made: Settling, off: Mapping[Piece, float]) -> dict[Piece, float]:
    """The factors to try next of the weights that are used again; as they are where none is off."""
    tried = {piece: made.found[piece].factor for piece in off}
    if all(abs(value) <= _EXACT for value in off.values()):
        return tried
    logs = seeking.next({piece: math.log(factor) for piece, factor in tried.items()}, off)
    return {piece: math.exp(log) for piece, log in logs.items()}


def _off(
    made: Settling, ways: Sequence[Way], choices: Mapping[str, Choice], statistic: Statistic
) -> dict[Piece, float]:
    """How far the pooled figure of each weight that is used again is from its target, in its logarithm."""
    far: dict[Piece, float] = {}
    for piece, one in made.found.items():
        if not one.note and len(choices[piece.name].uses) > 1 and len(made.seen[piece]) > len(ways):
            figure = spread_of(made.seen[piece], statistic).at(one.factor)
            if math.isfinite(figure) and figure > 0:
                far[piece] = math.log(figure / one.target)
    return far


def verified(model: nn.Module, ways: Sequence[Way], values: Mapping[str, Tensor]) -> tuple[Seeing, list[Lane]]:
    """A plain pass with the values as they will be written."""
    return ran(model, ways, values, Seeing, exact=True)


def ways_of(batches: Sequence[Batch], masks: Sequence[Tensor | None], networks: Sequence[Network]) -> list[Way]:
    """Each batch with the graph of its shapes; what is read off a graph is read once."""
    known = {id(network): (parts_of(network), streams_of(network), order_of(network)) for network in networks}
    return [
        Way(batch, mask, network, *known[id(network)])
        for batch, mask, network in zip(batches, masks, networks, strict=True)
    ]
