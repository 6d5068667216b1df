"""Help at every width, in every terminal; and its examples, run as they are printed."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import initium
from initium.cli import app

MODELS = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
"""
DATA = """
import torch
from initium import Batch

def batch():
    return Batch((torch.randn(32, 64),), target=torch.arange(32) % 10)
"""
COMMANDS = ((), ("demo",), ("diagnose",), ("explain",), ("plan",), ("predict",), ("audit",), ("gain",))


def helped(*command: str, columns: int = 80) -> str:
    # click's runner shows 80 columns whatever the terminal; what the formatter makes of a terminal is said here.
    width = max(min(columns, 80) - 2, 50)
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="initium", terminal_width=width)
    assert result.exit_code == 0
    return result.output


def examples() -> list[str]:
    """Every line of a help text that is a call, with its backslashes taken for what they are."""
    texts = (helped(*command).replace("\\\n", " ") for command in COMMANDS)
    return sorted(
        {" ".join(line.split()) for text in texts for line in text.splitlines() if re.match(" +initium ", line)}
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_of_help_is_wider_than_the_terminal_nor_cut(command: tuple[str, ...], columns: int) -> None:
    text = helped(*command, columns=columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "..." not in " ".join(text.split()).replace("[ARGS]...", "").replace("normal(0.02) ...", "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_help_is_shown_by_a_terminal_that_knows_nothing(command: tuple[str, ...], encoding: str) -> None:
    plain = {"NO_COLOR": "1", "TERM": "dumb", "LANG": "C", "LC_ALL": "C", "COLUMNS": "60", "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "initium", *command, "--help"],
        capture_output=True,
        check=False,
        env={**os.environ, **plain},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60


@pytest.mark.parametrize("example", examples())
def test_an_example_runs_as_it_is_printed(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "shop" / "models.py").write_text(MODELS)
    (tmp_path / "shop" / "data.py").write_text(DATA)
    layer = torch.nn.Linear(16, 4)
    torch.save(layer.state_dict(), tmp_path / "model.pt")
    initium.plan(layer).save(tmp_path / "plan.json")
    (tmp_path / "checkpoint").mkdir()
    torch.save(layer.state_dict(), tmp_path / "checkpoint" / "1.bin")
    index = {"weight_map": dict.fromkeys(layer.state_dict(), "1.bin")}
    (tmp_path / "checkpoint" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("models", "shop", "shop.models", "shop.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    program, *arguments = shlex.split(example)
    assert program == "initium"
    short = ["--steps", "1"] if arguments[0] == "demo" else []
    result = CliRunner().invoke(app, [*arguments, *short])
    assert result.exit_code == 0, result.output


def test_every_command_shows_an_example() -> None:
    assert {example.split()[1] for example in examples()} == {
        "demo",
        "diagnose",
        "explain",
        "plan",
        "predict",
        "audit",
        "gain",
    }
    assert len(examples()) > 6
