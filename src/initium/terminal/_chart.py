"""Figures over depth: one line a layer, one bar a figure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.terminal._bars import Scale, bar, scales
from initium.terminal._text import Line, Span, padded, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NUMBER = 7
_PLACE = 3
_MOST = 20
_ENDS = 2
_FOLD = 3
_SHORT = 3


@dataclass(frozen=True, slots=True)
class Lane:
    """One figure of every row.

    Attributes:
        title: What it is.
        values: The figures, one a row.
        style: The style of its bars.
    """

    title: str
    values: tuple[float, ...]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows with labels and figures.

    Attributes:
        labels: Each row's cells of text, such as its name and its kind.
        widths: Columns of each cell.
        lanes: The figures.
        marked: The rows to point out, by number from 0.
        title: What stands above the labels, such as the part that their names share.
    """

    labels: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    lanes: tuple[Lane, ...]
    marked: frozenset[int] = frozenset()
    title: str = ""


def draw(chart: Chart, width: int = 80, *, ascii_only: bool = False) -> tuple[Line, ...]:
    """The chart as lines: a head, one line a row, long stretches folded.

    Every figure has an axis of its own, all axes are as long, so that slopes compare. Of more than 20 rows those in which
    something changes are kept. A stretch of three and more that is left out is counted; of one or two rows, which a line
    for the count would hardly save, the numbers of the rows tell.

    Args:
        chart: What is drawn.
        width: Columns.
        ascii_only: True where the terminal knows nothing but ASCII.

    Returns:
        The lines.

    Example:
        >>> from initium.terminal import plain
        >>> made = Chart((("first",), ("second",)), (6,), (Lane("signal", (1.0, 0.01)),))
        >>> print(plain(draw(made, 30, ascii_only=True)))
                   signal
                   1e-3           1e0
          1 first        1 ##########
          2 second    0.01 ###
    """
    margin = _PLACE + 1 + sum(each + 1 for each in chart.widths)
    lane_width = (width - margin) // max(1, len(chart.lanes)) - 1
    axes = scales([lane.values for lane in chart.lanes])
    kept = _kept(chart)
    return (
        _heads(chart, margin, lane_width, "~" if ascii_only else "…"),
        _ends(axes, margin, lane_width),
        *_rows(chart, kept, axes, lane_width, ascii_only=ascii_only),
    )


def _heads(chart: Chart, margin: int, width: int, ellipsis: str) -> Line:
    titles = (Span(_title(lane, width, ellipsis).ljust(width + 1), "bold") for lane in chart.lanes)
    above = padded(shorten(chart.title, margin - _PLACE - 2, ellipsis), margin - _PLACE - 1)
    return (Span(" " * (_PLACE + 1)), Span(above, "dim"), *titles)


def _title(lane: Lane, width: int, ellipsis: str) -> str:
    """Without what stands in brackets, where that has no room."""
    return shorten(lane.title if len(lane.title) <= width else lane.title.partition(" (")[0], width, ellipsis)


def _ends(axes: Sequence[Scale], margin: int, width: int) -> Line:
    texts = (f"1e{axis.low}".ljust(width - len(f"1e{axis.high}")) + f"1e{axis.high} " for axis in axes)
    return (Span(" " * margin), *(Span(text, "dim") for text in texts))


def _rows(chart: Chart, kept: Sequence[int], axes: Sequence[Scale], width: int, *, ascii_only: bool) -> Iterator[Line]:
    last = -1
    for place in kept:
        if place - last > _FOLD:
            yield _folded(place - last - 1, ascii_only=ascii_only)
        yield _row(chart, place, axes, width, ascii_only=ascii_only)
        last = place


def _folded(count: int, *, ascii_only: bool) -> Line:
    return (Span(f"{':' if ascii_only else '⋮':>{_PLACE}} {count} more alike", "dim"),)


def _row(chart: Chart, place: int, axes: Sequence[Scale], width: int, *, ascii_only: bool) -> Line:
    style = "bold" if place in chart.marked else ""
    cells = zip(chart.labels[place], chart.widths, strict=True)
    ellipsis = "~" if ascii_only else "…"
    names = [Span(padded(shorten(cell, wide, ellipsis), wide) + " ", style) for cell, wide in cells]
    spans = [Span(f"{place + 1:>{_PLACE}} ", "dim"), *names]
    for lane, axis in zip(chart.lanes, axes, strict=True):
        value = lane.values[place]
        drawn = bar(value, axis, width - _NUMBER - 1, ascii_only=ascii_only).ljust(width - _NUMBER)
        spans += [Span(f"{number(value):>{_NUMBER}} "), Span(drawn, lane.style)]
    return tuple(spans)


def number(value: float) -> str:
    """A figure in at most seven columns."""
    if value == 0 or not math.isfinite(value):
        return f"{abs(value) if value == 0 else value:.0f}"
    if 1e-2 <= abs(value) < 1e4:  # noqa: PLR2004 - what reads better without a power of ten
        return f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}"  # noqa: PLR2004
    # Of a power with three digits only the leading digit has room.
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}" if len(power) <= _SHORT else f"{value:.0e}".replace("e+", "e")


def _kept(chart: Chart) -> list[int]:
    """All rows of a short chart; of a long one both ends and every row that differs from the one kept before it."""
    count = len(chart.labels)
    if count <= _MOST:
        return list(range(count))
    distance = 0.05
    while len(kept := _differing(chart, count, distance)) > _MOST:
        distance *= 1.25
    return kept


def _differing(chart: Chart, count: int, distance: float) -> list[int]:
    kept = list(range(_ENDS))
    for place in range(_ENDS, count):
        if place >= count - _ENDS or _apart(chart, kept[-1], place) > distance:
            kept.append(place)
    return kept


def _apart(chart: Chart, one: int, other: int) -> float:
    """The largest distance of two rows in any lane, in powers of ten; zero is twenty of them away from anything."""
    return max(abs(_power(lane.values[one]) - _power(lane.values[other])) for lane in chart.lanes)


def _power(value: float) -> float:
    return math.log10(value) if 0 < value < math.inf else -20.0 if value == 0 else 20.0
