"""A function is named by its values: formulas in the wild, every row of the table, and nothing by accident."""

import itertools
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from initium.gains import ACTIVATIONS, Activation, moments, recognise
from initium.gains._callable import grid
from initium.gains._recognise import _plain


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), "gelu_tanh"),
        (lambda x: 0.5 * x * (1 + torch.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x))), "gelu_tanh"),
        (lambda x: x * 0.5 * (1.0 + torch.tanh(0.79788456 * x * (1 + 0.044715 * x * x))), "gelu_tanh"),
        (lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))), "gelu"),
        (lambda x: x * torch.sigmoid(1.702 * x), "quick_gelu"),
        (lambda x: x * torch.sigmoid(x), "silu"),
        (lambda x: x / (1 + torch.exp(-x)), "silu"),
        (lambda x: x * torch.tanh(F.softplus(x)), "mish"),
        (lambda x: x * torch.tanh(torch.log1p(torch.exp(x))), "mish"),
        (lambda x: 2 * torch.sigmoid(2 * x) - 1, "tanh"),
        (lambda x: torch.log1p(torch.exp(x)), "softplus"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: torch.maximum(x, 0.1 * x), "leaky_relu(0.1)"),
        (lambda x: F.prelu(x, torch.tensor([0.3], dtype=torch.float64)), "leaky_relu(0.3)"),
        (lambda x: F.relu(x) ** 2, "squared_relu"),
        (lambda x: x.clamp(0, 6), "relu6"),
        (lambda x: x.clamp(-2, 3), "hardtanh(-2, 3)"),
        (lambda x: F.elu(x, 1.7), "elu(1.7)"),
        (lambda x: F.celu(x, 0.3), "celu(0.3)"),
        (lambda x: torch.where(x > 0, x, 0.3 * torch.expm1(x / 0.3)), "celu(0.3)"),
        (lambda x: F.softplus(x, beta=2.5), "softplus(2.5)"),
        (lambda x: F.softshrink(x, 0.2), "softshrink(0.2)"),
        (lambda x: torch.sin(30 * x), "sin(30)"),
        (lambda x: x * F.relu6(x + 3) / 6, "hardswish"),
        (lambda x: x, "linear"),
        (lambda x: 2 * x + 1, "linear(2, 1)"),
        (lambda x: -x, "linear(-1)"),
        (torch.relu, "relu"),
        (lambda x: x.float() * torch.sigmoid(x.float()), "silu"),
    ],
)
def test_a_formula_is_named(function, expected):
    assert str(recognise(function)) == expected


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.tanh(50 * x),
        lambda x: x**5,
        lambda x: 1.001 * F.relu(x),
        lambda x: F.gelu(x) + 1e-6 * x,
        lambda x: x.softmax(0),
        F.dropout,
        lambda x: x.half().relu(),
        lambda x: x.sum(),
        torch.log,
        lambda x: x.detach(),
        lambda x: torch.tanh(x).detach(),
        lambda x: x + (x.sign() - x).detach(),
        lambda x: x.tanh() + (x - x.detach()),
    ],
)
def test_nothing_is_named_by_accident(function):
    assert recognise(function) is None


def rows():
    for name, row in ACTIVATIONS.items():
        if (
            all(default is not None for _, default in row.parameters)
            and name not in {"prelu", "rrelu"}
            and "glu" not in name
        ):
            yield name


@pytest.mark.parametrize("name", list(rows()))
def test_every_row_is_recognised_by_its_values(name):
    activation = Activation(name)
    # Wrapped, so that its values decide and not its identity.
    found = recognise(lambda x: 1 * activation.function(x))
    assert found is not None
    assert found == activation or (name, found.name) == ("celu", "elu")


def test_rows_are_further_apart_than_the_tolerance_of_float32():
    points = grid()
    for (a, (left, _)), (b, (right, _)) in itertools.combinations(_plain(), 2):
        if {a.name, b.name} == {"elu", "celu"}:
            continue
        slack = torch.finfo(torch.float32).eps ** (2 / 3) * (1 + points.abs() + left.abs())
        assert bool(((left - right).abs() > 2 * slack).any()), (str(a), str(b))


@given(scale=st.floats(-100, 100), shift=st.floats(-100, 100))
@settings(max_examples=40)
@example(scale=51.84453531785621, shift=27.867896536745306)
def test_an_affine_function_is_linear_with_its_scale_and_shift(scale, shift):
    found = recognise(lambda x: scale * x + shift)
    assert found is not None
    # The name carries 14 digits of each; x and 1 have second moment 1.
    expected = scale**2 + shift**2
    assert moments(found).second == pytest.approx(expected, rel=1e-10, abs=1e-10 * (1 + abs(shift)))
