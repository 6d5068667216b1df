"""The verbs compose the rooms; the public names are there."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))


def test_every_public_name_is_there() -> None:
    assert all(hasattr(initium, name) for name in initium.__all__)
    assert sorted(initium.__all__) == list(initium.__all__)


def test_initialize_is_plan_and_apply() -> None:
    one, other = net(), net()
    batch = torch.ones(2, 8)
    initium.initialize(one, batch, "he_normal", {"2.bias": 0.5}, seed=3)
    initium.plan(other, batch, "he_normal", {"2.bias": 0.5}).apply(other, seed=3)
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert float(one[2].bias.detach()[0]) == 0.5


def test_a_plan_without_a_batch_is_assumed() -> None:
    assert all(row.assumed for row in initium.plan(net()))
    assert not any(row.assumed for row in initium.plan(net(), torch.ones(2, 8)))


def test_diagnose_takes_every_form_of_batch() -> None:
    x, y = torch.randn(32, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4
    for batch in (x, (x,), {"input": x}, initium.Batch((x,))):
        assert initium.diagnose(net(), batch).signal.loss is None
    assert initium.diagnose(net(), initium.Batch((x,), target=y), F.cross_entropy).signal.classes == 4


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (torch.ones(4, 7), initium.BatchError),
        ("text", initium.ArgumentTypeError),
    ],
)
def test_a_bad_batch_is_refused_and_nothing_is_changed(batch: object, error: type[Exception]) -> None:
    model = net()
    before = [value.clone() for value in model.state_dict().values()]
    for verb in (initium.diagnose, initium.initialize):
        with pytest.raises(error):
            verb(model, batch)
    assert all(map(torch.equal, model.state_dict().values(), before))


def test_weights_that_share_memory_are_refused_before_anything_is_written() -> None:
    for verb in (initium.initialize, initium.lsuv):
        model = net()
        model[2].weight = nn.Parameter(torch.randn(1, 32).expand(4, 32))
        before = [tensor.clone() for tensor in model.state_dict().values()]
        with pytest.raises(ValueError, match="memory of its own"):
            verb(model, torch.randn(16, 8))
        assert all(map(torch.equal, before, model.state_dict().values()))


class Recurrent(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.u = nn.Linear(8, 16, bias=False)
        self.w = nn.Linear(16, 16, bias=False)
        nn.init.orthogonal_(self.w.weight, scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = torch.zeros(len(x), 16)
        for _ in range(40):
            state = torch.relu(self.w(state) + self.u(x))
        return state


class Gated(nn.Module):
    def __init__(self, gain: float, *, norm: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(64) if norm else nn.Identity()
        self.layers = nn.ModuleList(nn.Linear(64, 128, bias=False) for _ in range(10))
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=gain / 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            gate, up = layer(x).chunk(2, -1)
            x = self.norm(F.silu(gate) * up)
        return x


def test_a_gradient_beyond_measure_is_found_where_no_chain_can_be_judged() -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    sick = (
        (Recurrent(5.0), torch.randn(32, 8, generator=generator), ["exploding-signal", "exploding-gradient"]),
        (Gated(0.3), torch.randn(32, 64, generator=generator), ["vanishing-gradient"]),
    )
    for model, batch, codes in sick:
        assert [each.code for each in initium.diagnose(model, batch).at_least("error")] == codes
    for model, batch in ((Recurrent(0.9), torch.randn(32, 8)), (Gated(1.0, norm=True), torch.randn(32, 64))):
        assert not initium.diagnose(model, batch).at_least("error")


def test_an_output_that_is_not_finite_is_found_and_a_masked_one_is_not() -> None:
    class Tail(nn.Module):
        def __init__(self, tail) -> None:
            super().__init__()
            self.body, self.tail = nn.Linear(8, 4), tail

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.tail(self.body(x))

    x = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    (finding,) = initium.diagnose(Tail(torch.log), x).findings
    assert (finding.code, "output" in finding.message) == ("nonfinite", True)
    mask = torch.tensor([True, False, False, False])
    assert initium.diagnose(Tail(lambda y: y.masked_fill(mask, -torch.inf)), x).healthy


def test_a_loss_without_a_target_says_what_it_was_not_held_against() -> None:
    x, y = torch.randn(32, 8), torch.arange(32) % 4
    notes = initium.diagnose(net(), x, lambda logits: F.cross_entropy(logits, y)).signal.notes
    assert any("target=y" in note for note in notes)
    assert not initium.diagnose(net(), initium.Batch((x,), target=y), F.cross_entropy).signal.notes


def test_a_weight_that_is_scaled_on_its_way_is_planned_as_assumed() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(16, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(F.linear(x, self.w * 0.5))

    plan = initium.plan(Scaled(), torch.randn(4, 8))
    assert plan["w"].assumed
    assert any("through mul" in note for note in plan.notes)


def test_the_wrong_kind_of_model_is_refused_by_every_verb() -> None:
    x = torch.randn(4, 8)
    for verb in (initium.plan, initium.initialize, initium.measure, initium.diagnose, initium.lsuv):
        with pytest.raises(TypeError, match="call it"):
            verb(nn.Linear, x)


def test_the_other_name_of_a_law_leads_to_it() -> None:
    for asked, meant in (("xavier_uniform", "glorot_uniform"), ("kaiming_normal", "he_normal")):
        with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
            initium.plan(net(), scheme=asked)


class Stray(nn.Module):
    """Keeps a layer in a list, and a weight that no operation multiplies data by."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.head = [nn.Linear(8, 8)], nn.Linear(8, 4)
        self.kernel = nn.Parameter(torch.randn(5, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(F.relu(self.layers[0](x)))
        return (x[:, None] * self.kernel).sum(-1)


def test_every_verb_says_what_it_cannot_reach() -> None:
    x, model = torch.randn(16, 8), Stray()
    said = {
        "plan": initium.plan(model, x).notes,
        "initialize": initium.initialize(model, x).notes,
        "measure": initium.measure(model, x).notes,
        "diagnose": initium.diagnose(model, x).signal.notes,
        "lsuv": initium.lsuv(model, x).notes,
    }
    for verb, notes in said.items():
        assert any("shape (8, 8)" in note and "nn.ModuleList" in note for note in notes), verb
        assert any("`kernel`" in note for note in notes), verb


def test_an_orthogonal_start_keeps_the_signal_through_a_depthwise_and_a_grouped_convolution() -> None:
    x = torch.randn(16, 32, 12, 12, generator=torch.Generator().manual_seed(0))
    for layer in (nn.Conv2d(32, 32, 3, groups=32), nn.Conv2d(32, 32, 1, groups=4), nn.Conv2d(32, 32, 1)):
        initium.initialize(layer, x, "orthogonal(1.0)")
        # Each output is a sum of fan_in products with a vector of length 1; of 16 x 32 x 100 and more outputs the rms is
        # off by 6 / sqrt(2 n) where they are independent, and neighbours share at most 9 inputs.
        assert initium.measure(layer, x).rows[0].out_rms == pytest.approx(1, abs=6 * 3 / math.sqrt(2 * 16 * 32 * 100))
