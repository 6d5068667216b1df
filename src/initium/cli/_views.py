"""A report for machines: files that are asked for, and lines for the log of a CI."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from initium.cli._output import check_writable, say_written
from initium.errors import ArgumentError
from initium.report import junit, sarif

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initium.records import Severity, Signal
    from initium.report import Place, Report


class Beside(TypedDict):
    """What a page shows beside what was measured: the prediction, and the law of every weight."""

    predicted: Signal | None
    laws: dict[str, str]


@dataclass(frozen=True, slots=True)
class Files:
    """Where each form of a report is to go; ``None`` for nowhere. A field is the name of its option."""

    html: Path | None = None
    json: Path | None = None
    sarif: Path | None = None
    junit: Path | None = None

    def check(self) -> None:
        """Whether all of them can be written, each to a file of its own, found out before the work."""
        seen = dict[Path, str]()
        for name, path in self._asked():
            first = seen.setdefault(path.resolve(), name)
            if first != name and (path.is_file() or not path.exists()):
                raise ArgumentError(
                    f"--{first} and --{name} both go to {path}, where the second would overwrite the first: name two files."
                )
        for name, path in self._asked():
            check_writable(path, f"--{name}")

    def write(self, report: Report, at: Place | None, fail_on: Severity | None, beside: Callable[[], Beside]) -> None:
        """Writes those that were asked for, and says so; the page with what stands beside what was measured."""
        for name, path in self._asked():
            # The extra that a page needs is told by the method itself.
            text = report.html(**beside()) if name == "html" else _form(name, report, at, fail_on)
            path.write_text(text, encoding="utf-8")
            say_written(path)

    def _asked(self) -> Iterator[tuple[str, Path]]:
        given = ((each.name, getattr(self, each.name)) for each in fields(self))
        return ((name, path) for name, path in given if path is not None)


def _form(name: str, report: Report, at: Place | None, fail_on: Severity | None) -> str:
    match name:
        case "junit":
            return junit(report, fail_on)
        case "sarif":
            return json.dumps(sarif(report, at), indent=2, allow_nan=False)
        case _:
            return json.dumps(report.to_dict(), indent=2, allow_nan=False)
