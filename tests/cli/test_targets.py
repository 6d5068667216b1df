"""What may be named, and what the message says to type instead."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from initium.cli import _target, app

ZOO = """
import functools, random
import numpy as np
import torch
from torch import nn

def build(width=16):
    return nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 4))

def wide(width):
    return build(width)

class Net(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.layer = nn.Linear(width, 4)
    def forward(self, x):
        return self.layer(x)

class Sized(Net):
    def __init__(self, width):
        super().__init__(width)

ready = nn.Linear(16, 4)
bound = functools.partial(wide, 16)
loose = functools.partial(wide)

def dice():
    model = build()
    with torch.no_grad():
        model[0].weight += 0.1 * float(np.random.rand()) + 0.1 * random.random()
    return model

def batch():
    return torch.randn(32, 16)
"""


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("", "far", "a:b", "pkg"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "zoo.py").write_text(ZOO)
    (tmp_path / "copy.py").write_text(ZOO)
    (tmp_path / "slip.py").write_text("def build(:\n    pass\n")
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "inner.py").write_text("from .zoo import build\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("zoo", "pkg", "pkg.zoo", "pkg.inner", "inner", "slip", "needs"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    "target",
    (
        "zoo.py:build zoo:build zoo.py:Net zoo.py:ready zoo.py:bound far/zoo.py:build a:b/zoo.py:build "
        "pkg.inner:build copy.py:build"
    ).split(),
)
def test_a_model_is_found_by_what_a_newcomer_types(target: str) -> None:
    code, text = ran("plan", target, "--shape", "4,16")
    assert code == 0, text


def test_a_file_does_not_take_the_place_of_a_module_that_is_loaded() -> None:
    before = sys.modules["copy"]
    assert ran("plan", "copy.py:build")[0] == 0
    assert sys.modules["copy"] is before


def test_two_targets_in_a_file_are_of_one_module() -> None:
    assert type(_target.model("zoo.py:Net")) is type(_target.model("zoo.py:Net"))


@pytest.mark.parametrize(
    ("target", "cure"),
    [
        ("zoo.py", "Write zoo.py:name; it has Net, Sized, batch, bound, build, dice, loose, ready, wide."),
        ("zoo", "Write zoo.py:name; it has"),
        ("zoo:", "Write zoo.py:name; it has"),
        ("pkg.inner", "Write pkg:inner."),
        ("", "Write package.module:name, or file.py:name."),
        (r"C:\work\zoo.py", r"Write C:\work\zoo.py:name."),
        (r"C:\work\zoo.py:build", r"there is no file C:\work\zoo.py. Check the path"),
        (r"far\zoo.py:build", "Write far/zoo.py:build."),
        ("far/zoo:build", "For the file write far/zoo.py:build."),
        ("lost.py:build", "such as folder/lost.py:build."),
        ("/lost.py:build", "there is no file /lost.py. Check the path"),
        ("zoo.py:bild", "zoo.py has no 'bild'; it has Net, Sized, batch, bound, build,"),
        ("zoo.py:wide", "def build(): return wide(width=...)"),
        ("zoo.py:loose", "def build(): return loose(width=...)"),
        ("zoo.py:Sized", "def build(): return Sized(width=...)"),
        ("slip.py:build", "running slip.py failed: SyntaxError: invalid syntax (slip.py, line 1)."),
        ("needs.py:build", f"No module named 'no_such_package'. Install it for {sys.executable}"),
        ("pkg/inner.py:build", "write pkg.inner:build."),
        ("lost.module:build", "It was looked for from"),
    ],
)
def test_a_target_that_is_none_says_what_to_type(target: str, cure: str) -> None:
    code, text = ran("plan", target)
    assert code == 2
    assert text.startswith("initium: ")
    assert cure in text
    assert "Traceback" not in text


@pytest.mark.parametrize("shape", ["99999999,99999999", "99999999999999999999"])
def test_a_shape_without_end_is_no_traceback(shape: str) -> None:
    code, text = ran("plan", "zoo.py:build", "--shape", shape)
    assert code == 2
    assert f"--shape {shape} does not fit into memory" in text


def test_a_batch_that_does_not_fit_says_which_option_gives_another() -> None:
    code, text = ran("plan", "zoo.py:build", "--shape", "4,7")
    assert code == 2
    assert "--batch file.py:name for anything else" in text


@pytest.mark.parametrize("data", [("--shape", "32,16"), ("--batch", "zoo.py:batch")])
def test_a_seed_prints_the_same_again_and_another_seed_does_not(data: tuple[str, ...]) -> None:
    def shown(*seed: str) -> str:
        for generator in (torch.manual_seed, random.seed, np.random.seed):  # what happened before has no say
            generator(len(seed) + 7)
        sys.modules.pop("zoo", None)
        return ran("diagnose", "zoo.py:dice", *data, *seed)[1]

    assert shown() == shown("--seed", "0")
    assert shown("--seed", "1") != shown("--seed", "0")


def test_the_batch_is_not_what_the_model_drew_and_does_not_depend_on_it() -> None:
    _target.seeded(3)
    drawn = torch.randn(32, 16)
    values = _target.batch(None, "32,16", 3)
    assert isinstance(values, torch.Tensor)
    assert torch.equal(values, _target.batch(None, "32,16", 3))
    # The correlation of 512 independent pairs, within six standard errors.
    assert abs(float((values * drawn).mean())) < 6 / 512**0.5


@pytest.mark.parametrize("command", ["demo", "diagnose", "plan"])
def test_the_seed_is_told_in_the_same_words(command: str) -> None:
    text = " ".join(ran(command, "--help")[1].split())
    text = text.replace("\\[", "[")  # an older typer prints its escape of a bracket
    assert "the same seed prints the same. [default: 0]" in text
    arguments = {"demo": ()}.get(command, ("zoo.py:build", "--shape", "4,16"))
    assert ran(command, *arguments, "--seed", "-1")[0] == 2
    assert ran(command, *arguments, "--seed", str(1 << 63))[0] == 2
