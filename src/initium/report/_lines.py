"""A report as lines: the picture, the verdict, the findings, and what was not measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.report._verdict import counted, verdict
from initium.terminal import Chart, Lane, Line, Span, apart, draw, number, paragraph, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.records import Finding, Severity, Signal

WIDTH = 80
_COLOURS: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_NAME, _OP = 15, 7
_INDENT, _HEAD = 2, 10
_NOTES = 4
_BLANK: Line = (Span(""),)


def lines(findings: tuple[Finding, ...], signal: Signal, title: str, *, ascii_only: bool) -> tuple[Line, ...]:
    """The whole report."""
    drawn = draw(picture(findings, signal, "~" if ascii_only else "…"), WIDTH, ascii_only=ascii_only)
    made = (*drawn, _BLANK, *_verdict(findings, signal, title), *_told(findings), *_notes(signal))
    return tuple(map(_ascii, made)) if ascii_only else made


def picture(findings: tuple[Finding, ...], signal: Signal, ellipsis: str) -> Chart:
    """Signal and gradient by layer; the layers of the first finding stand out."""
    marked = set(findings[0].layers) if findings else set[str]()
    uses = [f" #{row.use + 1}" if row.use else "" for row in signal.rows]
    names, shared = apart(
        [row.name.removesuffix(".weight") for row in signal.rows], _NAME - max(map(len, uses), default=0), ellipsis
    )
    return Chart(
        labels=tuple((name + use, row.op) for name, use, row in zip(names, uses, signal.rows, strict=True)),
        widths=(_NAME, _OP),
        lanes=(
            Lane("signal (batch std)", tuple(row.unit_std for row in signal.rows), "cyan"),
            Lane("gradient (rms)", tuple(row.grad_rms for row in signal.rows), "magenta"),
        ),
        marked=frozenset(place for place, row in enumerate(signal.rows) if row.name in marked),
        title=shared,
    )


def _verdict(findings: tuple[Finding, ...], signal: Signal, title: str) -> Iterator[Line]:
    word = verdict(findings)
    style = "bold green" if word == "healthy" else _COLOURS[findings[0].severity]
    what = f"  {shorten(title, 30)}: {counted(findings)} in {len(signal.rows)} uses of weights"
    yield (Span(word.upper(), style), Span(what))
    if signal.loss is not None:
        yield from paragraph(
            Span("loss", "dim"), f"{number(signal.loss)} at the start{_guessing(signal)}", WIDTH, 6, "dim"
        )


def _guessing(signal: Signal) -> str:
    if not signal.classes or signal.prior_loss is None:
        return ""
    uniform = math.log(signal.classes)
    known = f", by the class frequencies {number(signal.prior_loss)}"
    return f"; guessing costs {number(uniform)} (log {signal.classes}){known if signal.prior_loss < 0.95 * uniform else ''}"


def _told(findings: tuple[Finding, ...]) -> Iterator[Line]:
    """Every finding; a cure that was given already is not given again."""
    cures: dict[tuple[str, str], str] = {}
    for finding in findings:
        yield _BLANK
        yield from _finding(finding, cures.get((finding.cure, finding.fix), ""))
        cures.setdefault((finding.cure, finding.fix), finding.code)


def _finding(finding: Finding, same_cure: str) -> Iterator[Line]:
    yield (Span(finding.severity, _COLOURS[finding.severity]), Span(f" {finding.code}", "bold"), Span(_where(finding)))
    yield from _indented("", finding.message)
    yield from _indented("figures", f"measured {number(finding.measured)}, expected {number(finding.expected)}")
    yield from _indented("cause", finding.cause)
    if same_cure:
        yield from _indented("cure", f"the same as of {same_cure}")
        return
    yield from _indented("cure", finding.cure)
    if finding.fix:
        yield (Span(" " * _INDENT + "fix".ljust(_HEAD), "dim"), Span(finding.fix, "green"))


def _indented(head: str, text: str) -> tuple[Line, ...]:
    return paragraph(Span(" " * _INDENT + head, "dim"), text, WIDTH, _INDENT + (_HEAD if head else 0))


def _where(finding: Finding) -> str:
    if not finding.layers:
        return ""
    first, last = (shorten(name, 20) for name in (finding.layers[0], finding.layers[-1]))
    return f"  {first}" if len(finding.layers) == 1 else f"  {first} .. {last} ({len(finding.layers)})"


def _notes(signal: Signal) -> Iterator[Line]:
    """What was not measured (law 4)."""
    if signal.notes:
        yield _BLANK
    for note in signal.notes[:_NOTES]:
        yield from paragraph(Span("note", "dim"), note, WIDTH, 6, "dim")
    if len(signal.notes) > _NOTES:
        yield (Span(f"      and {len(signal.notes) - _NOTES} more in report.signal.notes", "dim"),)


def _ascii(line: Line) -> Line:
    return tuple(Span(span.text.encode("ascii", "replace").decode("ascii"), span.style) for span in line)
