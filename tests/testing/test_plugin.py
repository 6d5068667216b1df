"""The fixture, in test runs of its own."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = "pytester"

# Where the installed metadata does not know the plugin yet, it is named.
LOADED = any(each.value == "pytest_initium" for each in entry_points(group="pytest11"))
PLUGIN = () if LOADED else ("-p", "pytest_initium")

MODEL = """
import torch
from torch import nn

def zeros():
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    return net

def test_start(assert_healthy):
    assert_healthy(zeros(), torch.ones(4, 8).cumsum(0))
"""
IGNORED = """
[[tool.initium.ignore]]
code = "symmetry"
reason = "what is tested"
"""


def ran(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *PLUGIN, *arguments)


def test_a_failure_has_the_message_and_the_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODEL)
    result = ran(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">   *assert_healthy(zeros(), *",
            "E   *AssertionError: Sequential starts symmetric: 1 error*",
            "*Captured report of initium call*",
            "SYMMETRIC  Sequential: 1 error*",
        ]
    )
    assert "_healthy.py" not in result.stdout.str(), "the line of the test is shown, not ours"


def test_what_the_project_accepts_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MODEL)
    pytester.makepyprojecttoml(IGNORED)
    ran(pytester).assert_outcomes(passed=1)


def test_a_run_that_asks_for_nothing_loads_neither_torch_nor_initium(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test_it():\n    assert not {'torch', 'initium'} & sys.modules.keys()")
    ran(pytester).assert_outcomes(passed=1)
    assert "assert_healthy" in ran(pytester, "--fixtures").stdout.str()


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    script = "import sys, pytest_initium; sys.exit(bool({'torch', 'initium', 'numpy'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", script], check=True)
