"""A recurrent operation where the lanes stop, the figures of each of its gates, and what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from initium.calibrate._figures import seen_of
from initium.calibrate._pieces import Piece
from initium.network import op_name
from initium.signal import LABELS, Gates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.calibrate._figures import Seen
    from initium.calibrate._lanes import Point
    from initium.signal import Layer, Ran


class GatesAt(Gates):
    """The operation at a point, which is run with the weights as they are changed."""

    def __init__(self, point: Point) -> None:
        super().__init__(op_name(point.node), point.args, [use.name for use in point.uses])
        self.point = point
        self._number, self._outputs, self._ends = 0, list[Tensor](), list[tuple[Tensor, Tensor]]()

    def keep(self, layer: Layer, ran: Ran) -> None:
        """Hears what the next layer computed."""
        if layer.number != self._number:
            self._number, self._outputs = layer.number, []
        self._outputs.append(ran.outputs)
        self._ends.append(ran.ends)

    def result(self) -> Tensor | tuple[Tensor, ...]:
        """What the operation gives, after its last layer."""
        return self.gives(torch.cat(self._outputs, -1), self._ends)

    def counts(self) -> Tensor | None:
        """Which rows of the table of steps count; ``None`` for all, as in packed sequences, which hold no padding."""
        if self.packed:
            return None
        found = self.point.lane.counting.at(self.point.args[0], -1, self.point.uses[0].name)
        return found if found is None else self.by_step(found).reshape(-1)


def figures(gates: GatesAt, layer: Layer, ran: Ran, every: int = 1) -> Iterator[tuple[tuple[Piece, Piece], Seen]]:
    """The figures of each gate on every so many-th sequence, with the pieces of both weights that make it."""
    labels = LABELS[gates.kind]
    units = ran.products.shape[-1] // len(labels)
    counts = gates.counts() if every == 1 else None
    terms = sum(gates.weights[place].shape[-1] for place in layer.places[:2])
    for place, label in enumerate(labels):
        rows = slice(place * units, (place + 1) * units)
        added = ran.added[..., rows].reshape(-1, units)
        seen = seen_of(ran.products[:, rows] + added, added, -1, terms, counts)
        spans = ((rows.start, rows.stop),) if label else ()
        here = [Piece(name, 0, spans, f"gate {label}" if label else "") for name in layer.names[:2]]
        yield (here[0], here[1]), seen
