"""The form of a report in JSON, published as a JSON Schema beside this file."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

SCHEMA_VERSION = 1
"""Raised when a field goes away or changes its meaning; a new field is no new version."""


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that :meth:`Report.to_dict` keeps to.

    Returns:
        The schema; also in the repository as ``docs/report.schema.json``.

    Example:
        >>> schema()["$id"]
        'urn:initium:report:1'
    """
    return json.loads(files("initium.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
