"""What a shell sees: the exit code, no traceback, and no noise about a closed pipe."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initium.cli import _views, app

MODELS = """
import sys, time
import torch
from torch import nn

def sick():
    model = nn.Sequential(*[part for _ in range(30) for part in (nn.Linear(16, 16), nn.ReLU())])
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=0.01)
    return model

def good():
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))

def leaves():
    sys.exit(0)

def raises():
    return inner()

def inner():
    raise RuntimeError("no disk")

class Leaves(nn.Linear):
    def __init__(self): super().__init__(16, 4)
    def forward(self, x): sys.exit(0)

class Fails(nn.Linear):
    def __init__(self): super().__init__(16, 4)
    def forward(self, x): raise KeyError("mask")

class Odd(nn.Linear):
    def __init__(self): super().__init__(16, 4)
    def named_parameters(self, *args, **kwargs): raise RuntimeError("no names")

class Slow(nn.Linear):
    def __init__(self): super().__init__(16, 4)
    def forward(self, x):
        print("waiting", flush=True)
        time.sleep(60)

def leaving_loss(output): sys.exit(0)
def batch(): sys.exit(1)
"""
SHAPE = ("--shape", "32,16")


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exits.py").write_text(MODELS)
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "exits", raising=False)
    monkeypatch.delitem(sys.modules, "leaves", raising=False)


def in_a_shell(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "initium", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("diagnose", "exits.py:good", *SHAPE), 0),
        (("diagnose", "exits.py:sick", *SHAPE), 1),
        (("diagnose", "exits.py:leaves", *SHAPE), 2),
        (("diagnose", "exits.py:raises", *SHAPE), 2),
        (("plan", "exits.py:good", "--color", "red"), 2),
    ],
)
def test_a_shell_sees_the_exit_code(arguments: tuple[str, ...], code: int) -> None:
    found, text = in_a_shell(*arguments)
    assert found == code, text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("diagnose", "exits.py:leaves", *SHAPE),
        ("diagnose", "exits.py:Leaves", *SHAPE),
        ("diagnose", "exits.py:good", *SHAPE, "--loss", "exits.py:leaving_loss"),
        ("diagnose", "exits.py:good", "--batch", "exits.py:batch"),
        ("diagnose", "leaves.py:good", *SHAPE),
        ("plan", "exits.py:Leaves", *SHAPE),
    ],
)
def test_code_that_leaves_python_never_passes_for_a_verdict(arguments: tuple[str, ...]) -> None:
    code, text = ran(*arguments)
    assert code == 2
    assert "left Python: sys.exit(" in text
    assert "line " in text


@pytest.mark.parametrize(
    ("target", "message", "function", "code"),
    [
        ("raises", "exits.py:raises() failed: RuntimeError: no disk.", "inner", 'raise RuntimeError("no disk")'),
        ("Fails", "KeyError: 'mask'", "forward", 'raise KeyError("mask")'),
        (
            "Odd",
            "the code that was called failed: RuntimeError: no names",
            "named_parameters",
            'raise RuntimeError("no names")',
        ),
    ],
)
def test_code_that_raises_is_shown_with_its_line(target: str, message: str, function: str, code: str) -> None:
    line = next(number for number, each in enumerate(MODELS.splitlines(), 1) if code in each)
    exit_code, text = ran("diagnose", f"exits.py:{target}", *SHAPE)
    assert exit_code == 2
    assert message in text
    assert f"\n  at exits.py, line {line}, in {function}: " in text
    assert "Traceback" not in text


def test_a_fault_of_our_own_is_no_verdict_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_views, "say_written", None)
    code, text = ran("diagnose", "exits.py:sick", *SHAPE, "--json", "report.json")
    assert code == 2
    assert text.startswith("Traceback")
    assert "this is a fault of initium, not of your call" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("diagnose", "exits.py:raises", *SHAPE, "--json", "nowhere/report.json"),
        ("plan", "exits.py:raises", "--json", "nowhere/plan.json"),
        ("demo", "--svg", "nowhere/demo.svg"),
    ],
)
def test_a_path_that_cannot_be_written_is_told_before_the_work(arguments: tuple[str, ...]) -> None:
    code, text = ran(*arguments)
    assert code == 2
    assert f"{arguments[-2]} {arguments[-1]} cannot be written: No such file or directory." in text
    assert "failed" not in text
    assert "digits" not in text


def test_what_was_written_is_said_and_a_trial_leaves_nothing(tmp_path: Path) -> None:
    assert "wrote plan.json" in ran("plan", "exits.py:good", "--json", "plan.json")[1]
    code, text = ran("diagnose", "exits.py:sick", *SHAPE, "--json", "report.json")
    assert (code, "wrote report.json" in text) == (1, True)
    before = (tmp_path / "report.json").read_text()
    assert ran("diagnose", "exits.py:raises", *SHAPE, "--json", "report.json")[0] == 2
    assert (tmp_path / "report.json").read_text() == before
    assert ran("plan", "exits.py:raises", "--json", "other.json")[0] == 2
    assert not (tmp_path / "other.json").exists()


def left_alone(*arguments: str) -> tuple[int, bytes]:
    """Runs into a pipe that nobody reads any more."""
    with subprocess.Popen(
        [sys.executable, "-m", "initium", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        return process.wait(), process.stderr.read()


@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("plan", "exits.py:good"), 0),
        (("gain", "gelu"), 0),
        (("diagnose", "exits.py:good", *SHAPE), 0),
        (("diagnose", "exits.py:sick", *SHAPE), 1),
        (("demo", "--case", "zeros", "--steps", "1"), 0),
    ],
)
def test_a_closed_pipe_ends_quietly_and_hides_no_verdict(arguments: tuple[str, ...], code: int) -> None:
    assert left_alone(*arguments) == (code, b"")


@pytest.fixture
def heard() -> Iterator[None]:
    """A job in the background is started deaf to interrupts, and so would be what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="pipes and signals of POSIX")
@pytest.mark.usefixtures("heard")
def test_an_interrupt_is_130() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "initium", "diagnose", "exits.py:Slow", *SHAPE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"waiting\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == b""


def test_json_and_the_exit_code_agree(tmp_path: Path) -> None:
    for name, code in (("good", 0), ("sick", 1)):
        assert ran("diagnose", f"exits.py:{name}", *SHAPE, "--json", "report.json")[0] == code
        assert json.loads((tmp_path / "report.json").read_text())["healthy"] is (code == 0)
