"""Figures of every unit of an output, part after part: no second output is written to memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Elements of a part: on a CPU few enough to stay in the cache, elsewhere enough to keep the device at work.
_NEAR, _FAR = 1 << 18, 1 << 24
# Of fewer elements a second copy is in the cache as well.
_LITTLE = 1 << 16
# Sums of squares are trusted while they neither overflow nor vanish, and while the way from a unit's centre to its mean is not
# most of them: what is left of their roundings is then below ten of them.
_LEAST, _MOST, _OFF_CENTRE = 2.0**-40, 2.0**40, 9.0


class Parts:
    """An output of two axes or more, less its bias, in parts that are wide enough to be summed.

    Args:
        output: What is read; it is not changed.
        axis: The units', counted from the front.
        bias: What is subtracted, if anything.
    """

    def __init__(self, output: Tensor, axis: int, bias: Tensor | None = None) -> None:
        self._output, self._bias, self._axis = output, bias, axis
        self._reduced = [place for place in range(output.ndim) if place != axis]
        self._cut = max(self._reduced, key=lambda place: (output.shape[place] > 1, output.stride(place)))
        length = output.shape[self._cut]
        least = _NEAR if output.device.type == "cpu" else _FAR
        self._step = min(length, max(1, least * length // output.numel()))
        shape = [self._step if place == self._cut else size for place, size in enumerate(output.shape)]
        self._room = output.new_empty(shape, dtype=torch.promote_types(output.dtype, torch.float32))

    def each(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The parts, one after the other, each with memory of its size, in which it may stand already."""
        for part in self.cut():
            room = self._room.narrow(self._cut, 0, part.shape[self._cut])
            wide = part if part.dtype == room.dtype else room.copy_(part)
            yield (wide if self._bias is None else torch.sub(wide, self._bias, out=room)), room

    def cut(self) -> Iterator[Tensor]:
        """The parts as they stand."""
        length = self._output.shape[self._cut]
        for first in range(0, length, self._step):
            yield self._output.narrow(self._cut, first, min(self._step, length - first))

    def gaps(self, unit: Tensor, enough: float) -> Tensor:
        """For each unit its largest distance from the first, over ``unit``; of the parts until all others have ``enough``."""
        found = unit.new_full((self._output.shape[self._axis],), -math.inf)
        for part, room in self.each():
            distance = torch.sub(part, part.narrow(self._axis, 0, 1).clone(), out=room).abs_().amax(self._reduced)
            found = torch.maximum(found, distance / unit)
            if bool((found[1:] > enough).all()):
                break
        return found

    def sizes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Largest magnitude, and the sums of the magnitudes and of their squares."""
        kept = [(each.amax(), each.sum(), each.square_().sum()) for each in map(self._magnitude, self.each())]
        largest, sums, squares = (torch.stack(list(each)) for each in zip(*kept, strict=True))
        return largest.amax(), sums.double().sum(), squares.double().sum()

    @staticmethod
    def _magnitude(part: tuple[Tensor, Tensor]) -> Tensor:
        return torch.abs(part[0], out=part[1])

    def read(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Largest magnitude; and a centre of each unit, its first part's mean, and the means of distances from it and of their squares.

        In one go: by squares about zero a unit whose mean is most of it would have to be read twice more.
        """
        ends, sums, squares = list[Tensor](), list[Tensor](), list[Tensor]()
        centre: Tensor | None = None
        for part, room in self.each():
            ends += torch.aminmax(part)
            if centre is None:
                centre = self._sum(part) / max(1, part.numel() // part.shape[self._axis])
            apart = torch.sub(part, self._along(centre), out=room)
            sums.append(self._sum(apart))
            squares.append(self._sum(apart.square_()))
        about = cast("Tensor", centre).cpu().double()
        return torch.stack(ends).abs().amax(), about, self._mean(sums), self._mean(squares)

    def exact(self, largest: float) -> tuple[Tensor, Tensor]:
        """Mean and variance over the largest magnitude, the mean first."""
        scale = largest or 1.0
        mean = self._mean([self._sum(torch.div(part, scale, out=room)) for part, room in self.each()])
        centre = self._along(mean.to(self._room))
        squares = (torch.div(part, scale, out=room).sub_(centre).square_() for part, room in self.each())
        return mean, self._mean([self._sum(part) for part in squares])

    def _along(self, units: Tensor) -> Tensor:
        return units.reshape([-1 if place == self._axis else 1 for place in range(self._output.ndim)])

    def _sum(self, part: Tensor) -> Tensor:
        return part.sum(self._reduced)

    def _mean(self, sums: Sequence[Tensor]) -> Tensor:
        count = self._output.numel() // self._output.shape[self._axis]
        return torch.stack(list(sums)).cpu().double().sum(0) / count


def worth_parts(value: Tensor) -> bool:
    """True for a value on the CPU that is longer than its part: there the host waits for no device."""
    plain = value.is_floating_point() and value.element_size() > 1 and value.layout == torch.strided
    return plain and value.device.type == "cpu" and value.numel() > _LITTLE


def plain_size(largest: float) -> bool:
    """True where squares of values of this size can be summed as they are."""
    return _LEAST < largest < _MOST


def by_units(output: Tensor, bias: Tensor | None, axis: int) -> tuple[float, Tensor, Tensor]:
    """Largest magnitude, and mean and variance of each unit, of an output less its bias; float64 on the CPU.

    Args:
        output: What is read, of two axes or more; it is not changed.
        bias: What is subtracted: as many axes, of which the units' alone is longer than 1; ``None`` for nothing.
        axis: The units', counted from the front.
    """
    if not output.numel():
        nothing = torch.zeros(1, dtype=torch.float64, device="cpu")
        return 0.0, nothing, nothing
    parts = Parts(output, axis, bias)
    size, centre, off, squares = parts.read()
    largest, mean, var = float(size), centre + off, squares - off.square()
    if plain_size(largest) and bool((off.square() <= _OFF_CENTRE * var).all()):
        return largest, mean, var
    if not math.isfinite(largest):
        return largest, mean, var
    mean, var = parts.exact(largest)
    return largest, mean * largest, var * largest**2
