"""What the forms for machines share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose import CHECKS

if TYPE_CHECKING:
    from initium.records import Finding
    from initium.report._report import Report


def codes_of(report: Report) -> tuple[str, ...]:
    """The codes of all checks, then those of a report's findings that are of none, each once."""
    apart = (each.finding.code for each in report.suppressed)
    return tuple(dict.fromkeys([*CHECKS, *(each.code for each in report.findings), *apart]))


def told(finding: Finding) -> str:
    """A finding as a message of several lines."""
    return f"{finding.message}\nCause: {finding.cause}\nCure: {finding.cure}\n{finding.fix}".rstrip()
