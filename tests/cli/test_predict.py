"""``initium predict``: what it prints, supposes and writes."""

import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import initium
from initium.cli import app

DEEP, WIDTH = 24, 256
MODELS = f"""
from torch import nn

def deep():
    return nn.Sequential(*[nn.Linear({WIDTH}, {WIDTH}, bias=False) for _ in range({DEEP})])

def spoilt():
    model = nn.Linear(4, 4)
    nn.init.constant_(model.bias, float("nan"))
    return model

class Twice(nn.Linear):
    def forward(self, x):
        return super().forward(super().forward(x))

def shared():
    return Twice(8, 8)
"""


@pytest.fixture
def models(tmp_path: Path) -> str:
    (tmp_path / "models.py").write_text(MODELS)
    return str(tmp_path / "models.py")


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_weights_own_laws_are_supposed_and_a_scheme_s_where_it_is_asked_for(models: str, tmp_path: Path) -> None:
    file = tmp_path / "signal.json"
    target = ("predict", f"{models}:deep", "--shape", f"{WIDTH},{WIDTH}", "--json", str(file))
    code, text = ran(*target)
    assert code == 0, text
    assert "predicted with the weights as they are" in text
    # torch's own start is U(-b, b), b^2 = 1 / fan_in: each layer keeps a third of the second moment. Over weights, one
    # layer scales one input's rms by a chi of `width` degrees over its square root, whose logarithm has the variance
    # 1 / (2 width), and a batch's by no more; so that of the last has a std of sqrt(24 / 512), of which five are allowed.
    found = json.loads(file.read_text())
    assert found["source"] == "predicted"
    assert len(found["rows"]) == DEEP
    off = 5 * math.sqrt(DEEP / (2 * WIDTH))
    assert math.log(found["rows"][-1]["out_rms"]) == pytest.approx(-DEEP / 2 * math.log(3), abs=off)
    code, text = ran(*target, "--scheme", "lecun_normal")
    assert code == 0, text
    assert "predicted with lecun_normal" in text
    assert math.log(json.loads(file.read_text())["rows"][-1]["out_rms"]) == pytest.approx(0, abs=off)


def test_a_saved_plan_is_supposed_as_the_scheme_that_made_it(models: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*[nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(DEEP)])
    initium.plan(model, torch.randn(8, WIDTH), "normal(0.01)").save(tmp_path / "plan.json")
    target = ("predict", f"{models}:deep", "--shape", f"8,{WIDTH}", "--scheme")
    planned, named = ran(*target, str(tmp_path / "plan.json"))[1], ran(*target, "normal(0.01)")[1]
    assert planned.splitlines()[1:] == named.splitlines()[1:]


def test_the_same_seed_prints_the_same_and_another_one_does_not(models: str) -> None:
    target = ("predict", f"{models}:deep", "--shape", "8,256", "--seed")
    assert ran(*target, "1") == ran(*target, "1")
    assert ran(*target, "1") != ran(*target, "2")


def test_the_gradient_is_shown_beside_the_weight(models: str, tmp_path: Path) -> None:
    file = tmp_path / "signal.json"
    text = ran("predict", f"{models}:shared", "--shape", "4,8", "--json", str(file))[1]
    row = json.loads(file.read_text())["rows"][0]
    assert f"{row['weight_grad_norm'] / (row['weight_rms'] * 8):.3g}" in text  # |W| = rms sqrt(8 * 8)


def test_a_weight_that_is_used_twice_has_a_row_for_each_use(models: str) -> None:
    text = ran("predict", f"{models}:shared", "--shape", "4,8")[1]
    assert "use" in text.splitlines()[2].split()
    assert [line.split()[:2] for line in text.splitlines() if line.startswith("weight  ")][1:] == [
        ["weight", "0"],
        ["weight", "1"],
    ]


def test_alike_blocks_are_one_row_with_a_range_in_a_terminal(models: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("initium.terminal._table.columns", "initium.cli._predict.columns"):
        monkeypatch.setattr(name, lambda: 80)
    text = ran("predict", f"{models}:deep", "--shape", "8,256")[1]
    assert max(map(len, text.splitlines())) <= 80
    (row,) = [line for line in text.splitlines() if "{0..22}.weight" in line]
    low, high = map(float, row.split()[2].split(".."))
    assert low < high


def test_what_is_not_finite_is_null_in_json(models: str, tmp_path: Path) -> None:
    code, text = ran("predict", f"{models}:spoilt", "--shape", "4,4", "--json", str(tmp_path / "signal.json"))
    assert code == 0, text
    assert "nan" in text
    assert json.loads((tmp_path / "signal.json").read_text())["rows"][0]["out_rms"] is None


def test_a_large_model_is_predicted_without_memory_and_the_supposition_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initium.cli._target._LARGE", 10)
    timm, made = ModuleType("timm"), []

    def create_model(*_: object, **__: object) -> nn.Module:
        made.append(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)))
        return made[-1]

    for name, value in {"list_models": list, "is_model": bool, "create_model": create_model}.items():
        setattr(timm, name, value)
    monkeypatch.setitem(sys.modules, "timm", timm)
    target = ("predict", "timm:net", "--shape", "2,3,6,6")
    code, text = ran(*target)
    assert code == 0, text
    assert "the weights have no values" in text
    code, text = ran(*target, "--scheme", "he_normal")
    assert code == 0, text
    assert "the weights have no values" not in text
    assert {each[0].weight.device.type for each in made} == {"meta"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "a prediction needs an input to start from"),
        (("--shape", "4,4", "--scheme", "he_norml"), "he_normal"),
        (("--shape", "4,5"), "--batch file.py:name"),
        (("--shape", "4,4", "--json", "nowhere/signal.json"), "--json"),
    ],
)
def test_what_cannot_be_predicted_is_told_with_the_cure(models: str, arguments: tuple[str, ...], told: str) -> None:
    code, text = ran("predict", f"{models}:spoilt", *arguments)
    assert code == 2
    assert told in text
    assert "Traceback" not in text


HEADS = """
import torch
from torch import nn
from torch.nn import functional as F
from initium import Batch

class Words(nn.Sequential):
    def forward(self, x):
        return {"logits": super().forward(x), "cache": x}

def zero(*shape):  # the loss of zeros is known
    head = nn.Linear(16, 7)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    return Words(nn.Linear(16, 16), head)

def image():
    head = nn.Conv2d(3, 5, 1)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    return nn.Sequential(nn.Conv2d(3, 3, 1), head)

def batch():
    return Batch((torch.randn(2000, 16),), target=torch.full((2000, 7), 3.0))

def words():
    return Batch((torch.randn(4, 6, 16),), target=torch.arange(24).reshape(4, 6) % 7)

class Quartic(nn.Module):
    def forward(self, output, target):
        return (output["logits"] - target).pow(4).mean()

def cubic(output):
    return (output["logits"] - 2).pow(3).mean()
"""
SHAPES = {"zero": "2000,16", "image": "100,3,8,8"}


def loss_of(folder: Path, *arguments: str) -> tuple[float, str, str]:
    (folder / "heads.py").write_text(HEADS)
    file = folder / "signal.json"
    given = [each.replace("heads.py", str(folder / "heads.py")) for each in arguments]
    code, text = ran("predict", *given, "--json", str(file))
    assert code == 0, text
    found = json.loads(file.read_text())
    return found["loss"], found["objective"], text


# For an output of zeros: log K whatever the classes, log 2, the second moment and the mean absolute value of N(0, 1) over
# 14,000 values (their stds: sqrt(2) and sqrt(1 - 2 / pi)).
VALUES = 2000 * 7


@pytest.mark.parametrize(
    ("target", "loss", "expected", "off", "told"),
    [
        (
            "zero",
            "cross_entropy",
            math.log(7),
            1e-6,
            "7 classes evenly, along axis 1 of (2000, 7); guessing costs log 7",
        ),
        ("zero", "cross-entropy", math.log(7), 1e-6, "cross_entropy(output.logits, target)"),
        ("image", "cross_entropy", math.log(5), 1e-6, "5 classes evenly, along axis 1 of (100, 5, 8, 8)"),
        ("zero", "bce-with-logits", math.log(2), 1e-6, "zeros and ones"),
        ("zero", "mse", 1, 5 * math.sqrt(2 / VALUES), "standard normal values"),
        ("zero", "l1", math.sqrt(2 / math.pi), 5 * math.sqrt((1 - 2 / math.pi) / VALUES), "standard normal values"),
    ],
)
def test_a_named_loss_has_a_target_drawn_where_the_batch_has_none(  # noqa: PLR0917
    target: str, loss: str, expected: float, off: float, told: str, tmp_path: Path
) -> None:
    found, objective, text = loss_of(tmp_path, f"heads.py:{target}", "--shape", SHAPES[target], "--loss", loss)
    assert found == pytest.approx(expected, abs=off)
    assert "the batch has no target, so one was drawn" in objective
    assert told in objective
    assert objective in text


def test_a_named_loss_takes_the_batch_s_own_target_in_the_layout_of_the_output(tmp_path: Path) -> None:
    target = ("heads.py:zero", "--loss", "mse", "--batch")
    assert loss_of(tmp_path, *target, "heads.py:batch")[:2] == (9, "mse(output.logits, target)")
    found, objective, _ = loss_of(tmp_path, "heads.py:zero", "--loss", "cross_entropy", "--batch", "heads.py:words")
    assert found == pytest.approx(math.log(7), abs=1e-6)
    assert objective == "cross_entropy(output.logits, target)"


def test_positions_have_their_classes_last(tmp_path: Path) -> None:
    found, objective, _ = loss_of(tmp_path, "heads.py:zero", "--shape", "4,6,16", "--loss", "cross_entropy")
    assert found == pytest.approx(math.log(7), abs=1e-6)
    assert "along axis 2 of (4, 6, 7)" in objective


def test_a_loss_of_one_s_own_is_called_and_a_class_makes_one(tmp_path: Path) -> None:
    target = ("heads.py:zero", "--loss")
    assert loss_of(tmp_path, *target, "heads.py:cubic", "--shape", "4,16")[:2] == (-8, "loss(output)")
    quartic = loss_of(tmp_path, *target, "heads.py:Quartic", "--batch", "heads.py:batch")
    assert quartic[:2] == (81, "loss(output, target)")


def test_the_gradient_is_the_named_loss_s(tmp_path: Path) -> None:
    _, _, text = loss_of(tmp_path, "heads.py:zero", "--batch", "heads.py:batch", "--loss", "mse")
    row = json.loads((tmp_path / "signal.json").read_text())["rows"][1]
    # d/dy mean((y - 3)^2) = -6 / n at y = 0, over n = 14,000 values.
    assert row["grad_rms"] == pytest.approx(6 / VALUES, rel=1e-5), text


def test_a_diagnosis_says_which_target_was_drawn(tmp_path: Path) -> None:
    (tmp_path / "heads.py").write_text(HEADS)
    file = tmp_path / "report.json"
    target = (f"{tmp_path}/heads.py:image", "--shape", "8,3,4,4", "--loss", "cross_entropy")
    assert "one was drawn: 5 classes evenly" in " ".join(ran("diagnose", *target, "--json", str(file))[1].split())
    found = json.loads(file.read_text())["signal"]
    assert found["loss"] == pytest.approx(math.log(5), abs=1e-6)
    assert "5 classes evenly" in found["objective"]


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ("cross_entrpy", "Did you mean cross_entropy?"),
        ("torch.nn.functional:mse_loss", "--loss cross_entropy, mse, bce_with_logits"),
        ("bce", "should be between 0 and 1"),
        ("math:pi", "a loss is a callable"),
    ],
)
def test_a_loss_that_cannot_be_taken_is_told_with_the_cure(models: str, loss: str, told: str) -> None:
    code, text = ran("predict", f"{models}:shared", "--shape", "4,8", "--loss", loss)
    assert code == 2
    assert told in text
    assert "Traceback" not in text
