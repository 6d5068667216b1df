"""What is wrong with one parameter; what is wrong with several in one way is one finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.records import SEVERITIES, Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from initium.records import Severity


@dataclass(frozen=True, slots=True)
class Found:
    """One thing about one parameter.

    Attributes:
        code: The finding's code.
        severity: The finding's severity.
        name: The parameter.
        told: What is so, as it goes on behind the parameter's name.
        measured: The figure that was measured.
        expected: The figure that was planned.
        cause: The probable cause, without figures of this parameter.
        cure: What to do.
        fix: A call that does it.
    """

    code: str
    severity: Severity
    name: str
    told: str
    measured: float
    expected: float
    cause: str
    cure: str
    fix: str = ""


def gathered(found: Iterable[Found]) -> tuple[Finding, ...]:
    """One finding for all parameters that have the same, the gravest first."""
    groups: dict[tuple[str, Severity, str, str, str], list[Found]] = {}
    for each in found:
        groups.setdefault((each.code, each.severity, each.cause, each.cure, each.fix), []).append(each)
    made = [_finding(group) for group in groups.values()]
    return tuple(sorted(made, key=lambda finding: SEVERITIES.index(finding.severity)))


def _finding(group: list[Found]) -> Finding:
    first = group[0]
    more = f", and {len(group) - 1} more like it" if len(group) > 1 else ""
    return Finding(
        code=first.code,
        severity=first.severity,
        layers=tuple(each.name for each in group),
        message=f"`{first.name}` {first.told}{more}.",
        measured=first.measured,
        expected=first.expected,
        cause=first.cause,
        cure=first.cure,
        remedy=Code(first.fix) if first.fix else None,
    )
