"""The numbers by which one step, or several in a row, multiply a value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.network._ops import NOISE, RESHAPES, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._readings import Readings


# The root of a width of a million, and one over it: what a table cannot make up for is no factor of its rows.
_LARGEST = 1e3
_PASSING = RESHAPES | NOISE | {"mul", "div"}


def factor_of(read: Readings, node: fx.Node) -> float | None:
    """The number by which one step multiplies; 1 where it is a parameter, which is named elsewhere; ``None`` for a divisor that is one."""
    if op_name(node) not in {"mul", "div"} or len(read.kinds.data_inputs(node)) > 1:
        return 1.0
    divided, signals = op_name(node) == "div", read.kinds.data_inputs(node)
    numbers: list[float] = []
    for place, argument in enumerate(node.args[:2]):
        if argument in signals:
            continue
        if argument in read.kinds.origin:
            if divided:
                return None
            numbers.append(1.0)
        elif isinstance(argument, int | float):
            numbers.append(float(argument))
        elif argument in read.numbers and not (divided and place == 0):
            numbers.append(read.numbers[argument])
        else:
            return None
    product = math.prod(numbers)
    return 1 / product if divided and product else product


def factors_behind(read: Readings, node: fx.Node) -> float:
    """What a value is multiplied by, number by number, before anything else is made of it; 1 where nothing makes up for it."""
    found, readers = 1.0, read.kinds.readers(node)
    while len(readers) == 1 and op_name(readers[0]) in _PASSING and len(read.kinds.data_inputs(readers[0])) == 1:
        number = factor_of(read, readers[0])
        if number is None:
            break
        found, readers = found * number, read.kinds.readers(readers[0])
    return abs(found) if 1 / _LARGEST <= abs(found) <= _LARGEST else 1.0
