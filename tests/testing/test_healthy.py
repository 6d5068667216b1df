"""Assertions that a model starts healthy, and what they say where it does not."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import initium
from initium.errors import BatchError, UnknownNameError
from initium.records import Ignore
from initium.testing import assert_healthy, assert_report

BATCH = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))


def good() -> nn.Module:
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    initium.initialize(net, BATCH, seed=0)
    return net


def zeros() -> nn.Module:
    net = good()
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net


def test_a_healthy_model_passes_and_gives_its_report() -> None:
    assert assert_healthy(good(), BATCH, severity="warning").verdict == "healthy"


def test_a_failure_says_what_to_do() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_healthy(zeros(), BATCH)
    finding = initium.diagnose(zeros(), BATCH).findings[0]
    told = str(caught.value)
    assert told.startswith("Sequential starts symmetric: ")
    for part in (finding.message, *finding.layers, finding.cause, finding.cure, finding.fix):
        assert part in told
    assert "initium explain symmetry" in told


@pytest.mark.parametrize("ignore", ["symmetry", Ignore("symmetry", "zero on purpose", layers="*.weight")])
def test_what_is_ignored_does_not_fail(ignore: str | Ignore) -> None:
    report = assert_healthy(zeros(), BATCH, severity="info", ignore=[ignore])
    assert [each.finding.code for each in report.suppressed] == ["symmetry"]


def test_the_severity_decides() -> None:
    report = initium.diagnose(zeros(), BATCH)
    warned = initium.Report((report.findings[0].__class__("x", "warning", (), "m", 1.0, 1.0, "c", "d"),), report.signal)
    assert_report(warned, "error")
    with pytest.raises(AssertionError, match="starts x: 1 warning"):
        assert_report(warned, "warning")


def test_what_cannot_be_diagnosed_is_no_failed_assertion() -> None:
    with pytest.raises(BatchError):
        assert_healthy(good(), torch.randn(0, 8))
    with pytest.raises(UnknownNameError, match="no check has the code 'symetry'; known: input-scale"):
        assert_healthy(good(), BATCH, ignore=["symetry"])


def test_the_assertions_need_no_pytest() -> None:
    script = "import sys, initium.testing; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
