"""A report as JUnit XML, which build servers show: each check is a test case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from initium.report._shared import codes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import Finding, Severity, Suppressed
    from initium.report._report import Report

# What XML 1.0 has no way to write, section 2.2: control characters, halves of surrogate pairs, two that are none.
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report, fail_on: Severity | None = "error") -> str:
    """A report as JUnit XML.

    Args:
        report: What a diagnosis found.
        fail_on: The least severity that is a failure; ``None`` for no failure at all.

    Returns:
        The document: a test case for every check. One whose findings are all suppressed is skipped, with the reason; what is
        found below ``fail_on`` is in its output.

    Raises:
        UnknownNameError: No severity has that name.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> junit(initium.diagnose(net, torch.randn(64, 8))).splitlines()[1][:21]
        '<testsuites name="ini'
    """
    grave = () if fail_on is None else report.at_least(fail_on)
    found = {code: [each for each in report.findings if each.code == code] for code in codes_of(report)}
    suite = ET.Element("testsuite", name=_text(report.title or "model"))
    for code, findings in found.items():
        case = ET.SubElement(suite, "testcase", classname=_text(f"initium.{report.title or 'model'}"), name=_text(code))
        apart = [each for each in report.suppressed if each.finding.code == code]
        _outcome(case, findings, [each for each in findings if each in grave], apart)
    counts = {
        "tests": str(len(found)),
        "failures": str(len(suite.findall("testcase/failure"))),
        "errors": "0",
        "skipped": str(len(suite.findall("testcase/skipped"))),
    }
    suite.attrib |= counts
    root = ET.Element("testsuites", {"name": "initium", **counts})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _outcome(
    case: ET.Element, findings: Sequence[Finding], grave: Sequence[Finding], apart: Sequence[Suppressed]
) -> None:
    if grave:
        failure = ET.SubElement(case, "failure", message=_text(grave[0].message), type=grave[0].severity)
        failure.text = _text("\n\n".join(map(_told, grave)))
    elif apart and not findings:
        ET.SubElement(case, "skipped", message=_text("; ".join(dict.fromkeys(each.ignore.reason for each in apart))))
    rest = [each for each in findings if each not in grave]
    if rest:
        ET.SubElement(case, "system-out").text = _text("\n\n".join(map(_told, rest)))


def _told(finding: Finding) -> str:
    where = f"\nLayers: {', '.join(finding.layers)}" if finding.layers else ""
    told = f"{finding.severity}: {finding.message}{where}\nCause: {finding.cause}\nCure: {finding.cure}\n{finding.fix}"
    return told.rstrip()


def _text(text: str) -> str:
    return _NO_CHARACTER.sub("\ufffd", text)
