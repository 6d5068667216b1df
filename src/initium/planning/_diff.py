"""What differs between two plans."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from initium.planning._show import number, size
from initium.planning._spread import expected_std
from initium.terminal import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.records import PlanRow


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        name: The parameter.
        what: ``parameter`` (only one plan has it), ``shape``, ``law``, ``std`` or ``fill``.
        here: In the first plan; empty where it is not there.
        there: In the second.
    """

    name: str
    what: str
    here: str
    there: str


@final
@dataclass(frozen=True, slots=True, repr=False)
class PlanDiff:
    """The differences between two plans; false where there are none. Printed, it is a table.

    Attributes:
        changes: One for each thing that differs.

    Example:
        >>> bool(PlanDiff(()))
        False
        >>> print(PlanDiff(()))
        no difference
    """

    changes: tuple[Change, ...]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __str__(self) -> str:
        rows = [(change.name, change.what, change.here or "-", change.there or "-") for change in self.changes]
        return table(("parameter", "what", "here", "there"), rows) if rows else "no difference"

    def __repr__(self) -> str:
        return f"PlanDiff({len(self.changes)} differences)"


def differences(here: Sequence[PlanRow], there: Sequence[PlanRow]) -> Iterator[Change]:
    """Parameter by parameter, in the order of the first plan, then what only the second has."""
    first, second = {row.name: row for row in here}, {row.name: row for row in there}
    for name, row in first.items():
        if name in second:
            yield from _changes(row, second[name])
        else:
            yield Change(name, "parameter", row.law, "")
    yield from (Change(name, "parameter", "", row.law) for name, row in second.items() if name not in first)


def _changes(here: PlanRow, there: PlanRow) -> Iterator[Change]:
    pairs = (
        ("shape", here.shape, there.shape, size(here.shape), size(there.shape)),
        ("law", here.law, there.law, here.law, there.law),
        ("std", *(pair := (_std(here), _std(there))), *map(number, pair)),
    )
    changes = [Change(here.name, what, a, b) for what, one, other, a, b in pairs if not _same(one, other)]
    if not changes and here.fill != there.fill:
        changes = [Change(here.name, "fill", repr(here.fill), repr(there.fill))]
    yield from changes


def _same(one: object, other: object) -> bool:
    """Equal; of two numbers, up to their rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12)
    return one == other


def _std(row: PlanRow) -> float | None:
    return expected_std(row.fill, row.shape)
