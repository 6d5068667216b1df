"""Biases that an author wrote out on purpose: auto keeps them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.calibrate._written import HEAD
from initium.network import Batch, read
from initium.records import Constant

WIDE = 64


class Leading(nn.Module):
    """A bias of its own beside a weight, what follows their sum, and a head."""

    def __init__(self, follows, values):
        super().__init__()
        self.weight, self.shift = nn.Linear(WIDE, WIDE, bias=False), nn.Parameter(values.clone())
        self.other, self.head = nn.Linear(WIDE, WIDE), nn.Linear(WIDE, 5)
        self.follows = follows

    def forward(self, x):
        return self.head(self.follows(self.weight(x) + self.shift) * self.other(x))


class Detector(nn.Sequential):
    def __init__(self, values):
        super().__init__(nn.Linear(WIDE, WIDE), nn.ReLU(), nn.Linear(WIDE, len(values)))
        with torch.no_grad():
            self[2].bias.copy_(values)


def drawn(rows=32):
    return torch.randn(rows, WIDE, generator=torch.Generator().manual_seed(0))


def rates():
    return torch.empty(WIDE).uniform_(-6, -3, generator=torch.Generator().manual_seed(1))


def normals(count=WIDE):
    return torch.randn(count, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("follows", [F.softplus, torch.sigmoid, torch.exp, lambda x: torch.exp(-torch.exp(x))])
@pytest.mark.parametrize("values", [rates(), torch.full((WIDE,), -2.0)], ids=["rates", "constant"])
def test_where_a_gate_begins_is_kept(follows, values):
    net = Leading(follows, values)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net.shift, values)
    assert not net.other.bias.any()


@pytest.mark.parametrize("follows", [torch.tanh, F.relu, F.silu, F.gelu, torch.sin])
def test_before_what_is_no_gate_a_bias_starts_at_zero(follows):
    net = Leading(follows, rates())
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net.shift.any()


def test_a_draw_about_zero_is_nothing_written_out():
    """Of 64 normals both signs lie beyond any bound that the usual start has."""
    net = Leading(torch.sigmoid, normals())
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net.shift.any()


@pytest.mark.parametrize(
    "values",
    [torch.full((9,), -4.6), torch.tensor([-3.0]), torch.tensor([0.0, 0.1, -0.1, 0.05, -4.6, 0.1])],
    ids=["constant", "one", "objectness"],
)
def test_the_prior_of_an_output_is_kept_and_is_what_it_gives(values):
    net, x = Detector(values), drawn(256)
    initium.initialize(net, x, "auto", seed=0)
    assert torch.equal(net[2].bias, values)
    assert not net[0].bias.any()
    # What the weights give is of rms HEAD over units and samples: the mean of one unit stays within five times that.
    assert torch.allclose(net(x).mean(0), values, atol=5 * HEAD)


@pytest.mark.parametrize("values", [normals(9), torch.full((9,), 0.1), torch.zeros(9)], ids=["drawn", "small", "zero"])
def test_any_other_bias_of_an_output_starts_at_zero(values):
    net = Detector(values)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net[2].bias.any()


def test_the_plan_says_why():
    rows = {row.name: row for row in initium.plan(Leading(torch.sigmoid, rates()), drawn(), "auto").rows}
    assert "sigmoid" in rows["shift"].reason
    rows = {row.name: row for row in initium.plan(Detector(torch.full((9,), -4.6)), drawn(), "auto").rows}
    assert "answer" in rows["2.bias"].reason


def test_on_meta_nothing_is_known_of_values():
    with torch.device("meta"):
        net = Detector(torch.full((9,), -4.6))
    made = initium.plan(net, torch.empty(32, WIDE, device="meta"), "auto")
    assert {row.name: row.fill for row in made.rows}["2.bias"] == Constant(0.0)


@pytest.mark.parametrize(
    ("name", "follows"), [("other.bias", "product"), ("head.bias", "output"), ("shift", "sigmoid")]
)
def test_a_bias_leads_to_what_follows_its_sum(name, follows):
    """And is no weight that something follows: who asks for those gets no bias."""
    facts = read(Leading(torch.sigmoid, rates()), Batch((drawn(),))).facts(name)
    assert (str(facts.leads), str(facts.after)) == (follows, "nothing")


class Quantised(nn.Module):
    def __init__(self, step):
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step))

    def forward(self, x):
        return (x / self.step).round().clamp(0, 15) * self.step


@pytest.mark.parametrize("before", [nn.Identity(), nn.ReLU6()])
def test_the_step_of_a_quantiser_is_part_of_the_function_that_follows(before):
    """One that both scales what goes in and what comes out."""
    quantised = Quantised(0.1)
    net = nn.Sequential(nn.Linear(WIDE, WIDE), before, quantised, nn.Linear(WIDE, 5))
    after = read(net, Batch((drawn(),))).facts("0.weight").after.activation
    x = torch.linspace(-2, 2, 41)
    assert torch.allclose(after(x), quantised(before(x)))
