"""The commands: what they print, and the exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import initium
from initium.cli import app

MODELS = """
import torch
from torch import nn
from torch.nn import functional as F
from initium import Batch

def build(depth=30, fill=nn.init.xavier_normal_):
    torch.manual_seed(0)
    sizes = [16, *[64] * (depth - 1), 4]
    parts = []
    for place in range(depth):
        parts += [nn.Linear(sizes[place], sizes[place + 1]), nn.ReLU()]
        fill(parts[-2].weight)
        nn.init.zeros_(parts[-2].bias)
    return nn.Sequential(*parts[:-1])

def good():
    return build(fill=lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))

def mild():
    return build(depth=10)

def batch():
    return Batch((torch.randn(64, 16),), target=torch.arange(64) % 4)

def broken():
    raise RuntimeError("no disk")

loss = F.cross_entropy
ready = nn.Linear(16, 4)
named = nn.ModuleDict({"ünï_层": nn.Linear(16, 4)})
seven = 7
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "models", raising=False)
    return "models.py"


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_version_is_said() -> None:
    assert ran("--version") == (0, f"initium {initium.__version__}\n")


def test_help_teaches_with_examples() -> None:
    code, text = ran("--help")
    assert code == 0
    assert "initium diagnose models.py:build --shape 32,64" in text
    for command in ("demo", "diagnose", "plan", "audit", "gain"):
        code, text = ran(command, "--help")
        assert code == 0
        assert f"initium {command} " in text
        assert max(map(len, text.splitlines())) <= 80


def test_a_gain_is_exact() -> None:
    code, text = ran("gain", "relu")
    assert code == 0
    assert "1.414213562" in text
    assert "1.386750491" in ran("gain", "leaky_relu", "--set", "negative_slope=0.2")[1]
    assert "gelu" in ran("gain")[1]


def test_a_gain_is_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "gain.json"
    assert ran("gain", "leaky_relu", "--set", "negative_slope=0.2", "--json", str(path))[0] == 0
    found = json.loads(path.read_text())
    assert found["parameters"] == {"negative_slope": 0.2}
    assert found["forward_gain"] == pytest.approx((2 / 1.04) ** 0.5)
    assert ran("gain", "--json", str(path))[0] == 0
    assert "gelu" in json.loads(path.read_text())["activations"]
    code, text = ran("gain", "relu", "--json", str(tmp_path / "nowhere" / "file"))
    assert code != 0
    assert "cannot be written" in text


def test_an_unknown_activation_is_one_message_and_exit_code_two() -> None:
    code, text = ran("gain", "rleu")
    assert code == 2
    assert text.startswith("initium: ")
    assert "relu" in text
    assert "Traceback" not in text


def test_a_sick_model_exits_with_one(models: str) -> None:
    code, text = ran("diagnose", f"{models}:build", "--shape", "64,16")
    assert code == 1
    assert "VANISHING" in text
    assert "\x1b" not in text


def test_a_healthy_model_exits_with_nought(models: str) -> None:
    code, text = ran(
        "diagnose", f"{models}:good", "--batch", f"{models}:batch", "--loss", "torch.nn.functional:cross_entropy"
    )
    assert (code, "HEALTHY" in text) == (0, True)


def test_warnings_fail_where_asked(models: str) -> None:
    arguments = ("diagnose", f"{models}:mild", "--shape", "64,16")
    assert ran(*arguments)[0] == 0
    assert ran(*arguments, "--fail-on", "warning")[0] == (1 if "warning" in ran(*arguments)[1] else 0)


def test_the_report_is_written_as_json(models: str, tmp_path: Path) -> None:
    ran("diagnose", f"{models}:build", "--shape", "64,16", "--json", "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "vanishing"


def test_a_plan_prints_and_saves(models: str, tmp_path: Path) -> None:
    code, text = ran("plan", f"{models}:good", "--shape", "8,16", "--json", "plan.json")
    assert code == 0
    assert "He normal" in text
    assert len(initium.Plan.load(tmp_path / "plan.json")) == 60
    assert ran("plan", f"{models}:ready", "--scheme", "normal(0.02)")[0] == 0


def test_a_plan_without_a_batch_says_that_it_guesses_and_what_to_add(models: str) -> None:
    text = ran("plan", f"{models}:ready")[1]
    assert text.count("(assumed)") == 2
    assert text.rstrip().endswith("to trace it: --shape 32,64 or --batch file.py:name")
    assert "assumed" not in ran("plan", f"{models}:ready", "--shape", "4,16")[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("diagnose", "models.py"), "needs data"),
        (("diagnose", "models.py", "--shape", "4,16"), "names no object"),
        (("plan", "weights.safetensors"), "For weights alone: initium audit weights.safetensors"),
        (("diagnose", "nowhere.py:build", "--shape", "4,16"), "there is no file nowhere.py"),
        (("diagnose", "no_such_module:build", "--shape", "4,16"), "importing no_such_module failed"),
        (("diagnose", "models.py:buidl", "--shape", "4,16"), "has no 'buidl'; it has"),
        (("diagnose", "models.py:seven", "--shape", "4,16"), "can be neither used nor called"),
        (("diagnose", "models.py:batch", "--shape", "4,16"), "an nn.Module is needed"),
        (("diagnose", "models.py:broken", "--shape", "4,16"), "RuntimeError: no disk"),
        (("diagnose", "models.py:good", "--shape", "4,x"), "positive sizes between commas"),
        (("diagnose", "models.py:good", "--shape", "4,7"), "cannot take this batch"),
        (("diagnose", "models.py:good", "--shape", "4,16", "--batch", "models.py:batch"), "both given"),
        (("diagnose", "models.py:good", "--shape", "4,16", "--loss", "models.py:seven"), "a loss is a callable"),
        (("plan", "models.py:good", "--scheme", "textbok"), "no scheme is called 'textbok'"),
        (("demo", "--case", "cold"), "no case is called 'cold'; known: glorot-relu"),
        (("gain", "relu", "--set", "slope"), "name=number"),
    ],
)
@pytest.mark.usefixtures("models")
def test_what_could_not_run_is_one_clear_message(arguments: tuple[str, ...], told: str) -> None:
    code, text = ran(*arguments)
    assert code == 2
    assert text.startswith("initium: ")
    assert told in text


def test_the_demo_draws_its_picture(tmp_path: Path) -> None:
    code, text = ran("demo", "--case", "zeros", "--steps", "3", "--svg", str(tmp_path / "demo.svg"))
    assert code == 0
    assert "SYMMETRIC" in text
    assert (tmp_path / "demo.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("encoding", "command"),
    [("ascii", ("plan", "models.py:named")), ("latin-1", ("plan", "models.py:named")), ("cp1252", ("gain", "gelu"))],
)
def test_an_encoding_without_the_characters_is_no_error(encoding: str, command: tuple[str, ...], models: str) -> None:
    assert models
    done = subprocess.run(
        [sys.executable, "-m", "initium", *command],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "-----" in done.stdout.decode(encoding)


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "initium", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"initium {initium.__version__}\n"
