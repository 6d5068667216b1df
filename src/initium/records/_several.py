"""What is asked of several findings, and what JSON has no word for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from initium.errors import UnknownNameError
from initium.records._finding import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records._finding import Finding, Severity


def at_least(findings: Sequence[Finding], severity: Severity) -> tuple[Finding, ...]:
    """The findings of a severity and all graver ones.

    Args:
        findings: Any.
        severity: ``error``, ``warning`` or ``info``.

    Returns:
        Those, in their order.

    Raises:
        UnknownNameError: No severity has that name.

    Example:
        >>> at_least((), "warning")
        ()
    """
    if severity not in SEVERITIES:
        raise UnknownNameError(f"no severity is called {severity!r}; known: {', '.join(SEVERITIES)}.")
    worst = SEVERITIES[: SEVERITIES.index(severity) + 1]
    return tuple(finding for finding in findings if finding.severity in worst)


def counted(findings: Sequence[Finding]) -> str:
    """How many findings of each severity, in words.

    Args:
        findings: Any.

    Returns:
        Such as ``1 error, 2 warnings``.

    Example:
        >>> counted(())
        'no findings'
    """
    counts = {name: sum(each.severity == name for each in findings) for name in SEVERITIES}
    parts = [f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count]
    return ", ".join(parts) or "no findings"


def finite(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """The same plain value with ``None`` for what is not finite, as JSON has no word for it.

    Args:
        value: Numbers, strings, and lists and dicts of them.

    Returns:
        A copy.

    Example:
        >>> finite({"rms": [1.0, float("inf")]})
        {'rms': [1.0, None]}
    """
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: finite(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [finite(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value
