"""What an audit says of one parameter."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from initium.records import finite


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One parameter: the law that its values look like, and what was planned.

    Attributes:
        name: The qualified name.
        names: Every qualified name, for a tied parameter more than one.
        shape: The shape.
        dtype: The dtype, such as ``float32``.
        role: What the parameter does, as :class:`~initium.network.Facts` has it; empty where there are shapes alone.
        kind: ``constant``, ``blocks`` (runs of constants), ``ramp``, ``identity``, ``uniform``, ``normal``,
            ``truncated_normal``, ``orthogonal``, ``delta_orthogonal``, ``sparse``, ``other`` (trained, or a mixture), ``nonfinite``,
            ``integers`` or ``empty``.
        law: The law in words.
        mean: The law's mean; 0 where the values' mean is 0 up to chance.
        std: The std of the law that was fitted.
        low: The least std that the values allow. All intervals of an audit hold together in 99 of 100 audits.
        high: The greatest.
        value: The law's own number: a constant, a std before the cut, a bound, a gain.
        recipes: Every known recipe that gives this law a std in the interval, the simplest first.
        nominal: The std of the first recipe; ``None`` where none is known.
        ties: Other laws that the values do not rule out.
        evidence: What was tested, with figures.
        planned: The planned law in words; empty where there is no plan.
        planned_std: The planned std.
        notes: Rows of zeros, rounding to a narrower dtype, outliers.
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    role: str
    kind: str
    law: str
    mean: float
    std: float
    low: float
    high: float
    value: float
    recipes: tuple[str, ...]
    nominal: float | None
    ties: tuple[str, ...]
    evidence: str
    planned: str = ""
    planned_std: float | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The row as plain lists, numbers and strings; what is not finite is ``None``."""
        return finite(dataclasses.asdict(self))
