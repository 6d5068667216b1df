"""Packages that only some views need: imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any

from initium.errors import ArgumentError


def extra(package: str, name: str, view: str) -> Any:  # noqa: ANN401 - a module
    """A package of an extra.

    Raises:
        ArgumentError: It is not installed; the message names the cure.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ArgumentError(
            f"{view} needs the package {package.partition('.')[0].replace('_', '-')}, which is not installed: "
            f"pip install 'initium[{name}]'. Without it, print(report) and report.to_dict() say the same."
        ) from error
