"""A report as workflow commands of GitHub Actions: each finding is an annotation of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.records import counted
from initium.report._apart import sentences
from initium.report._shared import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.records import Severity
    from initium.report._place import Place
    from initium.report._report import Report

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def github(report: Report, at: Place | None = None) -> str:
    """A report as lines that GitHub Actions reads, ``::error title=...::message``, below a verdict for whoever reads the log.

    Args:
        report: What a diagnosis found; what is suppressed is one notice for each reason.
        at: The line that makes the model.

    Returns:
        The lines; whatever a name of the model holds, it starts no command of its own.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> github(initium.diagnose(net, torch.randn(64, 8)))
        'HEALTHY  Sequential: no findings'
    """
    return "\n".join(_lines(report, at))


def _lines(report: Report, at: Place | None) -> Iterator[str]:
    yield f"{report.verdict.upper()}  {' '.join(report.title.split())}: {counted(report.findings)}"
    for finding in report.findings:
        yield _command(_COMMANDS[finding.severity], f"initium {finding.code}", told(finding), at)
    for sentence in sentences(report.suppressed, report.unused):
        yield _command("notice", "initium", sentence, at)


def _command(name: str, title: str, message: str, at: Place | None) -> str:
    properties = {} if at is None else {"file": at.path, "line": str(at.line)}
    given = ",".join(f"{key}={_property(value)}" for key, value in (properties | {"title": title}).items())
    return f"::{name} {given}::{_data(message)}"


def _data(text: str) -> str:
    """As the toolkit of GitHub escapes a message."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """As it escapes a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
