"""A report as lines: the verdict, the picture, the findings, and what was not measured."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from initium.records import counted
from initium.report._labels import labels
from initium.report._verdict import verdict
from initium.terminal import Chart, Lane, Line, Span, as_ascii, cells, draw, number, paragraph, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.records import Finding, Severity, Signal

_COLOURS: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "info": "bold cyan"}
_NAME, _OP = 15, 7
_INDENT, _HEAD = 2, 10
_TITLE, _LAYER = 30, 20
_NOTES = 4
_BLANK: Line = (Span(""),)


def lines(
    findings: tuple[Finding, ...],
    signal: Signal,
    title: str,
    width: int,
    apart: tuple[Line, ...] = (),
    *,
    ascii_only: bool,
) -> tuple[Line, ...]:
    """The whole report; ``apart`` is told last, of findings that do not count."""
    ellipsis = "~" if ascii_only else "…"
    drawn = draw(picture(findings, signal, ellipsis), width, ascii_only=ascii_only)
    shown = shorten(title, _TITLE, ellipsis)
    told = (*_told(findings, width, ellipsis), *_notes(signal, width), *apart)
    # A log is read from its first line.
    made = (*_verdict(findings, signal, shown, width), _BLANK, *drawn, *told)
    return tuple(map(as_ascii, made)) if ascii_only else made


def picture(findings: tuple[Finding, ...], signal: Signal, ellipsis: str) -> Chart:
    """Signal and gradient by layer; the layers of the first finding stand out."""
    marked = set(findings[0].layers) if findings else set[str]()
    names, shared = labels(signal.rows, _NAME, ellipsis)
    return Chart(
        labels=tuple((name, row.op) for name, row in zip(names, signal.rows, strict=True)),
        widths=(_NAME, _OP),
        lanes=(
            Lane("signal (batch std)", tuple(row.unit_std for row in signal.rows), "cyan"),
            Lane("gradient (rms)", tuple(row.grad_rms for row in signal.rows), "magenta"),
        ),
        marked=frozenset(place for place, row in enumerate(signal.rows) if row.name in marked),
        title=shared,
    )


def _verdict(findings: tuple[Finding, ...], signal: Signal, title: str, width: int) -> Iterator[Line]:
    word = verdict(findings).upper()
    style = "bold green" if word == "HEALTHY" else _COLOURS[findings[0].severity]
    what = f"{title}: {counted(findings)} in {_uses(len(signal.rows))}"
    yield from paragraph(Span(word, style), what, width, len(word) + _INDENT)
    if signal.loss is not None:
        told = f"{number(signal.loss)} at the start{_guessing(signal)}"
        yield from paragraph(Span("loss", "dim"), told, width, 6, "dim")


def _uses(count: int) -> str:
    return "1 use of a weight" if count == 1 else f"{count} uses of weights"


def _guessing(signal: Signal) -> str:
    if not signal.classes or signal.prior_loss is None:
        return ""
    uniform = math.log(signal.classes)
    known = f", by the class frequencies {number(signal.prior_loss)}"
    return f"; guessing costs {number(uniform)} (log {signal.classes}){known if signal.prior_loss < 0.95 * uniform else ''}"


def _told(findings: tuple[Finding, ...], width: int, ellipsis: str) -> Iterator[Line]:
    """Every illness, what is part of it below; a cure that was given already is not given again."""
    cures: dict[tuple[str, str], str] = {}
    for finding in findings:
        if finding.part_of:
            yield from _part(finding, width, ellipsis)
            continue
        yield _BLANK
        yield _titled(finding, width, ellipsis)
        yield from _finding(finding, cures.get((finding.cure, finding.fix), ""), width)
        cures.setdefault((finding.cure, finding.fix), finding.code)


def _titled(finding: Finding, width: int, ellipsis: str, before: str = "") -> Line:
    room = width - len(f"{before}{finding.severity} {finding.code}")
    where = Span(_where(finding.layers, room, ellipsis))
    head = (_margin(before),) if before else ()
    return (*head, Span(finding.severity, _COLOURS[finding.severity]), Span(f" {finding.code}", "bold"), where)


def _part(finding: Finding, width: int, ellipsis: str) -> Iterator[Line]:
    """What belongs to the illness above: it says what it saw; cause and cure stand there."""
    before = _margin("with it").text
    yield _titled(finding, width, ellipsis, before)
    yield from paragraph(Span(" " * len(before)), finding.message, width, len(before))


def _where(layers: tuple[str, ...], room: int, ellipsis: str) -> str:
    if not layers:
        return ""
    ends = dict.fromkeys((layers[0], layers[-1]))
    count = f" ({len(layers)})" if len(layers) > 1 else ""
    each = min(_LAYER, (room - len("  ") - len(" .. ") - len(count)) // 2)
    return "  " + " .. ".join(shorten(name, each, ellipsis) for name in ends) + count


def _finding(finding: Finding, same_cure: str, width: int) -> Iterator[Line]:
    yield from _indented("", finding.message, width)
    yield from _indented("figures", f"measured {number(finding.measured)}, expected {number(finding.expected)}", width)
    yield from _indented("cause", finding.cause, width)
    if same_cure:
        yield from _indented("cure", f"the same as of {same_cure}", width)
        return
    yield from _indented("cure", finding.cure, width)
    for place, piece in enumerate(_code(finding.fix, width - _INDENT - _HEAD)):
        yield (_margin("" if place else "fix"), Span(piece, "green"))


def _code(text: str, width: int) -> Iterator[str]:
    """Lines that are still Python when they are copied: code goes on indented, and a comment as a comment."""
    for line in text.splitlines():
        code, _, comment = (line, "", "") if cells(line) <= width else line.partition("  # ")
        yield from _wrapped(code, width, "", "    ")
        yield from _wrapped(comment, width, "# ", "# ")


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _margin(head: str) -> Span:
    return Span((" " * _INDENT + head.strip()).ljust(_INDENT + _HEAD), "dim")


def _indented(head: str, text: str, width: int) -> tuple[Line, ...]:
    return paragraph(_margin(head) if head else Span(""), text, width, _INDENT + (_HEAD if head else 0))


def _notes(signal: Signal, width: int) -> Iterator[Line]:
    """What was not measured (law 4)."""
    if signal.notes:
        yield _BLANK
    for note in signal.notes[:_NOTES]:
        yield from paragraph(Span("note", "dim"), note, width, 6, "dim")
    if len(signal.notes) > _NOTES:
        yield (Span(f"      and {len(signal.notes) - _NOTES} more in report.signal.notes", "dim"),)
