"""What a parameter's values look like: plain values, no tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# The chance that any sound model is said to hold what it does not, over all its parameters together.
ERROR = 0.01
RANDOM = frozenset({"normal", "uniform", "truncated_normal", "orthogonal", "delta_orthogonal", "sparse"})


@dataclass(frozen=True, slots=True)
class Law:
    """A law and its figures.

    Attributes:
        kind: ``constant``, ``blocks`` (runs of constants), ``ramp``, ``identity``, ``uniform``, ``normal``, ``truncated_normal``,
            ``orthogonal``, ``delta_orthogonal``, ``sparse``, ``other``, ``nonfinite``, ``integers`` or ``empty``.
        text: The law in the field's words, without its std.
        mean: The mean of the values.
        std: Their std.
        low: Where the std of the law begins, at the confidence that all parameters together leave.
        high: Where it ends.
        value: The number that the law is written with: a constant, a std before the cut, a bound, a gain.
        ties: Other laws that these values do not rule out.
        evidence: What was tested, with figures.
        notes: What else was seen: rows of zeros, rounding, outliers.
    """

    kind: str
    text: str
    mean: float = 0.0
    std: float = 0.0
    low: float = 0.0
    high: float = 0.0
    value: float = math.nan
    ties: tuple[str, ...] = ()
    evidence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def random(self) -> bool:
        """True where values were drawn."""
        return self.kind in RANDOM

    @property
    def untold(self) -> bool:
        """True where there are too few values to say anything."""
        return self.kind == "other" and self.high == math.inf

    def noting(self, *notes: str) -> Law:
        """The same, with more that was seen."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))


def number(value: float) -> str:
    """Three figures."""
    return f"{value:.3g}"
