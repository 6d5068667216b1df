"""muP: the tables of the paper, and what they are for: sizes that do not depend on the width while it trains."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.records import Constant, Normal
from initium.schemes import lr_factor, mup, rows, widths
from initium.signal import Coordinate, Coordinates

WIDTHS = (64, 128, 256, 512)


def shapes(model):
    return {name: tuple(p.shape) for name, p in model.named_parameters()}


def mlp(width):
    layers = [nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 4))


def data():
    return torch.randn(64, 16, generator=torch.Generator().manual_seed(0))


def checked(build):
    batch = initium.Batch((data(),), target=torch.arange(64) % 4)
    return initium.coordinate_check(build, WIDTHS, batch, F.cross_entropy, steps=3)


OPTIMISERS = {"adam": (torch.optim.Adam, 0.01), "sgd": (torch.optim.SGD, 0.3)}


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_sizes_stay_flat_over_widths_in_mup_and_do_not_in_the_usual_parametrisation(kind):
    optimiser, lr = OPTIMISERS[kind]

    def maximal(width):
        model, base = mlp(width), shapes(mlp(64))
        initium.initialize(model, data(), mup(base), seed=1)
        return model, optimiser(initium.mup_groups(model, base, data(), lr=lr, optimizer=kind))

    def usual(width):
        model = mlp(width)
        initium.initialize(model, data(), "he_normal", seed=1)
        return model, optimiser(model.parameters(), lr=lr)

    flat, steep = checked(maximal), checked(usual)
    # Theory: every slope of muP is at most 0, the usual one's at least 1/2 somewhere. Each is nearer to its own.
    rising = [row for step in (1, 2, 3) for row in flat if row.step == step and row.slope > 1 / 4]
    assert not rising
    assert max(steep.steepest(step).slope for step in (1, 2, 3)) > 1 / 4
    assert steep.steepest(3).slope > 3 * flat.steepest(3).slope


def test_at_the_bases_own_width_nothing_differs_from_the_base():
    base = shapes(mlp(64))
    stds = [row.fill.std for row in initium.plan(mlp(64), data(), mup(base)) if row.role == "weight"]
    assert stds == pytest.approx(
        [math.sqrt(2 / 16), math.sqrt(2 / 64), math.sqrt(2 / 64), math.sqrt(1 / 64)], rel=1e-14
    )
    (group,) = initium.mup_groups(mlp(64), base, lr=0.1)
    assert group["lr"] == 0.1


def test_the_stds_are_those_of_table_3_and_with_a_multiplier_of_table_8():
    base, wide = shapes(mlp(64)), mlp(256)
    plan, other = initium.plan(wide, data(), mup(base)), initium.plan(wide, data(), mup(base, readout_multiplier=True))
    assert plan["0.weight"].fill.std == pytest.approx(math.sqrt(2 / 16))
    assert plan["2.weight"].fill.std == pytest.approx(math.sqrt(2 / 256))
    assert plan["6.weight"].fill.std == pytest.approx(math.sqrt(1 / 64) / 4)
    # What the readout computes is the same: a weight 4 times as large on an input 4 times as small.
    assert other["6.weight"].fill.std / 4 == pytest.approx(plan["6.weight"].fill.std)
    assert "multiplies the readout's input" in other["6.weight"].reason
    assert initium.plan(wide, data(), mup(base, zero_readout=True))["6.weight"].fill == Constant(0.0)


@pytest.mark.parametrize(
    ("optimizer", "multiplied", "factors"),
    [
        ("adam", False, {"0.weight": 1, "0.bias": 1, "2.weight": 1 / 4, "2.bias": 1, "6.weight": 1 / 4, "6.bias": 1}),
        ("adam", True, {"0.weight": 1, "2.weight": 1 / 4, "6.weight": 1, "6.bias": 1}),
        ("sgd", False, {"0.weight": 4, "0.bias": 4, "2.weight": 1, "2.bias": 4, "6.weight": 1 / 4, "6.bias": 1}),
        ("sgd", True, {"0.weight": 4, "2.weight": 1, "6.weight": 4, "6.bias": 1}),
    ],
)
def test_the_learning_rates_are_the_tables(optimizer, multiplied, factors):
    made = initium.mup_groups(
        mlp(256), mlp(64), lr=0.1, optimizer=optimizer, weight_decay=0.5, readout_multiplier=multiplied
    )
    found = {name: group["factor"] for group in made for name in group["names"]}
    assert {name: found[name] for name in factors} == pytest.approx(factors)
    assert all(group["lr"] * group["weight_decay"] == pytest.approx(0.1 * 0.5) for group in made)


def test_an_sgd_step_through_a_readout_is_the_same_with_the_multiplier_or_without():
    """Tables 3 and 8 are one parametrisation, written in two ways."""
    x, m = torch.randn(5, 8, dtype=torch.float64), 4.0
    plain, scaled = nn.Linear(8, 3, bias=False).double(), nn.Linear(8, 3, bias=False).double()
    with torch.no_grad():
        scaled.weight.copy_(m * plain.weight)
    base = {"weight": (3, 2)}
    for model, run, multiplied in ((plain, x, False), (scaled, x / m, True)):
        groups = initium.mup_groups(model, base, lr=0.1, optimizer="sgd", readout_multiplier=multiplied)
        model(run).square().sum().backward()
        torch.optim.SGD(groups).step()
    assert torch.allclose(plain(x), scaled(x / m), rtol=1e-12)


def test_a_decay_that_the_learning_rate_does_not_multiply_is_left_alone():
    groups = initium.mup_groups(mlp(256), mlp(64), lr=0.1, weight_decay=0.5, decoupled=True)
    assert {group["weight_decay"] for group in groups} == {0.5}


def test_every_trainable_parameter_is_in_one_group_and_no_frozen_one():
    model = mlp(256)
    model[0].bias.requires_grad_(requires_grad=False)
    groups = initium.mup_groups(model, mlp(64), lr=0.1)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    torch.optim.AdamW(groups)


@pytest.mark.parametrize(
    ("given", "base", "grown"),
    [
        ({"layout": "out_in", "shape": (64, 8)}, (16, 8), (1, 4, "input")),
        ({"layout": "in_out", "shape": (64, 8)}, (16, 8), (4, 1, "output")),
        ({"layout": "out_in", "shape": (64, 64)}, (16, 32), (2, 4, "hidden")),
        ({"layout": "conv", "shape": (64, 32, 3, 3)}, (16, 16, 3, 3), (2, 4, "hidden")),
        ({"layout": "conv_transpose", "shape": (64, 32, 3, 3)}, (16, 32, 3, 3), (4, 1, "output")),
        ({"layout": "batched", "shape": (4, 64, 24), "fan_in": 64, "fan_out": 24}, (4, 16, 24), (4, 1, "output")),
        ({"layout": "batched", "shape": (4, 24, 64), "fan_in": 64, "fan_out": 24}, (4, 24, 16), (4, 1, "output")),
        ({"role": "embedding", "layout": "lookup", "shape": (99, 64)}, (99, 16), (1, 4, "input")),
        ({"role": "bias", "shape": (64,)}, (16,), (1, 4, "vector")),
        ({"layout": "out_in", "shape": (64, 8)}, (64, 8), (1, 1, "vector")),
    ],
)
def test_what_grows_is_read_from_the_layout(facts, given, base, grown):
    found = widths({"it": base}, facts(name="it", **given))
    assert (found.inner, found.outer, found.kind) == grown


def test_a_tied_readout_is_refused_until_the_model_multiplies_its_input(facts, network):
    tied = facts(name="t", names=("t", "head"), owner=nn.Embedding, shape=(99, 64), uses=2)
    with pytest.raises(initium.PlanError, match=r"`t` is readout and embedding.*Multiply the readout's input by 1/4"):
        rows(network(tied), mup({"t": (99, 16)}))
    with pytest.raises(initium.PlanError, match="readout and embedding"):
        lr_factor({"t": (99, 16)}, tied, "adam")
    (row,) = rows(network(tied), mup({"t": (99, 16)}, readout_multiplier=True))
    assert row.fill == Normal(1 / math.sqrt(64) * 2)


def test_attention_is_refused_until_its_scale_is_said_to_be_mups(facts, network):
    query = facts(name="q", shape=(64, 64), after="attention")
    with pytest.raises(initium.PlanError, match=r"`q` makes queries.*1/d.*attention_scaled=True"):
        rows(network(query), mup({"q": (16, 16)}))
    assert rows(network(query), mup({"q": (16, 16)}, attention_scaled=True))[0].fill == Normal(1 / 8)
    assert rows(network(query), mup({"q": (64, 64)}))[0].fill == Normal(1 / 8)


@pytest.mark.parametrize(
    ("base", "error", "said"),
    [
        ({}, initium.PlanError, r"the base has no `0\.weight`.*the same network, narrower"),
        ({"0.weight": (16,)}, initium.PlanError, r"`0\.weight` has shape \(256, 16\), and \(16,\) in the base"),
        ([(16, 16)], initium.ArgumentTypeError, "dict from every parameter's name"),
        (mlp(64), initium.ArgumentTypeError, "named_parameters"),
    ],
    ids=["missing", "axes", "list", "module"],
)
def test_a_base_that_does_not_fit_is_refused_with_the_cure(base, error, said):
    with pytest.raises(error, match=said):
        initium.plan(mlp(256), data(), mup(base))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"lr": -1.0}, "lr"),
        ({"lr": math.nan}, "lr"),
        ({"lr": 1.0, "weight_decay": -1.0}, "weight_decay"),
        ({"lr": 1.0, "optimizer": "adamw"}, "'adam' \\(also AdamW"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(arguments, named):
    with pytest.raises(initium.ArgumentError, match=named):
        initium.mup_groups(mlp(8), mlp(8), **arguments)


# ---- the check itself ----


def test_a_slope_is_the_exponent_of_a_power_law():
    class Power(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.weight = nn.Parameter(torch.full((1, 1), width**0.7, dtype=torch.float64))

        def forward(self, x):
            return x @ self.weight

    def build(width):
        model = Power(width)
        return model, torch.optim.SGD(model.parameters(), lr=0.0)

    batch = initium.Batch((torch.ones(4, 1, dtype=torch.float64),))
    found = initium.coordinate_check(build, (3, 10, 50), batch, lambda y: y.sum(), steps=1)
    assert [row.slope for row in found] == pytest.approx([0.7, 0.7], rel=1e-6)
    assert [row.step for row in found] == [0, 1]
    assert "+0.70" in str(found)
    assert repr(found) == "Coordinates(2 rows, widths 3, 10, 50)"


@pytest.mark.parametrize(("given", "steps"), [((8,), 1), ((16, 8), 1), ((8, 8), 1), ((0, 8), 1), ((8, 16), 0)])
def test_a_check_needs_two_rising_widths_and_a_step(given, steps):
    with pytest.raises(initium.ArgumentError, match="rising widths"):
        initium.coordinate_check(lambda _: None, given, torch.ones(2, 2), lambda y: y.sum(), steps=steps)


def test_a_step_that_was_not_measured_is_refused():
    with pytest.raises(initium.ArgumentError, match="the last is 3"):
        Coordinates((1, 2), (Coordinate("w", 0, 3, (1.0, 1.0), 0.0),)).steepest(4)
