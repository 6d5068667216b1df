"""Weights in files: a checkpoint in several beside an index, read one file at a time."""

import io
import json
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import initium
from initium.cli import app
from initium.errors import ArgumentError

BIN, SAFE = "pytorch_model.bin.index.json", "model.safetensors.index.json"


def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    laid = {f"layers.{block}.up.weight": torch.randn(48, 24) * 0.02 for block in range(11)}
    return {"head.weight": torch.zeros(5, 24), **laid, "table.weight": torch.randn(30, 24)}


def written(folder: Path, index: str = BIN, *, files: int = 3, **kwargs: Any) -> dict[str, Tensor]:
    """A checkpoint as libraries write it: neighbours share a file."""
    tensors = weights()
    suffix = index.removesuffix(".index.json").rpartition(".")[2]
    shards: list[dict[str, Tensor]] = [{} for _ in range(files)]
    for place, (name, tensor) in enumerate(tensors.items()):
        shards[place * files // len(tensors)][name] = tensor
    names = [f"model-{place:05}-of-{files:05}.{suffix}" for place in range(1, files + 1)]
    for name, shard in zip(names, shards, strict=True):
        torch.save(shard, folder / name, **kwargs)
    places = {name: file for file, shard in zip(names, shards, strict=True) for name in shard}
    (folder / index).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return tensors


def changed(folder: Path, change: Callable[[dict[str, str]], object], index: str = BIN) -> Path:
    path = folder / index
    read = json.loads(path.read_text())
    change(read["weight_map"])
    path.write_text(json.dumps(read))
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_an_index_and_its_folder_are_audited_as_the_state_dict_is(tmp_path: Path, *, zipped: bool) -> None:
    tensors = written(tmp_path, _use_new_zipfile_serialization=zipped)
    whole = {row.name: row for row in initium.audit(tensors)}
    for path in (tmp_path / BIN, tmp_path):
        found = initium.audit(path)
        assert {row.name: row for row in found} == whole
        assert (found.title, found.notes) == (BIN, ())
        assert [row.name for row in found if "up" in row.name] == [f"layers.{block}.up.weight" for block in range(11)]
    assert whole["layers.3.up.weight"].kind == "normal"


@pytest.mark.parametrize("zipped", [True, False])
def test_one_file_is_held_at_a_time_and_is_read_for_its_shapes_and_its_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, zipped: bool
) -> None:
    written(tmp_path, files=4, _use_new_zipfile_serialization=zipped)
    alive: list[weakref.ref[Tensor]] = []
    loads: list[str] = []
    load = torch.load

    def watched(path: Path, **kwargs: Any) -> dict[str, Tensor]:
        held = [place for place, each in enumerate(alive) if each() is not None]
        assert not held, f"{held} of {loads[-1]} are still held when {path.name} is read"
        assert kwargs["mmap"] is zipped
        made = load(path, **kwargs)
        alive[:] = [weakref.ref(each) for each in made.values()]
        loads.append(path.name)
        return made

    monkeypatch.setattr(torch, "load", watched)
    initium.audit(tmp_path)
    assert loads == [f"model-{place:05}-of-00004.bin" for place in (1, 2, 3, 4)] * 2


class Opened:
    """What safetensors' ``safe_open`` gives, over a file of ``torch.save``."""

    read: list[str]

    def __init__(self, path: Path, framework: str) -> None:
        assert framework == "pt"
        self.tensors = torch.load(io.BytesIO(Path(path).read_bytes()))

    def keys(self) -> list[str]:
        return list(self.tensors)

    def get_slice(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(get_shape=lambda: list(self.tensors[name].shape))

    def get_tensor(self, name: str) -> Tensor:
        self.read.append(name)
        return self.tensors[name]


def test_of_safetensors_each_tensor_is_read_once_and_they_go_before_a_bin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = written(tmp_path, SAFE)
    written(tmp_path, BIN)
    monkeypatch.setattr(Opened, "read", [], raising=False)
    monkeypatch.setitem(sys.modules, "safetensors", SimpleNamespace(safe_open=Opened, SafetensorError=RuntimeError))
    found = initium.audit(tmp_path)
    assert found.title == SAFE
    assert sorted(Opened.read) == sorted(tensors)
    assert found.rows == initium.audit(tmp_path / BIN).rows


def test_tied_weights_of_one_file_are_one_row(tmp_path: Path) -> None:
    tied = torch.randn(40, 24)
    torch.save({"wte": tied, "head": tied}, tmp_path / "1.bin")
    (tmp_path / BIN).write_text(json.dumps({"weight_map": {"wte": "1.bin", "head": "1.bin"}}))
    (row,) = initium.audit(tmp_path)
    assert row.names == ("head", "wte")


def test_what_the_index_does_not_place_is_left_out_and_said(tmp_path: Path) -> None:
    written(tmp_path)
    found = initium.audit(changed(tmp_path, lambda places: places.pop("table.weight")))
    assert "table.weight" not in {row.name for row in found}
    assert found.notes == ("left out, since the index does not place them where they are: table.weight",)


def test_a_missing_file_and_a_missing_tensor_are_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "model-00002-of-00003.bin").rename(tmp_path / "kept")
    with pytest.raises(
        ArgumentError, match=r"names 3 files, of which 1 are not there: model-00002-of-00003.bin \(of `layers"
    ):
        initium.audit(tmp_path)
    (tmp_path / "kept").rename(tmp_path / "model-00002-of-00003.bin")
    changed(tmp_path, lambda places: places.update({"layers.99.up.weight": "model-00001-of-00003.bin"}))
    with pytest.raises(
        ArgumentError, match=r"places `layers.99.up.weight` in model-00001-of-00003.bin, which does not hold it"
    ):
        initium.audit(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is no JSON"),
        ("[1]", "is no index of weights"),
        ('{"weight_map": {}}', "is no index of weights"),
        ('{"weight_map": {"a": 1}}', "is no index of weights"),
        (None, "there is no file"),
    ],
)
def test_what_is_no_index_is_told(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / BIN).write_text(text)
    with pytest.raises(ArgumentError, match=told):
        initium.audit(tmp_path / BIN)


def test_a_folder_with_no_index_or_with_several_is_told_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="it has no files"):
        initium.audit(tmp_path)
    torch.save(nn.Linear(4, 4).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ArgumentError, match=r"its files are model\.pt"):
        initium.audit(tmp_path)
    for name in ("a.bin.index.json", "b.bin.index.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ArgumentError, match=r"several: a\.bin\.index\.json, b\.bin\.index\.json"):
        initium.audit(tmp_path)


def test_the_command_takes_the_folder_and_the_index(tmp_path: Path) -> None:
    written(tmp_path)
    results = [CliRunner().invoke(app, ["audit", str(path)]) for path in (tmp_path, tmp_path / BIN)]
    assert [each.exit_code for each in results] == [0, 0]
    assert results[0].output == results[1].output
    assert "layers.{0..10}.up.weight" in results[0].output or "layers.10.up.weight" in results[0].output
    (tmp_path / "model-00001-of-00003.bin").unlink()
    result = CliRunner().invoke(app, ["audit", str(tmp_path)])
    assert (result.exit_code, "Traceback" in result.output) == (2, False)
    assert "model-00001-of-00003.bin" in result.output
