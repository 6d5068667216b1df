"""The pytest plugin of initium: a fixture ``assert_healthy``.

It stands beside the package and not in it: pytest loads its plugins whenever it starts, and with the package would load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from initium import Report
    from initium.records import Ignore, Severity


@pytest.fixture
def assert_healthy(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """``assert_healthy(model, batch, loss=None, *, severity="error", ignore=())``: that a model starts healthy.

    As ``initium.testing.assert_healthy``; besides, it accepts what ``[[tool.initium.ignore]]`` of ``pyproject.toml`` accepts, and
    a test that fails shows the whole report.
    """

    def check(
        model: nn.Module,
        batch: object,
        loss: Callable[..., object] | None = None,
        *,
        severity: Severity = "error",
        ignore: Iterable[str | Ignore] = (),
    ) -> Report:
        __tracebackhide__ = True
        import initium  # noqa: PLC0415 - a test that asks for it pays for torch, no other
        from initium.report import accepted  # noqa: PLC0415
        from initium.testing import assert_report  # noqa: PLC0415

        known = (*accepted(request.config.rootpath), *ignore)
        report = initium.diagnose(model, batch, loss).only(ignore=known)
        if report.at_least(severity):
            request.node.add_report_section("call", "report of initium", str(report))
        assert_report(report, severity)
        return report

    return check
