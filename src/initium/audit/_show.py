"""An audit in words: the table, and the findings below it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.audit._law import RANDOM, number
from initium.records import counted
from initium.terminal import Span, page, paragraph, plain, shorten, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.audit._row import AuditRow
    from initium.records import Finding

_NAMED = 2
_LAYERS = 3
_NAME = 40
_INDENT = 9


def shown(title: str, scheme: str, rows: Sequence[AuditRow], findings: Sequence[Finding], notes: Sequence[str]) -> str:
    """The whole."""
    heads = ("parameter", "shape", "law", "std", *(("planned", "planned std") if scheme else ()), "looks like")
    head = f"{title}: audit" + (f" against {scheme}" if scheme else "")
    made = table(heads, [tuple(_cells(row, planned=bool(scheme))) for row in rows], title=head)
    told = [line for finding in findings for line in _finding(finding)]
    noted = [plain(paragraph(Span("note:"), note, page(), len("note: "))) for note in notes]
    return "\n".join([made, "", counted(findings), *told, *noted])


def _cells(row: AuditRow, *, planned: bool) -> Iterator[str]:
    yield " = ".join(row.names)
    yield "x".join(map(str, row.shape)) or "()"
    yield "; ".join([row.law, *(note for note in row.notes if not note.startswith("outliers"))])
    yield _std(row)
    if planned:
        yield row.planned or "-"
        yield "-" if row.planned_std is None else number(row.planned_std)
    yield _named(row)


def _std(row: AuditRow) -> str:
    """That of the recipe, so that blocks that are alike read alike; else to two figures, which are mostly sure."""
    if row.kind in {"empty", "integers", "nonfinite"}:
        return "-"
    return f"{row.std:.2g}" if row.nominal is None else f"{row.nominal:.3g}"


def _named(row: AuditRow) -> str:
    first = " or ".join(row.recipes[:_NAMED])
    more = f" or {len(row.recipes) - _NAMED} more" if len(row.recipes) > _NAMED else ""
    tied = f"perhaps {' or '.join(row.ties)}" if row.ties else ""
    return (
        "; ".join(filter(None, [first + more, tied]))
        if row.kind in RANDOM
        else "trained, or a mixture"
        if row.kind == "other" and math.isfinite(row.high)
        else ""
    )


def _finding(finding: Finding) -> Iterator[str]:
    where = ", ".join(shorten(name, _NAME) for name in finding.layers[:_LAYERS])
    more = f" and {len(finding.layers) - _LAYERS} more" if len(finding.layers) > _LAYERS else ""
    yield ""
    yield f"{finding.severity} {finding.code}"
    for head, text in (
        ("", finding.message),
        ("where", where + more),
        ("cause", finding.cause),
        ("cure", finding.cure),
        ("fix", finding.fix),
    ):
        if text:
            yield plain(paragraph(Span(f"  {head}"), text, page(), _INDENT))
