"""One sweep of the batches over their graphs: with which values, and what for."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.calibrate._lanes import Lane, sweep
from initium.calibrate._masks import check_masks
from initium.calibrate._order import order_of
from initium.calibrate._pieces import parts_of
from initium.calibrate._resident import Resident
from initium.calibrate._targets import streams_of
from initium.errors import TraceError
from initium.network import tensors_in, unchanged
from initium.random import hand_back
from initium.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._figures import Statistic
    from initium.calibrate._lanes import Point
    from initium.calibrate._order import Step
    from initium.calibrate._pieces import Part
    from initium.calibrate._targets import Branches, Ends
    from initium.network import Batch, Network, Trace


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
    lanes, resident = list[Lane](), Resident()
    made = settle()
    with unchanged(model), torch.no_grad():
        tensors: list[Sequence[Tensor]] = []
        for way in ways:
            traced = cast("Trace", way.network.trace)
            tensors.append([each for several in traced.bind(model, way.batch, values) for each in several])
            choices = traced.choices if kept else {}
            lane = partial(Lane, way.network, way.parts, way.order, watched=way.watched, mask=way.mask)
            lanes.append(lane(choices=choices, exact=exact, resident=resident))
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


def samples_of(batch: Batch) -> int:
    """The length of the first axis of its first tensor."""
    return next((each.shape[0] for each in tensors_in((batch.args, dict(batch.kwargs))) if each.ndim), 0)


def ways_of(batches: Sequence[Batch], masks: Sequence[Tensor | None], networks: Sequence[Network]) -> list[Way]:
    """Each batch with the graph of its shapes; what is read off a graph is read once."""
    known = {id(network): (parts_of(network), streams_of(network), order_of(network)) for network in networks}
    return [
        Way(batch, mask, network, *known[id(network)])
        for batch, mask, network in zip(batches, masks, networks, strict=True)
    ]
