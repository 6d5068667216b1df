"""What a table that is tied to a product will give there, before the product is reached: a first guess, then corrected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.calibrate._figures import Seen
from initium.network import shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from initium.calibrate._lanes import Point
    from initium.network import Use

_LOOKUPS = frozenset({"lookup", "added"})


def supposed_of(use: Use, uses: Sequence[Use], points: Sequence[Point], target: float) -> list[Seen]:
    """The figures of the products to come, as if what they multiply had the target's size.

    A product has other figures by far than a lookup, so a factor by the lookup alone would be a poor one to start from.
    """
    later = [each for each in uses if each.layout not in _LOOKUPS] if use.layout in _LOOKUPS else []
    found: list[Seen] = []
    for point in points if later else ():
        table: Tensor = next(each for each in point.args if isinstance(each, torch.Tensor) and _numbers(each))
        mean_square = float(table.abs().float().square().mean())
        nodes = {node.name: node for node in point.node.graph.nodes}
        for each in later:
            shape = shape_of(nodes[each.node])
            units = shape[each.unit_axis]
            var = torch.full((units,), mean_square * each.fan_in * target**2, dtype=torch.float64, device="cpu")
            zero = torch.zeros_like(var)
            found.append(Seen(math.prod(shape) // units, zero, var, zero, zero, zero, 0.0, 0.0))
    return found


def _numbers(value: Tensor) -> bool:
    """False for indices."""
    return value.is_floating_point() or value.is_complex()
