"""What a parameter's place says of the std that a recipe gives it: fans, depth, index. Shapes and facts only."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.network import fans_along, output_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.network import Facts

_INDEX = re.compile("0|[1-9][0-9]*")
_MATRIX = 2
_WEIGHTS = ("weight", "kernel")


@dataclass(frozen=True, slots=True)
class Fans:
    """One reading of a weight's fans.

    Attributes:
        into: Inputs summed into one output.
        out: Outputs that one input reaches.
        note: Whose reading it is, where it is not the only one.
        axis: The axis that the outputs are on, where the bias leaves it open.
    """

    into: float
    out: float
    note: str = ""
    axis: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter stands.

    Attributes:
        fans: Every reading of its fans, the true one first; none for a vector alone.
        depths: How many parameters of its shape have its name but for one index, where the indices are 0, 1, 2 ...: numbers
            of blocks.
        indices: Its own index in each of these.
        taps: Elements of its kernel.
        axes: What the bias beside it tells of its axes, where that is more than torch's own order.
    """

    fans: tuple[Fans, ...]
    depths: tuple[int, ...]
    indices: tuple[int, ...]
    taps: int = 1
    axes: str = ""


def places(shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Facts]) -> dict[str, Place]:
    """The place of every parameter."""
    indices: defaultdict[tuple[str, tuple[int, ...]], set[int]] = defaultdict(set)
    for name, shape in shapes.items():
        for kind, index in _patterns(name):
            indices[kind, shape].add(index)
    blocks = {kind: len(found) for kind, found in indices.items() if len(found) > 1 and max(found) == len(found) - 1}
    made: dict[str, Place] = {}
    for name, shape in shapes.items():
        repeats = [(blocks[kind, shape], index) for kind, index in _patterns(name) if (kind, shape) in blocks]
        fans = tuple(_fans(name, shape, shapes, facts))
        counts, own = tuple(count for count, _ in repeats), tuple(index for _, index in repeats)
        told = "" if name in facts or len(shape) < _MATRIX else _axes_told(shape, _axes(name, shapes))
        made[name] = Place(fans, counts, own, math.prod(shape[2:]), told)
    return made


def pattern(name: str) -> str:
    """A name without its indices: what parameters of one kind share."""
    return ".".join("*" if _INDEX.fullmatch(part) else part for part in name.split("."))


def _patterns(name: str) -> list[tuple[str, int]]:
    parts = name.split(".")
    return [
        (".".join([*parts[:at], "*", *parts[at + 1 :]]), int(part))
        for at, part in enumerate(parts)
        if _INDEX.fullmatch(part)
    ]


def _fans(
    name: str, shape: tuple[int, ...], shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Facts]
) -> list[Fans]:
    fact = facts.get(name)
    found: list[Fans] = []
    if fact is not None and fact.fan_in and fact.fan_out and len(shape) >= _MATRIX:
        found.append(Fans(float(fact.fan_in), float(fact.fan_out)))
    weight = name if len(shape) >= _MATRIX else _weight_of(name, shapes)
    if weight and len(shapes[weight]) >= _MATRIX:
        gates = facts[weight].parts if weight in facts and facts[weight].layout == "gates" else 1
        if gates > 1 or (weight in facts and facts[weight].layout == "gates"):
            # What a recurrent layer starts all its parameters from is its hidden size.
            hidden = shapes[weight][0] / gates
            found.append(Fans(hidden, hidden, "hidden size"))
        found += [] if weight in facts else _by_bias(shapes[weight], _axes(weight, shapes))
        into, out = fans_along(shapes[weight], 0)
        shaped = Fans(float(into), float(out), "by shape" if found else "")
        if (shaped.into, shaped.out) not in {(each.into, each.out) for each in found}:
            found.append(shaped)
    return found


def _weight_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The weight beside a bias: it has the bias's name but for the word."""
    return _beside(name, "bias", _WEIGHTS, shapes)


def _axes(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The axes of a weight that the bias beside it fits; none where there is no bias."""
    found = (_beside(name, word, ("bias",), shapes) for word in _WEIGHTS)
    bias = next((shapes[each] for each in found if each), ())
    return output_axes(shapes[name], bias[0]) if len(bias) == 1 else ()


def _beside(name: str, word: str, others: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]) -> str:
    head, dot, last = name.rpartition(".")
    names = (f"{head}{dot}{last.replace(word, other)}" for other in others if word in last)
    return next((each for each in names if each in shapes), "")


def _by_bias(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Fans]:
    """A reading for each axis that the bias fits, unless they agree."""
    read = {fans_along(shape, axis): axis for axis in reversed(axes)}
    return [
        Fans(float(into), float(out), f"out on axis {axis}", axis) if len(read) > 1 else Fans(float(into), float(out))
        for (into, out), axis in reversed(read.items())
    ]


def _axes_told(shape: tuple[int, ...], axes: tuple[int, ...]) -> str:
    match axes:
        case () | (0,):
            return ""
        case (axis,):
            kernel = ", kernel" if len(shape) > _MATRIX else ""
            order = f"in, out{kernel}" if axis == 1 else "kernel, in, out"
            return f"its axes are ({order}), since the bias beside it has {shape[axis]} values"
        case _:
            same = len({fans_along(shape, axis) for axis in axes}) == 1
            told, bias = " or ".join(map(str, axes)), shape[axes[0]]
            return f"its outputs are on axis {told}, as the bias of {bias} values fits both" + (
                ", with the same fans" if same else ""
            )
