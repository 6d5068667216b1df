"""Results as a table in the terminal and as a part of a Markdown page."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from quality.results import LEVEL, suspects

if TYPE_CHECKING:
    from quality.results import Result

BEGIN, END = "<!-- figures of benchmarks/stream_quality.py -->", "<!-- end of figures -->"
SMALL = 1e-3


def probability(p: float) -> str:
    """A p-value with three digits that count."""
    return f"{p:.3f}" if p >= SMALL else f"{p:.1e}" if p > 0 else "< 1e-300"


def _verdicts(results: list[Result]) -> list[str]:
    found = suspects(results)
    return ["SUSPECT" if place in found else "passes" for place in range(len(results))]


def table(results: list[Result]) -> Table:
    """All results for a terminal."""
    shown = Table("source", "test", "statistic", "p", "verdict")
    shown.columns[3].justify = "right"
    before = ""
    for result, verdict in zip(results, _verdicts(results), strict=True):
        if before not in {"", result.source}:
            shown.add_section()
        shown.add_row(
            "" if result.source == before else result.source,
            result.test,
            result.statistic,
            probability(result.p),
            verdict,
        )
        before = result.source
    return shown


def resolution(lines: list[tuple[str, ...]]) -> Table:
    """How far the laws as computed lie from the exact ones, and by how much that moves a test of 2^30 values."""
    shown = Table(
        *(
            "law",
            "largest gap of F",
            "sqrt(2^30) of it",
            "a moment moves by, std",
            "the chi-square, std",
            "with 4,096 bins",
        )
    )
    for line in lines:
        shown.add_row(*line)
    return shown


def summary(results: list[Result]) -> str:
    """The rule, and what came of it."""
    least = min(results, key=lambda result: result.p)
    small = sum(result.p < 0.01 for result in results)  # noqa: PLR2004  one in a hundred, to compare with
    return (
        f"{len(results)} tests; {len(suspects(results)) or 'none'} suspect by Holm's rule at {LEVEL:g} over all of them, "
        f"which begins at p = {LEVEL / len(results):.1e}. The least p is {probability(least.p)} ({least.source}: "
        f"{least.test}). {small} are below 0.01, where chance alone puts {len(results) / 100:.1f}."
    )


def machine() -> str:
    """The kind of processor, its cores, and the versions that ran."""
    found = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        found = lines[0].partition(":")[2].strip() if lines else found
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy", "scipy"))
    return f"{found}, {os.cpu_count()} cores; {versions}"


def _markdown(results: list[Result], count: int, seed: int) -> str:
    log = count.bit_length() - 1
    shown = f"2^{log}" if count == 1 << log else f"{count:,}"
    lines = [f"{shown} values a distribution, seed {seed}, on {machine()}.", "", summary(results), ""]
    before = ""
    for result, verdict in zip(results, _verdicts(results), strict=True):
        if result.source != before:
            title = result.source[0].upper() + result.source[1:]
            lines += ["", f"### {title}", "", "| test | statistic | p | verdict |", "|---|---|---|---|"]
        # A bar would end the cell.
        cells = (result.test, result.statistic, probability(result.p), verdict)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        before = result.source
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def write(path: Path, results: list[Result], count: int, seed: int) -> None:
    """Put the figures between their marks in a page that has them; else write a page of figures."""
    figures = f"{BEGIN}\n\n{_markdown(results, count, seed)}\n\n{END}"
    text = path.read_text(encoding="utf-8") if path.exists() else f"# The quality of the stream\n\n{BEGIN}{END}\n"
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}{END}\n"
    before, _, rest = text.partition(BEGIN)
    path.write_text(before + figures + rest.partition(END)[2], encoding="utf-8")
