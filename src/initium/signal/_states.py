"""What a recurrent layer computes, step by step, in torch's own equations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
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
        ends: State and cell state after the last step, by sequence.
    """

    products: Tensor
    added: Tensor
    outputs: Tensor
    ends: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the steps of one layer read, save its own states.

    Attributes:
        inputs: What the input's weight gives, step after step in one table.
        begins: State and cell state before the first step.
        sizes: How many sequences each step has.
        every: Of the sequences that there are, every so many-th is here.
    """

    inputs: Tensor
    begins: tuple[Tensor, Tensor]
    sizes: list[int]
    every: int = 1

    def thinned(self, every: int) -> Reading:
        """Every so many-th sequence alone."""
        if every == 1:
            return self
        state, cell = (each[::every] for each in self.begins)
        return Reading(
            self.inputs[rows_of(self.sizes, every).to(self.inputs.device)],
            (state, cell),
            _fewer(self.sizes, every),
            every,
        )

    def times(self, factors: Tensor) -> Reading:
        """With every unit of the input's weight multiplied."""
        return replace(self, inputs=self.inputs * factors.to(self.inputs))


def rows_of(sizes: list[int], every: int) -> Tensor:
    """The rows of a table of steps that belong to every so many-th sequence."""
    begins = [0, *accumulate(sizes)]
    return torch.cat(
        [torch.arange(at, at + size, every, device="cpu") for at, size in zip(begins, sizes, strict=False)]
    )


def _fewer(sizes: list[int], every: int) -> list[int]:
    return [-(-size // every) for size in sizes]


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
    return run_steps(gates, layer, reading(gates, layer, data, index, nudge=nudge))


def reading(gates: Gates, layer: Layer, data: Tensor, index: int, *, nudge: Tensor | None = None) -> Reading:
    """What one direction of a layer reads."""
    state, cell = gates.begins(index)
    state = state if nudge is None else state + nudge
    return Reading(data @ cast("Tensor", gates.weights[layer.places[0]]).T, (state, cell), gates.sizes())


def run_steps(gates: Gates, layer: Layer, read: Reading) -> Ran:
    """The steps of one direction of a layer."""
    _, u, b, c, p = (gates.weights[place] if place >= 0 else None for place in layer.places)
    inputs, sizes = read.inputs, read.sizes
    bias = inputs.new_zeros(inputs.shape[-1]) if b is None else cast("Tensor", b)
    beside = torch.zeros_like(bias) if c is None else cast("Tensor", c)
    (state, cell), (start, start_cell) = read.begins, read.begins
    products, added = torch.empty_like(inputs), torch.empty_like(inputs) if gates.kind == "gru" else bias + beside
    outputs, ended = list[Tensor](), list[tuple[Tensor, Tensor]]()
    places = list(zip([0, *accumulate(sizes)], sizes, strict=False))
    for at, size in reversed(places) if layer.reverse else places:
        if size > len(state):  # on the way back, shorter sequences begin later
            state = torch.cat([state, start[len(state) : size]])
            cell = torch.cat([cell, start_cell[len(cell) : size]])
        elif size < len(state):  # where a sequence ends, its state is its last; on the way back it has not begun
            ended += [] if layer.reverse else [(state[size:], cell[size:])]
        state, cell, here = state[:size], cell[:size], slice(at, at + size)
        step = inputs[here], state @ cast("Tensor", u).T
        state, cell = _step(gates.kind, step, (bias, beside), (state, cell), (products[here], added, here))
        state = state if p is None else state @ cast("Tensor", p).T
        outputs.append(state)
    last, last_cell = (torch.cat(each) for each in zip((state, cell), *reversed(ended), strict=True))
    return Ran(products, added, torch.cat(outputs[::-1] if layer.reverse else outputs), (last, last_cell))


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
