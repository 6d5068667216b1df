"""A report as SARIF 2.1.0 (OASIS, 2020), which code scanning reads: checks are rules, findings are results.

A layer is a logical location. The physical one, where known, is the line that makes the model: a layer has no other.
"""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import version
from textwrap import shorten
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from initium.diagnose import CHECKS, explained
from initium.records import finite
from initium.report._shared import codes_of
from initium.report._shared import told as as_told

if TYPE_CHECKING:
    from initium.records import Finding, Ignore, Severity
    from initium.report._place import Place
    from initium.report._report import Report

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LONGEST = 1024  # characters of a full description that GitHub's code scanning reads
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}


def sarif(report: Report, at: Place | None = None) -> dict[str, Any]:
    """A report as a SARIF log, for ``json.dump``.

    Args:
        report: What a diagnosis found. Suppressed findings are results with a suppression and its justification.
        at: The line that makes the model.

    Returns:
        The log: one run, a rule for every check, a result for every finding.

    Example:
        >>> import torch, initium
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> sarif(initium.diagnose(net, torch.randn(64, 8)))["version"]
        '2.1.0'

    Reference:
        Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01, OASIS Standard, 2023.
    """
    every = [*((each, None) for each in report.findings), *((each.finding, each.ignore) for each in report.suppressed)]
    codes = codes_of(report)
    driver = {"name": "initium", "version": version("initium"), "rules": [_rule(code) for code in codes]}
    results = [_result(finding, ignore, codes.index(finding.code), at) for finding, ignore in every]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    if code not in CHECKS:
        return {"id": code}
    told = explained(code)
    sections = {"Theory": told.theory, "Limits": told.limits, "Not a fault": told.not_a_fault}
    plain = "\n\n".join(f"{name}: {text}" for name, text in sections.items() if text)
    marked = "\n\n".join(f"**{name}**: {text}" for name, text in sections.items() if text)
    example = f"\n\n```python\n{told.example}\n```" if told.example else ""
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": _text(told.what or code)},
        "fullDescription": {"text": shorten(_text(told.theory or told.what or code), _LONGEST, placeholder=" ...")},
        "help": {"text": _text(plain or code), "markdown": (marked or code) + example},
    }


def _result(finding: Finding, ignore: Ignore | None, place: int, at: Place | None) -> dict[str, Any]:
    physical = {} if at is None else {"physicalLocation": _physical(at)}
    told = {
        "ruleId": finding.code,
        "ruleIndex": place,
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(as_told(finding))},
        "locations": [physical | _logical(layer) for layer in finding.layers] or ([physical] if physical else []),
        # Findings of one model share a line: what tells them apart from run to run is what they speak of.
        "partialFingerprints": {"primaryLocationLineHash": f"{_hash(finding)}:1"},
        "properties": finite(
            {
                "measured": finding.measured,
                "expected": finding.expected,
                "part_of": finding.part_of,
                "fix": finding.fix,
            }
        ),
    }
    if ignore is not None:
        told["suppressions"] = [{"kind": "external", "justification": ignore.reason}]
    return told


def _physical(at: Place) -> dict[str, Any]:
    return {"artifactLocation": {"uri": quote(at.path)}, "region": {"startLine": at.line}}


def _logical(layer: str) -> dict[str, Any]:
    named = {"name": layer.rpartition(".")[2], "fullyQualifiedName": layer, "kind": "member"}
    return {"logicalLocations": [named]}


def _hash(finding: Finding) -> str:
    return hashlib.sha256("\0".join((finding.code, *finding.layers)).encode("utf-8", "backslashreplace")).hexdigest()[
        :16
    ]


def _text(text: str) -> str:
    """Text in which brackets are no link (3.11.6) and braces hold no argument (3.11.5)."""
    return re.sub(r"([\\\[\]])", r"\\\1", text).replace("{", "{{").replace("}", "}}")
