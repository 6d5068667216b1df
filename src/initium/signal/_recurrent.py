"""What recurrent layers do on the steps inside their operation: where their gates stand, and what the steps multiply."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from initium.records import GateRow, StateRow
from initium.signal._cotangent import cotangent
from initium.signal._gates import LABELS, Gates
from initium.signal._moments import all_moments, unit_moments
from initium.signal._states import run_layer, walked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from initium.signal._gates import Layer
    from initium.signal._states import Ran

_SAMPLES, _STEPS = 32, 128
# A change that is small beside the states, and large beside the rounding of float32.
_NUDGE = 1e-4
_FLAT = 1 / 20
_UNGATED = frozenset({"rnn_tanh", "rnn_relu"})
_CANDIDATES = frozenset({"g", "n", ""})

Made = tuple["Callable[..., GateRow | StateRow]", "Mapping[str, Tensor]"]


def recurrent_figures(op: str, given: Sequence[Any], names: Sequence[str]) -> Iterator[Made]:
    """A row for each gate and each layer of a recurrent operation, in want of its figures, which stay on their device.

    Args:
        op: Its plain name.
        given: Its arguments.
        names: Of its matrices, in the order in which it takes them.
    """
    with torch.no_grad():
        gates = Gates(op, given, names).some(_SAMPLES, _STEPS)
        if not gates.sizes() or not gates.data().numel():
            return
        lane = walked(gates)
        layer, index, data = next(lane)
        while True:
            ran = run_layer(gates, layer, data, index)
            yield from _gates(op, gates, layer, ran)
            yield _state(op, gates, layer, index, (data, ran))
            try:
                layer, index, data = lane.send(ran)
            except StopIteration:
                return


def _gates(op: str, gates: Gates, layer: Layer, ran: Ran) -> Iterator[Made]:
    labels, whole = LABELS[gates.kind], ran.products + ran.added
    for label, before in zip(labels, whole.chunk(len(labels), -1), strict=True):
        moments = unit_moments(before, -1)
        low, high = _ends(gates.kind, label, before)
        yield (
            partial(GateRow, name=layer.names[0], state=layer.names[1], op=op, gate=label),
            {
                "saturated": (low | high).to(before.dtype).mean(),
                "shut": low.to(before.dtype).mean(),
                "offset": moments.largest * moments.mean.square().mean().sqrt(),
                "std": moments.unit_std,
            },
        )


def _ends(kind: str, label: str, before: Tensor) -> tuple[Tensor, Tensor]:
    """Where a gate is flat, at its lower and at its upper end; a rectifier is flat below, by right."""
    if kind == "rnn_relu":
        return torch.zeros_like(before, dtype=torch.bool), torch.zeros_like(before, dtype=torch.bool)
    if label in _CANDIDATES:
        flat = 1 - before.tanh().square() < _FLAT
    else:
        opened = before.sigmoid()
        flat = 4 * opened * (1 - opened) < _FLAT
    return flat & (before < 0), flat & (before > 0)


def _state(op: str, gates: Gates, layer: Layer, index: int, ran: tuple[Tensor, Ran]) -> Made:
    data, here = ran
    states, sizes = all_moments(here.outputs), gates.sizes()
    made = partial(StateRow, name=layer.names[0], state=layer.names[1], op=op, steps=len(sizes))
    return made, {
        "reads": unit_moments(data, -1).unit_std,
        "rms": states.rms,
        "unit_std": unit_moments(here.outputs, -1).unit_std,
        "growth": _growth(gates, layer, index, (data, here), states.rms),
    }


def _growth(gates: Gates, layer: Layer, index: int, ran: tuple[Tensor, Ran], rms: Tensor) -> Tensor:
    """The layer is run again from a first state that is a little off: how far off is the last?"""
    data, here = ran
    sizes = gates.sizes()
    nudge = _NUDGE * rms * cotangent(here.outputs[0], index)
    if gates.kind in _UNGATED and layer.places[-1] < 0:
        return _carried(gates, layer, here.outputs, nudge) / _size(nudge)
    there = run_layer(gates, layer, data, index, nudge=nudge)
    last = slice(0, sizes[0]) if layer.reverse else slice(sum(sizes) - sizes[-1], None)
    return _size(there.outputs[last] - here.outputs[last]) / _size(nudge)


def _size(value: Tensor) -> Tensor:
    return value.square().mean().sqrt().clamp(min=torch.finfo(value.dtype).tiny)


def _carried(gates: Gates, layer: Layer, states: Tensor, nudge: Tensor) -> Tensor:
    """How far off the last state is, to first order: without gates a step multiplies by its weight and its slope.

    No rounding of the states stands in the way, so that what is forgotten is told down to the smallest numbers.
    """
    weight, sizes = gates.weights[layer.places[1]], gates.sizes()
    off, at = nudge.expand(sizes[-1 if layer.reverse else 0], -1), sum(sizes) if layer.reverse else 0
    for size in reversed(sizes) if layer.reverse else sizes:
        at -= size if layer.reverse else 0
        state = states[at : at + size]
        slope = (state > 0).to(state.dtype) if gates.kind == "rnn_relu" else 1 - state.square()
        begun = off[:size] if size <= len(off) else torch.cat([off, off.new_zeros(size - len(off), off.shape[1])])
        off = slope * (begun @ weight.T)
        at += 0 if layer.reverse else size
    return off.abs().amax() * _size(off / off.abs().amax().clamp(min=torch.finfo(off.dtype).tiny))
