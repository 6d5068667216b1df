"""What held on how many models, from the figures of each."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Figures = dict[str, Any]
# What an output and a gradient may be off by, what counts as no worse in decades, and as no higher in loss; of a std.
OUTPUT, GRADIENT, NEARLY, LOSS, STD = 1.15, 1.3, 0.02, 0.05, 1e-3
# Causes that are listed.
MOST = 25


def tables(found: Mapping[tuple[str, ...], Figures]) -> Iterator[Table | str]:
    """What held, a column a library; below it what is off, by cause, what failed, and which models stand out."""
    by_library = defaultdict[str, list[Figures]](list)
    for (library, _), figures in found.items():
        by_library[library].append(figures)
    groups = {**by_library, "all": [*found.values()]}
    shown = Table("", *groups)
    for column in shown.columns[1:]:
        column.justify = "right"
    for title, held in HELD.items():
        cells = [held([each for each in several if each.get("step") != "build"]) for several in groups.values()]
        if any(cells):
            shown.add_row(title, *cells)
    yield shown
    yield from _rest(found)
    for (library, name), figures in found.items():
        if figures.get("step") not in {None, "build"}:
            yield f"{library} {name}: {figures['failed']}"
        elif told := list(_apart(figures)):
            yield f"{library} {name}: {'; '.join(told)}"
    unbuilt = [f"{library} {name}" for (library, name), figures in found.items() if figures.get("step") == "build"]
    if unbuilt:
        yield f"{len(unbuilt)} do not run by themselves at this size: {', '.join(unbuilt)}"


def _rest(found: Mapping[tuple[str, ...], Figures]) -> Iterator[Table]:
    """Of the uses whose prediction is off, what they are and in how many models, the most frequent first."""
    every, off = Counter[str](), defaultdict[str, list[tuple[bool, bool, tuple[str, ...]]]](list)
    for model, figures in found.items():
        for start in ("own", "auto"):
            for _, output, gradient, cause in figures.get(start, ()):
                every[cause] += 1
                wrong = not _within(output, OUTPUT), gradient is not None and not _within(gradient, GRADIENT)
                if any(wrong):
                    off[cause].append((*wrong, model))
    if not off:
        return
    shown = Table("predictions that are off", "uses", "output off", "gradient off", "models")
    for cause, several in sorted(off.items(), key=lambda each: -len(each[1]))[:MOST]:
        outputs, gradients = (sum(each[place] for each in several) for place in (0, 1))
        shown.add_row(cause, *map(str, (every[cause], outputs, gradients, len({each[2] for each in several}))))
    yield shown


def _uses(start: str, place: int, factor: float) -> Callable[[list[Figures]], str]:
    """The share of uses whose predicted figure is within a factor."""

    def held(several: list[Figures]) -> str:
        rows = [
            row[place] for figures in several for row in figures.get(start, ()) if place == 1 or row[place] is not None
        ]
        return _share(_within(row, factor) for row in rows)

    return held


def _spreads(several: list[Figures]) -> str:
    return _share(new <= own + NEARLY for own, new in _both(several))


def _decades(several: list[Figures]) -> str:
    both = _both(several)
    return f"{statistics.fmean(new - own for own, new in both):+.3f}" if both else ""


def _both(several: list[Figures]) -> list[tuple[float, float]]:
    return [(own, new) for own, new in (figures["spreads"] for figures in several if "spreads" in figures)]


def _said(severity: str) -> Callable[[list[Figures]], str]:
    def held(several: list[Figures]) -> str:
        said = [[each[0] for each in figures["findings"]] for figures in several if "findings" in figures]
        return _share(severity in each for each in said)

    return held


# By line of the table, what it says of the models that run by themselves.
HELD: dict[str, Callable[[list[Figures]], str]] = {
    "initium runs": lambda several: _share("failed" not in figures for figures in several),
    "predicted output within 15 %": _uses("own", 1, OUTPUT),
    "predicted gradient within 30 %": _uses("own", 2, GRADIENT),
    "after auto, output within 15 %": _uses("auto", 1, OUTPUT),
    "after auto, gradient within 30 %": _uses("auto", 2, GRADIENT),
    "after auto, all finite": lambda several: _share(each["finite"] for each in several if "finite" in each),
    "after auto, spread no worse": _spreads,
    "after auto, decades of spread": _decades,
    "after auto, first loss no higher": lambda several: _share(
        _no_higher(each) for each in several if each.get("above", [None])[0] is not None
    ),
    "after lsuv, std within 0.001": lambda several: _share(
        abs(row[3] - 1) <= STD for each in several for row in each.get("lsuv", ()) if row[2]
    ),
    "errors by diagnose": _said("error"),
    "warnings by diagnose": _said("warning"),
}


def _no_higher(figures: Figures) -> bool:
    own, new = figures["above"]
    return new <= own + LOSS


def _within(ratio: float | None, factor: float) -> bool:
    return ratio is not None and 1 / factor <= ratio <= factor


def _share(held: Iterable[bool]) -> str:
    several = [bool(each) for each in held]
    return f"{100 * sum(several) / len(several):.1f} % of {len(several)}" if several else ""


def _apart(figures: Figures) -> Iterator[str]:
    """What does not hold of one model."""
    for start in ("own", "auto"):
        rows = figures.get(start, ())
        missed = [row for row in rows if not _within(row[1], OUTPUT)]
        if missed:
            yield f"predicted output {start}: {len(missed)} of {len(rows)}, first {missed[0][0]} {missed[0][1]}"
    if "spreads" in figures:
        own, new = figures["spreads"]
        if new > own + NEARLY:
            yield f"spread {own:.2f} -> {new:.2f}"
        if not figures["finite"]:
            yield "not finite after auto"
        if figures["above"][0] is not None and not _no_higher(figures):
            yield "above guessing by {:.3f} -> {:.3f}".format(*figures["above"])
    if missed := [row for row in figures.get("lsuv", ()) if row[2] and abs(row[3] - 1) > STD]:
        yield f"std {missed[0][3]:.4f} of {missed[0][0]} after lsuv"
    said = Counter((severity, code) for severity, code, *_ in figures.get("findings", ()) if severity != "info")
    yield from (f"{severity}: {code}" for severity, code in said)
