"""weight_norm: the plan of a weight that is a direction and a magnitude."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.planning._spread import law_of_fill
from initium.records import Constant, Normal

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from initium.network import Facts
    from initium.records import PlanRow


def with_magnitudes(
    rows: tuple[PlanRow, ...], parameters: Sequence[Facts], decided: Container[str]
) -> tuple[PlanRow, ...]:
    r"""The rows with the magnitude of every weight under weight_norm at what its direction is drawn by.

    ``w = g v / |v|``: with v of rms s and n elements for each g, ``g = s sqrt(n)`` gives w the rms s, and each of its units
    the very norm. A weight that is to be zero is so by its magnitude: a direction of zeros has no norm to divide by.

    Args:
        rows: The plan's rows.
        parameters: The facts of the same parameters.
        decided: What an override or a prior has decided.

    Returns:
        The rows. A magnitude that is frozen, or that an override decided, keeps its fill.

    Reference:
        Salimans & Kingma (2016), eq. (2).
    """
    by_name, known = {row.name: row for row in rows}, {facts.name: facts for facts in parameters}
    changed: dict[str, PlanRow] = {}
    for row in rows:
        size = by_name.get(known[row.name].magnitude)
        law = law_of_fill(row.fill, row.shape) if size is not None else None
        if size is None or law is None:
            continue
        rms = math.hypot(abs(law.mean), law.std)
        if not rms:
            changed[row.name] = _turned(row)
        if size.name in decided or known[size.name].frozen:
            continue
        value = rms * math.sqrt(math.prod(row.shape) / math.prod(size.shape))
        reason = f"the norm of what `{row.name}` is drawn by: Salimans & Kingma 2016 eq. 2"
        changed[size.name] = replace(size, fill=Constant(value), law=f"constant({value:.3g})", reason=reason)
    return tuple(changed.get(row.name, row) for row in rows)


def _turned(row: PlanRow) -> PlanRow:
    """A direction in the place of one that is zero throughout."""
    why = f"{row.reason}: by its magnitude, since a direction of zeros has none".removeprefix(": ")
    return replace(row, fill=Normal(1.0), law="normal, a direction", reason=why)
