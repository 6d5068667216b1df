"""The article's advice, row by row."""

import math

import pytest
import torch

from initium.gains import Activation, gain
from initium.network import Neighbour
from initium.records import Constant, Keep, Normal, Orthogonal, Packed, Uniform
from initium.schemes import orthogonal, rows, textbook


@pytest.fixture(scope="session")
def chosen(network):
    return lambda given: rows(network(given), textbook())[0]


def leaky(slope):
    return Activation("leaky_relu", (("negative_slope", slope),))


@pytest.mark.parametrize(
    ("activation", "square"),
    [
        (Activation("relu"), 0.0),
        (leaky(0.2), 0.04),
        (leaky(1.0), 1.0),
        (Activation("prelu", (("weight", 0.25),)), 0.0625),
        (Activation("prelu", (("weight", 0.25), ("spread", 0.5))), 0.0625 + 0.25),
        (Activation("rrelu", (("lower", 0.1), ("upper", 0.4))), 0.25**2 + 0.3**2 / 12),
    ],
    ids=str,
)
def test_a_rectifier_takes_he_with_the_mean_square_of_its_slope(chosen, facts, activation, square):
    row = chosen(facts(after=activation))
    assert isinstance(row.fill, Normal)
    assert row.fill.std == pytest.approx(math.sqrt(2 / ((1 + square) * 6)), rel=1e-14)
    assert row.law == "He normal, fan_in"
    assert row.reason == f"{activation} follows: He et al. 2015 eq. {'10' if activation.name == 'relu' else '15'}"


def test_relu6_counts_as_a_relu(chosen, facts):
    # E[relu6(z)^2] lacks of E[relu(z)^2] = 1/2 what lies beyond 6: at most E[z^2; z > 6] = 6 phi(6) + Q(6) < 4e-8.
    assert chosen(facts(after=Activation("relu6"))).fill.std == pytest.approx(math.sqrt(2 / 6), rel=1e-7)


@pytest.mark.parametrize(
    "after",
    [Activation("tanh"), Activation("sigmoid"), "output", "linear", "softmax", "attention", "product", "sum", "norm"],
    ids=str,
)
def test_a_saturating_activation_or_none_takes_glorot(chosen, facts, after):
    row = chosen(facts(after=after))
    assert row.fill == Uniform(math.sqrt(3) * math.sqrt(2 / 30))
    assert "Glorot & Bengio 2010 eq. 16" in row.reason
    assert not row.assumed


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 0.05 * torch.tanh(x),
        lambda x: 255 * torch.sigmoid(x),
        Activation("hardtanh", (("min_val", -1e-3), ("max_val", 1e-3))),
    ],
    ids=["tanh", "sigmoid", "clamp"],
)
def test_a_bounded_function_takes_glorot_and_no_gain_that_drives_it_to_its_bounds(chosen, facts, function):
    row = chosen(facts(after=Neighbour("activation", "bounded", function)))
    assert row.fill == Uniform(math.sqrt(3) * math.sqrt(2 / 30))
    assert "it is bounded" in row.reason
    assert orthogonal().rule(facts(after=Neighbour("activation", "bounded", function))).fill == Orthogonal(1.0)


def test_selu_takes_lecun(chosen, facts):
    row = chosen(facts(after=Activation("selu")))
    assert row.fill == Normal(1 / math.sqrt(6))
    assert "Klambauer" in row.reason


@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "softplus", "mish", "hardtanh", "hardswish"])
def test_any_other_activation_takes_its_exact_gain(chosen, facts, name):
    row = chosen(facts(after=Activation(name)))
    assert row.fill == Normal(gain(name) / math.sqrt(6))
    assert name in row.reason


def test_a_function_without_a_name_takes_its_exact_gain_too(chosen, facts):
    after = Neighbour("activation", "relu(x) ** 2", lambda x: torch.relu(x) ** 2)
    # The fourth moment of a half-normal is 3 / 2.
    assert chosen(facts(after=after)).fill.std == pytest.approx(math.sqrt(2 / 3 / 6), rel=1e-9)


def test_an_activation_without_a_gain_is_treated_as_linear_and_says_so(chosen, facts):
    row = chosen(facts(after=Neighbour("activation", "nil", lambda x: x * 0)))
    assert row.fill == Uniform(math.sqrt(3) * math.sqrt(2 / 30))
    assert row.assumed
    assert "no gain" in row.reason


def test_an_unknown_follower_is_treated_as_linear_and_says_so(chosen, facts):
    row = chosen(facts(after=Neighbour("unknown", "unknown: aten.foo")))
    assert row.fill == Uniform(math.sqrt(3) * math.sqrt(2 / 30))
    assert row.assumed
    assert "aten.foo" in row.reason


def test_a_stride_makes_a_fractional_fan(chosen, facts):
    row = chosen(facts(shape=(8, 4, 3), fan_in=12, fan_out=4.8, layout="conv"))
    assert row.fill.bound == pytest.approx(math.sqrt(6 / 16.8), rel=1e-14)


def test_each_gate_of_a_state_is_orthogonal_by_itself(chosen, facts):
    row = chosen(facts("recurrent", (40, 10), "gates", layout="gates", fan_out=10, parts=4))
    assert row.fill == Packed(0, 4, Orthogonal(1.0))
    assert "each of 4" in row.law


def test_a_plain_state_is_one_orthogonal_matrix(chosen, facts):
    assert chosen(facts("recurrent", (10, 10), Activation("relu"))).fill == Orthogonal(1.0)


def test_gates_take_glorot_even_where_the_modules_suggest_a_relu(chosen, facts):
    row = chosen(facts(shape=(40, 5), layout="gates", fan_out=10, parts=4, after=Activation("relu"), assumed=True))
    assert row.fill.bound == pytest.approx(math.sqrt(6 / 15), rel=1e-14)


def test_a_looked_up_table_has_unit_variance(chosen, facts):
    assert chosen(facts("embedding", (100, 16), layout="lookup", fan_in=1, fan_out=16)).fill == Normal(1.0)


def test_an_added_table_starts_small(chosen, facts):
    assert chosen(facts("embedding", (1, 9, 16), layout="added")).fill == Normal(0.02)


def test_a_table_tied_to_a_head_is_a_linear_weight_when_no_batch_could_tell(chosen, facts):
    row = chosen(
        facts("embedding", (100, 16), layout="lookup", fan_in=1, fan_out=16, names=("emb", "head"), assumed=True)
    )
    assert row.fill.bound == pytest.approx(math.sqrt(6 / 116), rel=1e-14)
    assert "head" in row.reason
    assert row.assumed


def test_two_lookups_of_one_table_stay_lookups_where_a_batch_told(chosen, facts):
    given = facts("embedding", (100, 16), layout="lookup", fan_in=1, fan_out=16, names=("source", "target"))
    assert chosen(given).fill == Normal(1.0)


def test_a_state_without_fans_is_kept(chosen, facts):
    assert chosen(facts("recurrent", (4, 4), fan_in=None)).fill == Keep()


@pytest.mark.parametrize(("neutral", "value"), [(1.0, 1.0), (0.0, 0.0), (None, 1.0)])
def test_a_norm_starts_as_the_identity_however_its_scale_is_used(chosen, facts, neutral, value):
    assert chosen(facts(role="scale", fan_in=None, fan_out=None, neutral=neutral)).fill == Constant(value)
