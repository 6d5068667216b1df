"""The assertions, and what they say to whoever has to act on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium import diagnose
from initium.records import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import nn

    from initium import Report
    from initium.records import Finding, Ignore, Severity

_SHOWN = 6


def assert_healthy(
    model: nn.Module,
    batch: object,
    loss: Callable[..., object] | None = None,
    *,
    severity: Severity = "error",
    ignore: Iterable[str | Ignore] = (),
) -> Report:
    """Asserts that a model starts healthy.

    Args:
        model: As for :func:`initium.diagnose`.
        batch: As for :func:`initium.diagnose`.
        loss: As for :func:`initium.diagnose`.
        severity: The least severity that fails: ``error``, ``warning`` or ``info``.
        ignore: Codes that may be found, or :class:`~initium.records.Ignore` with a reason and a glob over layers;
            :func:`initium.report.accepted` reads those of a ``pyproject.toml``.

    Returns:
        The report, for more that a test may want to know.

    Raises:
        AssertionError: It does not; the message has the verdict and, for each finding, layers, cause, cure and fix.
        InitiumError: As :func:`initium.diagnose` lists them: what could not be diagnosed is no failed assertion.

    Example:
        >>> import torch
        >>> from initium.testing import assert_healthy
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
        >>> assert_healthy(net, torch.randn(64, 8)).verdict
        'healthy'
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    report = diagnose(model, batch, loss).only(ignore=ignore)
    assert_report(report, severity)
    return report


def assert_report(report: Report, severity: Severity = "error") -> None:
    """Asserts that a report has no finding of a severity or a graver one.

    Args:
        report: What a diagnosis found.
        severity: ``error``, ``warning`` or ``info``.

    Raises:
        AssertionError: It has; the message as of :func:`assert_healthy`.
        UnknownNameError: No severity has that name.
    """
    __tracebackhide__ = True
    found = report.at_least(severity)
    if found:
        raise AssertionError("\n\n".join(_told(report, found)))


def _told(report: Report, found: tuple[Finding, ...]) -> Iterator[str]:
    yield f"{report.title} starts {report.verdict}: {counted(found)}"
    for finding in found:
        yield "\n".join(_lines(finding))
    yield (
        "Accepted on purpose? Name the code in `ignore`, or with its reason in [[tool.initium.ignore]] of pyproject.toml. "
        f"What is behind it: initium explain {found[0].code}"
    )


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity} {finding.code}: {finding.message}"
    if finding.layers:
        more = f" and {len(finding.layers) - _SHOWN} more" if len(finding.layers) > _SHOWN else ""
        yield f"  layers  {', '.join(finding.layers[:_SHOWN])}{more}"
    yield f"  cause   {finding.cause}"
    yield f"  cure    {finding.cure}"
    for place, line in enumerate(finding.fix.splitlines()):
        yield f"  {'' if place else 'fix':8}{line}"
