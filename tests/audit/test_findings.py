"""What the audit says of a model, alone and against a plan."""

import copy
import json
import math

import pytest
import torch
from torch import nn

import initium
from initium.errors import ArgumentError, UnhealthyError, UnknownNameError

CUT = 0.8796256610342398
SCHEMES = ("textbook", "normal(0.02)", "uniform(0.1)", "glorot_uniform", "he_normal", "lecun_normal", "orthogonal")


def block(width: int) -> nn.Module:
    return nn.ModuleDict({"fc": nn.Linear(width, 4 * width), "proj": nn.Linear(4 * width, width)})


def blocks(depth: int = 6, width: int = 64) -> nn.Module:
    return nn.ModuleDict({"h": nn.ModuleList([block(width) for _ in range(depth)])})


def filled(model: nn.Module, std: float) -> nn.Module:
    torch.manual_seed(0)
    for weight in model.parameters():
        nn.init.normal_(weight, std=std) if weight.ndim > 1 else nn.init.zeros_(weight)
    return model


def codes(audit: initium.Audit) -> list[str]:
    return [finding.code for finding in audit.findings]


def mixed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(32, 10)
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_plan_that_was_applied_is_found_in_the_weights(scheme: str) -> None:
    for model in (mixed(), nn.LSTM(24, 32, 2), nn.Sequential(nn.Embedding(50, 32), nn.Linear(32, 40))):
        initium.initialize(model, scheme=scheme, seed=0)
        assert not initium.audit(model, scheme).findings


def test_residual_scaling_that_never_landed_is_named() -> None:
    model = filled(blocks(), 0.02)
    plan = initium.plan(model, scheme="normal(0.02)", overrides={"*.proj.weight": initium.Normal(0.02 / math.sqrt(12))})
    found = initium.audit(model, plan).findings
    assert [finding.code for finding in found] == ["missed-residual-scaling"]
    assert found[0].layers == tuple(f"h.{index}.proj.weight" for index in range(6))
    assert "1/sqrt(12) in 6 blocks" in found[0].cause
    assert found[0].fix == "plan.apply(model)"


def test_residual_scaling_that_landed_is_named_by_its_depth() -> None:
    model = filled(blocks(), 0.02)
    for name, weight in model.named_parameters():
        if name.endswith("proj.weight"):
            nn.init.normal_(weight, std=0.02 / math.sqrt(12))
    audit = initium.audit(model)
    assert audit["h.0.fc.weight"].recipes[0] == "N(0, 0.02)"
    assert {row.recipes[0] for row in audit if row.name.endswith("proj.weight")} == {"N(0, 0.02/sqrt(12))"}


@pytest.mark.parametrize(
    ("factor", "code", "word"),
    [
        (1 / CUT, "wrong-gain", "never cut"),
        (math.sqrt(2), "wrong-gain", "ReLU"),
        (math.sqrt(256 / 64), "wrong-fan", "fan_out was taken for fan_in"),
        (3.1, "wrong-std", "another recipe"),
    ],
)
def test_a_wrong_std_has_its_cause(factor: float, code: str, word: str) -> None:
    model = nn.Linear(256, 64, bias=False)
    torch.manual_seed(0)
    nn.init.normal_(model.weight, std=factor / 16)
    finding = initium.audit(model, "lecun_normal").findings[0]
    assert finding.code == code
    assert word in finding.cause
    assert finding.expected == 1 / 16
    # The std of n normal values strays from theirs by 1 / sqrt(2 n) of it.
    assert math.isclose(finding.measured, factor / 16, rel_tol=6 / math.sqrt(2 * 256 * 64))


def test_pytorch_s_default_is_called_so() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ConvTranspose2d(8, 16, 3), nn.Conv2d(16, 32, 3, groups=4))
    audit = initium.audit(model, "he_normal")
    assert {code for code in codes(audit) if code != "other-law"} == {"untouched-default"}
    assert all(row.recipes[0].startswith("PyTorch default") for row in audit if row.kind == "uniform")
    recurrent = initium.audit(nn.GRU(24, 40))
    assert all(row.recipes[0].startswith("PyTorch default") for row in recurrent)


def test_what_is_zero_by_plan_is_no_finding_and_what_is_not_is_one() -> None:
    model = filled(nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)), 0.02)
    nn.init.zeros_(model[1].weight)
    plan = initium.plan(model, scheme="normal(0.02)", overrides={"1.weight": 0.0})
    assert not initium.audit(model, plan).findings
    assert codes(initium.audit(model, "normal(0.02)")) == ["unexpected-zeros"]
    assert not initium.audit(model).findings


def test_biases_truncations_and_frames_that_were_planned_are_held_to() -> None:
    model = filled(nn.Linear(100, 100), 0.1)
    nn.init.normal_(model.bias)
    assert codes(initium.audit(model, "lecun_normal")) == ["nonzero-bias"]
    nn.init.zeros_(model.bias)
    nn.init.normal_(model.weight, mean=0.01, std=0.1)
    assert codes(initium.audit(model, "lecun_normal")) == ["nonzero-mean"]
    nn.init.normal_(model.weight, std=0.1)
    plan = initium.plan(model, overrides={"weight": initium.TruncatedNormal(0.1)})
    assert codes(initium.audit(model, plan)) == ["outside-truncation"]
    plan = initium.plan(model, overrides={"weight": initium.Orthogonal(1.0)})
    assert codes(initium.audit(model, plan)) == ["not-orthogonal"]


def test_copies_of_rows_and_of_layers_are_found_without_a_plan() -> None:
    model = filled(nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)), 0.02)
    with torch.no_grad():
        model[0].weight[32:] = model[0].weight[:32]
    audit = initium.audit(model)
    assert codes(audit) == ["identical-rows"]
    assert "one part was copied" in audit.findings[0].cause
    cloned = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    cloned.append(copy.deepcopy(cloned[0]))
    assert codes(initium.audit(cloned)) == ["identical-layers"]
    cloned[2].weight = cloned[0].weight
    cloned[2].bias = cloned[0].bias
    assert not initium.audit(cloned).findings


def test_an_outlier_and_a_nan_are_findings() -> None:
    model = filled(nn.Linear(64, 64), 0.02)
    with torch.no_grad():
        model.weight[0, 0] = 2.0
        model.bias[0] = math.nan
    audit = initium.audit(model)
    assert codes(audit) == ["nonfinite", "outliers"]
    with pytest.raises(UnhealthyError, match="nonfinite"):
        audit.raise_if("error")
    assert len(audit.at_least("warning")) == 2
    with pytest.raises(UnknownNameError, match="known: error"):
        audit.at_least("fatal")


def test_a_state_dict_and_files_say_what_the_model_says(tmp_path) -> None:
    model = filled(blocks(3), 0.02)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "model.pt")
    rows = [(row.name, row.law, row.low, row.recipes) for row in initium.audit(model)]
    for weights in (model.state_dict(), tmp_path / "model.pt", str(tmp_path / "model.pt")):
        assert [(row.name, row.law, row.low, row.recipes) for row in initium.audit(weights)] == rows
    plan = initium.plan(model, scheme="normal(0.01)")
    assert codes(initium.audit(model.state_dict(), plan)) == codes(initium.audit(model, plan))


def test_what_cannot_be_audited_is_refused_with_the_cure(tmp_path) -> None:
    with pytest.raises(ArgumentError, match="no file"):
        initium.audit(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ArgumentError, match="state dict"):
        initium.audit(tmp_path / "text.pt")
    with pytest.raises(ArgumentError, match="shapes alone"):
        initium.audit({"weight": torch.ones(3)}, "he_normal")
    with pytest.raises(ArgumentError, match="no parameter"):
        initium.audit({})
    with pytest.raises(initium.ArgumentTypeError, match="got int"):
        initium.audit(3)


def test_an_audit_prints_folded_and_within_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = initium.audit(filled(blocks(12, 32), 0.02), "he_normal")
    monkeypatch.setattr("initium.terminal._table.columns", lambda: 100)
    text = str(audit)
    assert "h.{0..11}.fc.weight" in text
    assert max(map(len, text.splitlines())) <= 100
    assert json.loads(audit.to_json())["scheme"] == "he_normal"
    assert audit["h.3.fc.weight"].planned == "He normal, fan_in"
    with pytest.raises(UnknownNameError, match="no parameter"):
        audit["h.99"]


def test_auditing_changes_nothing_and_draws_nothing() -> None:
    model = mixed()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    initium.audit(model, "he_normal", torch.ones(2, 3, 5, 5))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("values", [torch.arange(1.0, 9).log(), -torch.arange(8.0), torch.linspace(0.001, 0.1, 30)])
def test_a_ramp_that_stands_in_every_row_was_written_so(values: torch.Tensor) -> None:
    assert not initium.audit({"mixer.A_log": values.expand(20, -1).clone()}).findings
    drawn = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))]
    assert "copies" in initium.audit({"mixer.A_log": drawn.expand(20, -1).clone()}).findings[0].message


class Decays(nn.Module):
    """Steps and decays of a state that nobody multiplies by, and a table too small to be judged."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.rate = nn.ParameterList([torch.arange(16.0).repeat(8, 1) for _ in range(2)])
        self.fade = nn.ParameterList([torch.linspace(-1, 0, 80) for _ in range(2)])
        self.even = nn.ParameterList([torch.full((8, 16), -0.7) for _ in range(2)])
        self.start = nn.Parameter(torch.zeros(7))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for layer, rate, even, fade in zip((self.first, self.second), self.rate, self.even, self.fade, strict=True):
            decay = torch.exp(-even.exp() * rate).sum(1) * fade.exp().mean()
            x = torch.tanh(layer(x) * decay)
        return x.sum(-1) + self.start[y]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_written_in_every_layer_alike_and_what_is_too_small_to_tell_are_no_findings(seed: int) -> None:
    model, batch = Decays(), (torch.ones(4, 8), torch.arange(4))
    initium.initialize(model, batch, "he_normal", seed=seed)
    audit = initium.audit(model, "he_normal", batch)
    assert not audit.findings
    assert audit["rate.0"].kind == audit["fade.1"].kind == "ramp"
    assert "trained" not in str(audit)
