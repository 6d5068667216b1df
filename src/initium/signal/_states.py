"""What a recurrent layer computes, step by step, in torch's own equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Generator

    from initium.signal._gates import Gates, Layer


@dataclass(frozen=True, slots=True)
class Ran:
    """What one layer computed.

    Attributes:
        products: What the weights give, by step, sequence and unit of a gate.
        added: What is added to them, likewise, or once for all steps.
        outputs: The states.
    """

    products: Tensor
    added: Tensor
    outputs: Tensor


def walked(gates: Gates) -> Generator[tuple[Layer, int, Tensor], Ran]:
    """Every layer with its number and its input; what it computed is sent back, and is what the next one reads."""
    data, outputs, number = gates.data(), list[Tensor](), 0
    for index, layer in enumerate(gates.layers()):
        if layer.number != number:
            data, outputs, number = gates.between(torch.cat(outputs, -1)), [], layer.number
        ran = yield layer, index, data
        outputs.append(ran.outputs)


def run_layer(gates: Gates, layer: Layer, data: Tensor, index: int, *, nudge: Tensor | None = None) -> Ran:
    """One direction of a layer, in torch's own equations, with the products of its gates kept.

    ``nudge`` is added to the state, unit by unit, before the first step.
    """
    w, u, b, c, p = (gates.weights[place] if place >= 0 else None for place in layer.places)
    first = cast("Tensor", w)
    bias = first.new_zeros(len(first)) if b is None else cast("Tensor", b)
    beside = torch.zeros_like(bias) if c is None else cast("Tensor", c)
    state, cell = gates.begins(index)
    state = state if nudge is None else state + nudge
    start, start_cell = state, cell
    inputs = data @ first.T
    products, added = torch.empty_like(inputs), torch.empty_like(inputs) if gates.kind == "gru" else bias + beside
    outputs: list[Tensor] = []
    sizes = gates.sizes()
    places = [(sum(sizes[:step]), size) for step, size in enumerate(sizes)] if gates.packed else _even(sizes)
    for at, size in reversed(places) if layer.reverse else places:
        if size > len(state):  # on the way back, shorter sequences begin later
            state = torch.cat([state, start[len(state) : size]])
            cell = torch.cat([cell, start_cell[len(cell) : size]])
        state, cell, here = state[:size], cell[:size], slice(at, at + size)
        step = inputs[here], state @ cast("Tensor", u).T
        state, cell = _step(gates.kind, step, (bias, beside), (state, cell), (products[here], added, here))
        state = state if p is None else state @ cast("Tensor", p).T
        outputs.append(state)
    return Ran(products, added, torch.cat(outputs[::-1] if layer.reverse else outputs))


def _even(sizes: list[int]) -> list[tuple[int, int]]:
    return [(step * size, size) for step, size in enumerate(sizes)]


def _step(
    kind: str,
    products: tuple[Tensor, Tensor],
    biases: tuple[Tensor, Tensor],
    states: tuple[Tensor, Tensor],
    out: tuple[Tensor, Tensor, slice],
) -> tuple[Tensor, Tensor]:
    """One step: the new state and cell state; products and, of a GRU, what is added go into ``out``."""
    (wx, uh), (b, c), (state, cell), (kept, added, here) = products, biases, states, out
    if kind == "gru":
        return _gru_step(products, biases, state, (kept, added[here])), cell
    torch.add(wx, uh, out=kept)
    whole = kept + (b + c)
    if kind != "lstm":
        new = torch.tanh(whole) if kind == "rnn_tanh" else torch.relu(whole)
        return new, cell
    i, f, g, o = whole.chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def _gru_step(
    products: tuple[Tensor, Tensor], biases: tuple[Tensor, Tensor], state: Tensor, out: tuple[Tensor, Tensor]
) -> Tensor:
    (wx, uh), (b, c), (kept, added) = products, biases, out
    torch.add(wx, uh, out=kept)
    added.copy_((b + c).expand_as(added))
    reset, update = torch.sigmoid(kept + added).chunk(3, -1)[:2]
    n = slice(2 * state.shape[-1], None)
    kept[:, n], added[:, n] = wx[:, n] + reset * uh[:, n], b[n] + reset * c[n]
    return (1 - update) * torch.tanh(kept[:, n] + added[:, n]) + update * state
