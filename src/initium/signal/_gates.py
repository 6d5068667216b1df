"""Recurrent layers: what each gate computes, step by step, on the layer's real hidden states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn_tanh": ("",), "rnn_relu": ("",)}


@dataclass(frozen=True, slots=True)
class Layer:
    """One direction of one layer: the places of its tensors among the operation's, and the names of its matrices.

    Attributes:
        places: Of the input's weight, the state's weight, their biases and the projection; -1 for none.
        names: Of the input's and the state's weight, and of the projection.
        number: The layer's.
        reverse: True for the way back.
    """

    places: tuple[int, int, int, int, int]
    names: tuple[str, str, str]
    number: int
    reverse: bool


class Gates:
    """A recurrent operation with its weights in a list that may be changed before it runs.

    Args:
        op: Its plain name.
        given: Its arguments.
        names: Of its matrices, in the order in which it takes them.

    Attributes:
        kind: ``lstm``, ``gru``, ``rnn_tanh`` or ``rnn_relu``.
        weights: Its matrices and biases, as the operation takes them.
    """

    def __init__(self, op: str, given: Sequence[Any], names: Sequence[str]) -> None:
        self._given, self._names = tuple(given), tuple(names)
        self.cell = op.endswith("_cell")
        self.kind = op.removesuffix("_cell")
        lists = [index for index, each in enumerate(given) if isinstance(each, list | tuple)]
        self._at = 2 if self.cell else lists[-1]
        self.weights = list(given[2:6] if self.cell else given[self._at])
        # Whether it has biases, its layers, dropout and mode, whether it goes both ways, whether the batch comes first.
        self._flags: list[Any] = [] if self.cell else list(given[self._at + 1 :])
        self._random: Tensor | None = None
        self.packed = not self.cell and isinstance(given[1], Tensor) and given[1].dtype == torch.int64

    def some(self, samples: int, steps: int) -> Gates:
        """The same operation on the first samples and steps alone, in single precision or better, with no gradient."""
        given = [_wide(each) for each in self._given]
        if self.packed:
            sizes = given[1].clamp(max=samples)[:steps]
            begins = given[1].cumsum(0) - given[1]
            rows = [torch.arange(int(a), int(a + n), device="cpu") for a, n in zip(begins, sizes, strict=False)]
            given[0], given[1] = given[0][torch.cat(rows).to(given[0].device)], sizes
        elif self.cell:
            given[0] = given[0][:samples] if given[0].ndim > 1 else given[0]
        elif given[0].ndim < 3:  # noqa: PLR2004 - time and features, without a batch
            given[0] = given[0][:steps]
        else:
            given[0] = given[0][:samples, :steps] if self._flags[5] else given[0][:steps, :samples]
        place = 2 if self.packed else 1
        states = given[place] if isinstance(given[place], list | tuple) else [given[place]]
        axis, most = (0, 2) if self.cell else (1, 3)
        cut = [each.narrow(axis, 0, min(samples, each.shape[axis])) if each.ndim >= most else each for each in states]
        given[place] = cut if isinstance(given[place], list | tuple) else cut[0]
        return Gates(f"{self.kind}_cell" if self.cell else self.kind, given, self._names)

    def layers(self) -> list[Layer]:
        """In the order in which they run; the uses at the node are its matrices in their order."""
        names = iter(self._names)
        biased, both = (len(self.weights) > 2, False) if self.cell else (self._flags[0], self._flags[4])  # noqa: PLR2004
        projected = self.kind == "lstm" and not self.cell and self._projected(biased=bool(biased))
        each = 2 + 2 * bool(biased) + projected
        made: list[Layer] = []
        for index, start in enumerate(range(0, len(self.weights), each)):
            beside = (start + 2, start + 3) if biased else (-1, -1)
            places = (start, start + 1, beside[0], beside[1], start + each - 1 if projected else -1)
            named = (next(names, ""), next(names, ""), next(names, "") if projected else "")
            made.append(Layer(places, named, index // (2 if both else 1), bool(both) and index % 2 == 1))
        return made

    def _projected(self, *, biased: bool) -> bool:
        after = 4 if biased else 2
        rows = self.weights[0].shape[0]
        return len(self.weights) > after and self.weights[after].ndim > 1 and self.weights[after].shape[0] != rows

    def sizes(self) -> list[int]:
        """How many sequences each step has."""
        if self.packed:
            return [int(each) for each in self._given[1]]
        data = cast("Tensor", self._given[0])
        if self.cell:
            return [len(data) if data.ndim > 1 else 1]
        steps = 1 if data.ndim > 2 and self._flags[5] else 0  # noqa: PLR2004 - batch, time and features
        return [data.shape[1 - steps] if data.ndim > 2 else 1] * data.shape[steps]  # noqa: PLR2004

    def data(self) -> Tensor:
        """The input, step after step in one table."""
        given = cast("Tensor", self._given[0])
        given = given if self.packed else self.by_step(given)
        return given.reshape(-1, given.shape[-1])

    def by_step(self, given: Tensor) -> Tensor:
        """What begins with batch and time as the input does, or, without a batch, with time: the time first."""
        first = not self.cell and cast("Tensor", self._given[0]).ndim > 2 and bool(self._flags[5])  # noqa: PLR2004
        return given.transpose(0, 1) if first else given

    def begins(self, index: int) -> tuple[Tensor, Tensor]:
        """State and cell state before the first step."""
        given: Any = self._given[2 if self.packed else 1]
        states = list(given) if isinstance(given, list | tuple) else [given, given]
        if self.cell:
            return tuple(each.reshape(-1, each.shape[-1]) for each in states)  # pyright: ignore[reportReturnType]
        return tuple(each[index].reshape(-1, each.shape[-1]) for each in states)  # pyright: ignore[reportReturnType]

    def between(self, outputs: Tensor) -> Tensor:
        """What the next layer reads: dropped out as the operation will do it, by the same random numbers."""
        rate, train = (0.0, False) if self.cell else (float(self._flags[2]), bool(self._flags[3]))
        if not (train and rate):
            return outputs
        with torch.random.fork_rng(devices=[outputs.device.index or 0] if outputs.is_cuda else []):
            source = _source(outputs)
            if self._random is not None:
                source.set_rng_state(self._random)
            made = F.dropout(outputs, rate, training=True)
            self._random = source.get_rng_state()
        return made

    def gives(self, outputs: Tensor, ends: Sequence[tuple[Tensor, Tensor]]) -> Tensor | tuple[Tensor, ...]:
        """What the operation gives: of the states of its last layer, step after step, and of where every layer ends.

        The random state is then where the operation would have left it.
        """
        given = cast("Tensor", self._given[0])
        if self._random is not None:
            _source(outputs).set_rng_state(self._random)
        if self.cell:
            state, cell = (each.reshape(*given.shape[:-1], -1) for each in ends[0])
            return (state, cell) if self.kind == "lstm" else state
        batched = self.packed or given.ndim > 2  # noqa: PLR2004 - batch, time and features
        last = [torch.stack(each) if batched else torch.cat(each) for each in zip(*ends, strict=True)]
        if not self.packed and batched:
            outputs = self.by_step(outputs.reshape(len(self.sizes()), -1, outputs.shape[-1]))
        return (outputs, *last) if self.kind == "lstm" else (outputs, last[0])


def _source(value: Tensor) -> Any:  # noqa: ANN401 - a module
    return torch.cuda if value.is_cuda else torch


def _wide(value: Any) -> Any:  # noqa: ANN401 - an argument of an operation
    if isinstance(value, list | tuple):
        return [_wide(each) for each in cast("list[Any]", value)]
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().to(torch.promote_types(value.dtype, torch.float32))
    return value
