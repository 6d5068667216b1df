"""``initium audit``: what it prints, writes, and exits with."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import initium
from initium.cli import app


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def saved(folder: Path, std: float = 0.02) -> tuple[nn.Module, str]:
    torch.manual_seed(0)
    model = nn.Linear(64, 64)
    nn.init.normal_(model.weight, std=std)
    nn.init.zeros_(model.bias)
    torch.save(model.state_dict(), folder / "model.pt")
    return model, str(folder / "model.pt")


def test_a_file_is_audited_and_written_as_json(tmp_path: Path) -> None:
    _, file = saved(tmp_path)
    code, text = ran("audit", file, "--json", str(tmp_path / "audit.json"))
    assert code == 0
    assert "N(0, 0.02)" in text
    rows = json.loads((tmp_path / "audit.json").read_text())["rows"]
    assert [row["kind"] for row in rows] == ["normal", "constant"]


def test_the_exit_code_says_whether_there_is_a_finding(tmp_path: Path) -> None:
    model, file = saved(tmp_path)
    initium.plan(model, scheme="normal(0.03)").save(tmp_path / "plan.json")
    planned = ("audit", file, "--scheme", str(tmp_path / "plan.json"))
    assert ran(*planned)[0] == 0
    code, text = ran(*planned, "--fail-on", "warning")
    assert code == 1
    assert "wrong-std" in text
    code, text = ran("audit", file, "--scheme", "he_normal")
    assert code == 2
    assert "shapes alone" in text


class Opened:
    """What safetensors' ``safe_open`` gives, over a dictionary; it counts what is read."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors, self.read = tensors, []

    def keys(self):
        return self.tensors.keys()

    def get_slice(self, name: str):
        return SimpleNamespace(get_shape=lambda: list(self.tensors[name].shape))

    def get_tensor(self, name: str) -> torch.Tensor:
        self.read.append(name)
        return self.tensors[name]


def test_a_safetensors_file_is_read_tensor_by_tensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = saved(tmp_path)
    opened = Opened(dict(model.state_dict()))
    module = SimpleNamespace(safe_open=lambda *_a, **_k: opened, SafetensorError=RuntimeError)
    monkeypatch.setitem(sys.modules, "safetensors", module)
    (tmp_path / "model.safetensors").write_bytes(b"")
    code, text = ran("audit", str(tmp_path / "model.safetensors"))
    assert code == 0
    assert "N(0, 0.02)" in text
    assert opened.read == ["bias", "weight"]


def test_without_safetensors_the_cure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    (tmp_path / "model.safetensors").write_bytes(b"")
    code, text = ran("audit", str(tmp_path / "model.safetensors"))
    assert code == 2
    assert "pip install safetensors" in text
