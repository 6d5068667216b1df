"""A cure as lines: the verdicts, the remedies in their order, both signals layer by layer, and what is left to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.records import code_of, counted
from initium.report._labels import labels
from initium.report._verdict import verdict
from initium.terminal import Chart, Lane, Line, Span, as_ascii, draw, number, paragraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from initium.records import Finding, Remedy, Signal, SignalRow

_BLANK: Line = (Span(""),)
_NAME, _INDENT = 13, 5


@dataclass(frozen=True, slots=True)
class Side:
    """A report before or after.

    Attributes:
        findings: What was wrong.
        signal: What was measured.
    """

    findings: tuple[Finding, ...]
    signal: Signal


@dataclass(frozen=True, slots=True)
class Told:
    """A remedy as it is told.

    Attributes:
        remedy: What was done.
        told: What came of it.
        findings: What was left; ``None`` where it was taken back.
    """

    remedy: Remedy
    told: str
    findings: tuple[Finding, ...] | None


def before_after(
    title: str, sides: tuple[Side, Side], steps: Sequence[Told], width: int, *, ascii_only: bool
) -> tuple[Line, ...]:
    """The whole page."""
    picture: tuple[Line, ...] = ()
    if any(step.findings is not None for step in steps):
        picture = (_BLANK, *draw(_chart(sides, "~" if ascii_only else "…"), width, ascii_only=ascii_only))
    made = (*_head(title, sides, width), *_steps(steps, width), *picture, *_left(sides[1].findings, width))
    return tuple(map(as_ascii, made)) if ascii_only else made


def _head(title: str, sides: tuple[Side, Side], width: int) -> Iterator[Line]:
    before, after = (verdict(side.findings) for side in sides)
    word, style = ("HEALED", "bold green") if after == "healthy" else ("NOT HEALED", "bold yellow")
    yield from paragraph(Span(word, style), f"{title}: {before} before, {after} after", width, len(word) + 2)
    losses = [side.signal.loss for side in sides]
    if losses[0] is not None and losses[1] is not None:
        yield from paragraph(Span("loss", "dim"), f"{number(losses[0])} before, {number(losses[1])} after", width, 6)
    if before == "healthy":
        yield from paragraph(Span(""), "nothing to do", width, 0)


def _steps(steps: Sequence[Told], width: int) -> Iterator[Line]:
    for place, step in enumerate(steps, start=1):
        helped = step.findings is not None
        left = f"; {counted(step.findings)} left" if step.findings is not None else ""
        yield _BLANK
        yield from paragraph(Span(f" {place}"), code_of(step.remedy), width, _INDENT, "green" if helped else "dim")
        yield from paragraph(Span(""), step.told + left, width, _INDENT)


def _chart(sides: tuple[Side, Side], ellipsis: str) -> Chart:
    after = {(row.name, row.use): row for row in sides[1].signal.rows}
    rows = [row for row in sides[0].signal.rows if (row.name, row.use) in after]
    names, shared = labels(rows, _NAME, ellipsis)

    def lane(title: str, figure: Callable[[SignalRow], float], style: str, *, later: bool = False) -> Lane:
        return Lane(title, tuple(figure(after[row.name, row.use] if later else row) for row in rows), style)

    return Chart(
        labels=tuple((name,) for name in names),
        widths=(_NAME,),
        lanes=(
            lane("signal before", _signal, "cyan"),
            lane("after", _signal, "bold cyan", later=True),
            lane("grad before", _gradient, "magenta"),
            lane("after", _gradient, "bold magenta", later=True),
        ),
        title=shared,
    )


def _signal(row: SignalRow) -> float:
    return row.unit_std


def _gradient(row: SignalRow) -> float:
    return row.grad_rms


def _left(findings: tuple[Finding, ...], width: int) -> Iterator[Line]:
    """What no call cured, and what to write."""
    for finding in findings:
        if finding.part_of or finding.severity == "info":
            continue
        yield _BLANK
        yield (Span(f"left: {finding.severity} {finding.code}", "bold"),)
        for text in (finding.message, finding.cause, finding.cure, *finding.fix.splitlines()):
            yield from paragraph(Span(""), text, width, 2)
