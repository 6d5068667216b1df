"""What is done where the lanes stop: factors are found in one sweep, and what they did is seen in another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from initium.calibrate._figures import seen_of, spread_of
from initium.calibrate._found import Found, check_finite, found
from initium.calibrate._lanes import of_each_lane
from initium.calibrate._pieces import Piece
from initium.calibrate._solve import Gated, together
from initium.calibrate._states import GatesAt, figures
from initium.calibrate._supposed import supposed_of
from initium.network import addend, tensors_in
from initium.signal import reading, run_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from initium.calibrate._choice import Choice
    from initium.calibrate._figures import Seen, Statistic
    from initium.calibrate._lanes import Point
    from initium.calibrate._pieces import Part, Span
    from initium.network import Use
    from initium.signal import Layer, Ran


class Seeing:
    """Looks at every output, and keeps the figures of each piece.

    Attributes:
        seen: By piece the figures of its uses, in all lanes.
        eps: By piece the step of the precision in which its output was computed.
    """

    def __init__(self) -> None:
        self.seen: dict[Piece, list[Seen]] = defaultdict(list)
        self.eps: dict[Piece, float] = {}

    def __call__(self, points: list[Point]) -> None:
        """Looks, and changes nothing."""
        for index, use in enumerate(points[0].uses):
            if use.layout == "gates":
                self.gates(points)
                return
            self.keep(points, index)

    def gates(self, points: list[Point]) -> None:
        """Looks at the gates of a recurrent layer before it runs."""

        def run(several: Sequence[GatesAt], layer: Layer, index: int, data: Sequence[Tensor]) -> list[Ran]:
            rans = [run_layer(gates, layer, each, index) for gates, each in zip(several, data, strict=True)]
            self.keep_gates(several, layer, rans)
            return rans

        self.layers(points, run)

    def layers(
        self,
        points: Sequence[Point],
        run: Callable[[Sequence[GatesAt], Layer, int, Sequence[Tensor]], list[Ran]],
    ) -> None:
        """Runs a recurrent operation layer by layer, all lanes together; the operation gives what they compute."""
        several = [GatesAt(point) for point in points]
        together(several, partial(run, several))
        for gates in several:
            gates.point.result = gates.result()

    def keep_gates(
        self,
        several: Sequence[GatesAt],
        layer: Layer,
        rans: Sequence[Ran],
        factors: Mapping[Piece, float] | None = None,
    ) -> None:
        """The figures of a layer's gates as they were before their factors, and of its projection."""
        for gates, ran in zip(several, rans, strict=True):
            kept: list[tuple[tuple[Piece, ...], Seen]] = [*figures(gates, layer, ran)]
            if layer.names[2]:
                seen = seen_of(ran.outputs, None, -1, gates.weights[0].shape[-1], gates.counts())
                kept.append(((Piece(layer.names[2]),), seen))
            for pieces, seen in kept:
                check_finite(gates.point.uses[0], seen.largest)
                for piece in pieces:
                    self.seen[piece].append(seen.over((factors or {}).get(piece, 1.0)))
                    self.eps[piece] = torch.finfo(ran.outputs.dtype).eps

    def keep(self, points: Sequence[Point], index: int) -> dict[Part, list[Seen]]:
        """The figures of each part of a use, added to those of its piece."""
        new: dict[Part, list[Seen]] = defaultdict(list)
        for point in points:
            use, output = point.uses[index], cast("Tensor", point.output)
            if output.numel() == 0:
                continue
            bias = _bias(point, use, output)
            counts = point.lane.counting.at(output, use.unit_axis, use.name)
            seen = seen_of(output, bias, use.unit_axis, use.fan_in, counts)
            if not seen.count:
                continue
            check_finite(use, seen.largest)
            for part in point.lane.parts[use.node, use.name]:
                new[part].append(seen.of(part.units) if part.units else seen)
                self.eps[part.piece] = torch.finfo(point.dtype).eps
        for part, several in new.items():
            self.seen[part.piece] += several
        return new


class Settling(Seeing):
    """On reaching a weight it rescales the operation's output as if the weight had been rescaled.

    Attributes:
        found: What was found, by piece.
        slopes: How fast the figures of gates that were solved follow the factors, in logarithms.
    """

    def __init__(
        self,
        choices: Mapping[str, Choice],
        statistic: Statistic,
        target: Callable[[Use, Sequence[Point]], float],
        given: Mapping[Piece, float],
    ) -> None:
        super().__init__()
        self.found: dict[Piece, Found] = {}
        self.slopes: dict[Piece, dict[Piece, float]] = {}
        self._open: dict[Piece, float] = {}
        self._choices, self._target, self._given = choices, target, given
        self._statistic: Statistic = statistic

    def __call__(self, points: list[Point]) -> None:
        """Settles each weight at its first use; at the next ones it has its factor."""
        if points[0].uses[0].layout == "gates":
            self.gates(points)
            return
        for index, use in enumerate(points[0].uses):
            new = self.keep(points, index)
            if self._choices[use.name].reason:
                continue
            for part, several in new.items():
                if part.piece not in self.found:
                    self._settle(part.piece, use, several, points)
            if new:
                self._rescale(points, index)
        for point in points:
            point.output = cast("Tensor", point.output).to(point.dtype)

    def close(self) -> None:
        """After a sweep: what no use by itself could settle is settled by all of them, or has the reason why not."""
        for piece, target in self._open.items():
            if piece not in self.found:
                made = found(spread_of(self.seen[piece], self._statistic), target)
                self.found[piece] = replace(made, factor=1.0)  # as all that reads it has seen it

    def _settle(self, piece: Piece, use: Use, several: list[Seen], points: Sequence[Point]) -> None:
        """By this use, or by a later one: a loop may begin with a state of zeros, which no factor changes."""
        made = self._settled(piece, use, several, points)
        if made.note and len(self._choices[use.name].uses) > 1:
            self._open.setdefault(piece, made.target)
        else:
            self.found[piece] = made

    def _settled(self, piece: Piece, use: Use, several: list[Seen], points: Sequence[Point]) -> Found:
        firsts = of_each_lane(points)
        target = self._target(use, firsts)
        spread = spread_of(several, self._statistic)
        if piece in self._given:
            return Found(spread.std, self._given[piece], target)
        supposed = supposed_of(use, self._choices[use.name].uses, firsts, target)
        if supposed:
            spread = spread_of([*several, *supposed], self._statistic)
        return found(spread, target)

    def _rescale(self, points: Sequence[Point], index: int) -> None:
        for point in points:
            use = point.uses[index]
            parts = point.lane.parts[use.node, use.name]
            factors = [(part.units, self.found[part.piece].factor) for part in parts if part.piece in self.found]
            if any(factor != 1 for _, factor in factors):
                output = cast("Tensor", point.output)
                bias = _bias(point, use, output)
                point.output = _rescaled(point, output, bias, _along(output, use.unit_axis, factors))

    def gates(self, points: list[Point]) -> None:
        """Settles the gates of a recurrent layer, and gives it its new weights before it runs."""
        self.layers(points, self._settle_layer)

    def _settle_layer(self, several: Sequence[GatesAt], layer: Layer, index: int, data: Sequence[Tensor]) -> list[Ran]:
        reads = [reading(gates, layer, each, index) for gates, each in zip(several, data, strict=True)]
        points, use = [gates.point for gates in several], several[0].point.uses[0]

        def sought(seen: Sequence[Seen], _: Piece) -> Found:
            check_finite(use, max(each.largest for each in seen))
            return found(spread_of(seen, self._statistic), self._target(use, points))

        gated, names = Gated(several, layer, reads, sought), layer.names[:2]
        known = {piece: one.factor for piece, one in self.found.items() if piece.name in names}
        given = known or {piece: factor for piece, factor in self._given.items() if piece.name in names}
        if any(self._choices[name].reason for name in names):
            rans = gated.run({})
        else:
            factors, rans, slopes = gated.given(given) if given else gated.solve()
            self.found |= {} if known else factors
            self.slopes |= slopes
        self.keep_gates(several, layer, rans, {piece: one.factor for piece, one in self.found.items()})
        return rans


def _bias(point: Point, use: Use, output: Tensor) -> Tensor | None:
    return addend(use, output, point.args, float(cast("float", point.node.kwargs.get("beta", 1.0))))


def _along(output: Tensor, axis: int, factors: Sequence[tuple[tuple[Span, ...], float]]) -> float | Tensor:
    """The factor of every unit, along the axis of units; one number where all have the same."""
    if len(factors) == 1 and not factors[0][0]:
        return factors[0][1]
    made = torch.ones(output.shape[axis], dtype=torch.float64, device="cpu")
    for units, factor in factors:
        for a, b in units:
            made[a:b] = factor
    shape = [1] * output.ndim
    shape[axis] = -1
    return made.to(output.device, torch.promote_types(output.dtype, torch.float32)).reshape(shape)


def _rescaled(point: Point, output: Tensor, bias: Tensor | None, factor: float | Tensor) -> Tensor:
    """``f y + b`` from ``y + b``: in the output's own memory, unless others may see that."""
    wide = torch.promote_types(output.dtype, torch.float32)
    own = output.dtype == wide and output.is_contiguous() and not shares_memory(output, point.args)
    made = output.mul_(factor) if own else output.to(wide) * factor
    return made if bias is None else made.add_((1 - factor) * bias)


def shares_memory(value: Tensor, args: Sequence[object]) -> bool:
    """Whether any of the tensors that an operation reads lies in the memory of a value."""
    memory = value.untyped_storage().data_ptr()
    given = [each for each in tensors_in(args) if each.layout == torch.strided]
    return any(each.untyped_storage().data_ptr() == memory for each in given)
