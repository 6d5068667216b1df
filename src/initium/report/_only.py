"""Findings apart: those that count, and those that are known of and accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from initium.diagnose import explained
from initium.records import Finding, Ignore, Suppressed

if TYPE_CHECKING:
    from collections.abc import Iterable

_ASKED, _NOT_SELECTED = "the caller leaves it out", "the caller asks for other codes"


def parted(
    findings: Iterable[Finding], select: Iterable[str], ignore: Iterable[str | Ignore]
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...], tuple[Ignore, ...]]:
    """The findings that count, those that do not, and the ignores that cover none.

    Raises:
        UnknownNameError: A code is that of no check.
    """
    wanted = tuple(select)
    ignores = tuple(Ignore(each, _ASKED, source="ignore") if isinstance(each, str) else each for each in ignore)
    for code in (*wanted, *(each.code for each in ignores)):
        explained(code)  # raises where there is none
    kept, apart = list[Finding](), list[Suppressed]()
    for finding in findings:
        cover = next((each for each in ignores if each.covers(finding)), None)
        if cover is None and wanted and finding.code not in wanted:
            cover = Ignore(finding.code, _NOT_SELECTED, source="select")
        if cover is None:
            kept.append(finding)
        else:
            apart.append(Suppressed(finding, cover))
    used = {each.ignore for each in apart}
    codes = {each.code for each in kept}
    # What belonged to an illness that is accepted stands by itself.
    kept = [each if each.part_of in codes else replace(each, part_of="") for each in kept]
    return tuple(kept), tuple(apart), tuple(dict.fromkeys(each for each in ignores if each not in used))
