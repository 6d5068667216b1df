"""A plan in words: the table, the one-line summary, the message for a name that it does not have."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from initium.planning._spread import expected_std
from initium.records import Keep
from initium.terminal import Span, columns, paragraph, plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import PlanRow

HEADERS = ("parameter", "shape", "fan_in", "fan_out", "before", "after", "law", "std", "reason")


def shown(scheme: str, title: str, rows: Sequence[PlanRow], notes: Sequence[str]) -> str:
    """The table, and the notes below it."""
    made = table(HEADERS, [_cells(row) for row in rows], title=f"{title}: {scheme}", ranged=("std",))
    return "\n".join([made, *(["", *map(_note, notes)] if notes else [])])


def _note(text: str) -> str:
    """As wide as the table may be: a terminal's width, or in one line."""
    room = columns()
    return f"note: {text}" if room is None else plain(paragraph(Span("note:"), text, room, len("note: ")))


def summary(scheme: str, title: str, rows: Sequence[PlanRow]) -> str:
    """One line."""
    kept = sum(isinstance(row.fill, Keep) for row in rows)
    return f"Plan({scheme} for {title}: {len(rows)} parameters, {kept} kept)"


def number(value: float | None) -> str:
    """Four figures, or a dash for none."""
    return "-" if value is None else f"{value:.4g}"


def fan(value: float | None) -> str:
    """A fan is a count, as a rule; a stride can make it a fraction."""
    return "-" if value is None else f"{value:.10g}"


def size(shape: tuple[int, ...]) -> str:
    """A shape as one reads it aloud."""
    return "x".join(str(length) for length in shape) or "()"


def _cells(row: PlanRow) -> tuple[str, ...]:
    return (
        " = ".join(row.names),
        size(row.shape),
        fan(row.fan_in),
        fan(row.fan_out),
        "-" if row.fan_in is None else row.before,
        "-" if row.fan_in is None else row.after,
        row.law,
        number(expected_std(row.fill, row.shape)),
        f"{row.reason} (assumed)" if row.assumed else row.reason,
    )


def unknown_parameter(name: object, rows: Sequence[PlanRow]) -> str:
    """The message for a name that is in no row."""
    names = [each for row in rows for each in row.names]
    near = get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = (
        f" Names nearby: {', '.join(near)}."
        if near
        else f" It has {len(names)}: {', '.join(names[:8])}"
        + (
            ", ..." if len(names) > 8 else "."  # noqa: PLR2004 - a message of one line
        )
    )
    return f"the plan has no parameter {name!r}.{hint}"
