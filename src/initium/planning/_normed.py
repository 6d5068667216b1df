"""weight_norm: the plan of a weight that is a direction and a magnitude."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.planning._spread import expected_std
from initium.records import Constant, Keep

if TYPE_CHECKING:
    from initium.records import PlanRow

WEIGHT_NORM = "weight_norm"
# How the two names end, in torch.nn.utils.parametrizations and in the older torch.nn.utils.
_ENDS = (("original1", "original0"), ("_v", "_g"))


def with_magnitudes(rows: tuple[PlanRow, ...], computed: dict[str, str]) -> tuple[PlanRow, ...]:
    r"""The rows with the magnitude of every weight under weight_norm at what its direction is drawn by.

    ``w = g v / |v|``: with v of std s and n elements for each g, ``g = s sqrt(n)`` gives w the std s, and each of its units
    the very norm.

    Args:
        rows: The plan's rows.
        computed: By name, the parametrisation that computes a weight from a parameter.

    Returns:
        The rows. A magnitude that an override decided keeps its fill.

    Reference:
        Salimans & Kingma (2016), eq. (2).
    """
    by_name = {row.name: row for row in rows}
    magnitudes: dict[str, PlanRow] = {}
    for row in rows:
        size = by_name.get(magnitude_of(row.name)) if computed.get(row.name) == WEIGHT_NORM else None
        std = expected_std(row.fill, row.shape) if size is not None else None
        if size is None or std is None or not isinstance(size.fill, Keep) or size.law != "keep":
            continue
        value = std * math.sqrt(math.prod(row.shape) / math.prod(size.shape))
        reason = f"the norm of what `{row.name}` is drawn by: Salimans & Kingma 2016 eq. 2"
        magnitudes[size.name] = replace(size, fill=Constant(value), law=f"constant({value:.3g})", reason=reason)
    return tuple(magnitudes.get(row.name, row) for row in rows)


def magnitude_of(direction: str) -> str:
    """The name of the magnitude beside a direction; empty for another name."""
    for end, other in _ENDS:
        if direction.endswith(end):
            return direction.removesuffix(end) + other
    return ""
