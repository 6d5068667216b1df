"""Networks of sines: the law is read off the sine, and keeps what goes into it at every depth."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

import initium
from initium.records import Uniform
from initium.schemes import rows, siren


class Sine(nn.Module):
    def __init__(self, omega):
        super().__init__()
        self.omega = omega

    def forward(self, x):
        return torch.sin(self.omega * x)


def net(width, depth, omega, inputs=2):
    sizes = [inputs] + [width] * depth
    layers = [[nn.Linear(a, b), Sine(omega)] for a, b in pairwise(sizes)]
    return nn.Sequential(*(each for pair in layers for each in pair), nn.Linear(width, 1)).double()


def batch(inputs=2):
    return 2 * torch.rand(64, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1


@torch.no_grad()
def sine_inputs(model, x):
    """The variance of what each sine takes the sine of."""
    seen = []
    for module in model:
        if isinstance(module, Sine):
            seen.append(float((module.omega * x).square().mean()))
        x = module(x)
    return seen


@pytest.mark.parametrize("omega", [30.0, 7.5, 1.0])
def test_what_a_sine_sees_stays_at_the_laws_fixed_point_at_every_depth(omega):
    width, depth = 512, 12
    model = net(width, depth, omega)
    initium.initialize(model, batch(), "siren", seed=0)
    fixed, slope = 0.7968121300200203, 2 * math.exp(-2 * 0.7968121300200203)  # q = 1 - exp(-2 q), and its derivative
    assert fixed == pytest.approx(1 - math.exp(-2 * fixed), rel=1e-12)
    # A layer's mean square over independent units has a relative std of at most sqrt(2 / width) (a chi square, if all
    # samples went one way); a deviation shrinks by the slope at every layer, so they add up to a geometric series.
    bound = 6 * math.sqrt(2 / width / (1 - slope**2))
    assert all(abs(q / fixed - 1) < bound for q in sine_inputs(model, batch())[6:])


def test_another_law_does_not_stay_there_so_the_test_above_can_fail():
    model = net(512, 12, 30.0)
    initium.initialize(model, batch(), "glorot_uniform", seed=0)
    assert min(sine_inputs(model, batch())[6:]) > 100


@pytest.mark.parametrize("omega", [30.0, 7.5])
def test_the_bounds_are_the_papers(omega):
    plan = initium.plan(net(16, 3, omega, inputs=3), batch(3), "siren")
    fills = [row.fill for row in plan if row.role == "weight"]
    hidden = Uniform(math.sqrt(6 / 16) / omega)
    assert fills == [Uniform(1 / 3), hidden, hidden, hidden]
    assert "first layer" in plan["0.weight"].reason
    assert f"the output follows sin({omega:g})" in plan["6.weight"].reason
    assert not any(row.assumed for row in plan)


def test_each_sine_has_its_own_omega():
    model = nn.Sequential(nn.Linear(2, 8), Sine(30.0), nn.Linear(8, 8), Sine(3.0), nn.Linear(8, 1))
    plan = initium.plan(model, torch.rand(4, 2), "siren(omega=99)")
    assert plan["2.weight"].fill == Uniform(math.sqrt(6 / 8) / 3)
    assert plan["4.weight"].fill == Uniform(math.sqrt(6 / 8) / 3)


def test_without_a_batch_omega_is_taken_on_trust_and_every_row_says_so():
    plan = initium.plan(net(16, 2, 30.0), scheme="siren(omega=10)")
    assert [row.fill for row in plan if row.role == "weight"] == [
        Uniform(1 / 2),
        *[Uniform(math.sqrt(6 / 16) / 10)] * 2,
    ]
    assert all(row.assumed and "trust" in row.reason for row in plan if row.role == "weight")


@pytest.mark.parametrize("other", [nn.ReLU(), nn.Tanh(), nn.LayerNorm(8)], ids=str)
def test_where_there_is_no_sine_the_law_is_the_textbooks_and_the_row_says_so(other):
    model, x = nn.Sequential(nn.Linear(2, 8), Sine(30.0), nn.Linear(8, 8), other, nn.Linear(8, 1)), torch.rand(4, 2)
    mine, theirs = initium.plan(model, x, "siren"), initium.plan(model, x, "textbook")
    for name in ("2.weight", "4.weight"):
        assert mine[name].fill == theirs[name].fill
        assert "no sine" in mine[name].reason
    assert mine["0.weight"].fill == Uniform(0.5)


def test_a_relu_network_has_no_sine_anywhere(facts, network):
    (row,) = rows(network(facts(after="norm", before="linear")), siren())
    assert row.reason.startswith("no sine: a norm follows, so as textbook")


@pytest.mark.parametrize("omega", [0.0, -30.0, math.inf, math.nan])
def test_a_frequency_out_of_range_is_refused(omega):
    with pytest.raises(initium.ArgumentError, match="omega"):
        siren(omega)
