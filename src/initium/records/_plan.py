"""One line of a plan, and what applying one reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.records._written import named, note, number, table

if TYPE_CHECKING:
    from initium.records._fills import Fill


_HEADERS = ("parameter", "before", "factor", "after", "note")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The law for one parameter, and why.

    Attributes:
        name: The qualified name that ``named_parameters`` gives; a tied parameter has one row, under its first name.
        names: Every qualified name, for a tied parameter more than one.
        shape: The parameter's shape.
        role: ``weight``, ``recurrent``, ``bias``, ``scale``, ``shift``, ``embedding`` or ``other``.
        module: The type name of the module that owns the parameter.
        fan_in: Inputs summed into one output, ``None`` where the parameter has no fan.
        fan_out: Outputs that one input reaches, likewise.
        before: What precedes the operation that uses the parameter (``input``, ``relu``, ``linear`` ...).
        after: What follows it.
        fill: What is written.
        law: The law in the field's words, such as ``He normal, fan_in``.
        reason: Why this law.
        assumed: True where a fact behind the row is a guess (no batch was given, or an operation is unknown).
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    role: str
    module: str
    fan_in: float | None
    fan_out: float | None
    before: str
    after: str
    fill: Fill
    law: str
    reason: str
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """What was done to one parameter.

    Attributes:
        name: The parameter's qualified name.
        before: A figure before the change: the weight's std for a fill, the output's std for a calibration.
        factor: The measured multiplier, ``None`` where the values were drawn anew.
        after: The same figure after the change.
        note: The law that was written, or the reason why the parameter was left alone.
        part: Which part of the parameter, where its parts have factors of their own: ``q``, ``gate i``, ``slice 3``; empty
            for all of it.
    """

    name: str
    before: float
    factor: float | None
    after: float
    note: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a call changed, parameter by parameter, and what it left alone.

    Attributes:
        action: The call, such as ``apply textbook`` or ``lsuv``.
        seed: The seed of the random stream, ``None`` where nothing was drawn.
        rows: One row a parameter.
        notes: Everything else that a reader should know (law 4: everything unknown is said).
    """

    action: str
    seed: int | None
    rows: tuple[ReceiptRow, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The rows as a table, and the notes below it."""
        seeded = "" if self.seed is None else f", seed {self.seed}"
        cells = [
            (named(row.name, row.part), number(row.before), number(row.factor), number(row.after), row.note)
            for row in self.rows
        ]
        head = f"{self.action}{seeded}: {len(cells)} rows"
        return "\n".join([head, *table(_HEADERS, cells), *map(note, self.notes)])
