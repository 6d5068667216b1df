"""What a parameter's place says of the std that a recipe gives it: fans, depth, index. Shapes and facts only."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from initium.network import Facts

_INDEX = re.compile("0|[1-9][0-9]*")
_MATRIX = 2


@dataclass(frozen=True, slots=True)
class Fans:
    """One reading of a weight's fans.

    Attributes:
        into: Inputs summed into one output.
        out: Outputs that one input reaches.
        note: Whose reading it is, where it is not the only one.
    """

    into: float
    out: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter stands.

    Attributes:
        fans: Every reading of its fans, the true one first; none for a vector alone.
        depths: How many parameters of its shape have its name but for one index, where the indices are 0, 1, 2 ...: numbers
            of blocks.
        indices: Its own index in each of these.
        taps: Elements of its kernel.
    """

    fans: tuple[Fans, ...]
    depths: tuple[int, ...]
    indices: tuple[int, ...]
    taps: int = 1


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
        made[name] = Place(fans, tuple(n for n, _ in repeats), tuple(at for _, at in repeats), math.prod(shape[2:]))
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
        shaped = _by_shape(shapes[weight])
        gates = facts[weight].parts if weight in facts and facts[weight].layout == "gates" else 1
        if gates > 1 or (weight in facts and facts[weight].layout == "gates"):
            # What a recurrent layer starts all its parameters from is its hidden size.
            hidden = shapes[weight][0] / gates
            found.append(Fans(hidden, hidden, "hidden size"))
        if (shaped.into, shaped.out) not in {(each.into, each.out) for each in found}:
            found.append(Fans(shaped.into, shaped.out, "by shape" if found else ""))
    return found


def _weight_of(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The weight beside a bias: it has the bias's name but for the word."""
    head, _, last = name.rpartition(".")
    weight = f"{head}.{last.replace('bias', 'weight')}" if head else last.replace("bias", "weight")
    return weight if weight != name and weight in shapes else ""


def _by_shape(shape: tuple[int, ...]) -> Fans:
    """As torch reads any shape: (out, in, *kernel)."""
    taps = math.prod(shape[2:])
    return Fans(float(shape[1] * taps), float(shape[0] * taps))
