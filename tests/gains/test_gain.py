"""Gains and slopes: the published figures, the variance map itself, and a real layer."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initium.gains import gain, moments, variance_slope

# activation, gain, slope of the variance map: to the digits that the project's table of schemes prints.
TABLE = [
    ("relu", 1.41421, 1.000),
    ("tanh", 1.59254, 0.461),
    ("selu", 1.00000, 0.783),
    ("elu", 1.24520, 0.891),
    ("gelu", 1.53353, 1.144),
    ("silu", 1.67653, 1.173),
    ("mish", 1.48685, 1.076),
]


@pytest.mark.parametrize(("name", "forward", "slope"), TABLE)
def test_the_table_of_gains_and_slopes_holds(name, forward, slope):
    assert abs(gain(name) - forward) <= 0.5e-5
    assert abs(variance_slope(name) - slope) <= 0.5e-3


@pytest.mark.parametrize(
    "name", ["tanh", "gelu", "hardshrink", "sign", "sin", "softplus", "prelu", "swiglu", "squared_relu"]
)
def test_the_slope_is_the_derivative_of_the_variance_map(name):
    step = 1e-3
    lower, upper = (moments(name, variance=q).second for q in (1 - step, 1 + step))
    # A central difference errs by a third derivative over 6, times step^2: of order 10 for these maps.
    assert variance_slope(name) == pytest.approx((upper - lower) / (2 * step) / moments(name).second, abs=10 * step**2)


@given(a=st.floats(-5, 5))
def test_leaky_relu_has_the_gain_of_he_and_slope_one(a):
    assert gain("leaky_relu", negative_slope=a) == pytest.approx(math.sqrt(2 / (1 + a * a)), rel=1e-14)
    assert gain("leaky_relu", negative_slope=a, backward=True) == gain("leaky_relu", negative_slope=a)
    assert variance_slope("leaky_relu", negative_slope=a) == pytest.approx(1, rel=1e-11)


def test_selu_keeps_mean_zero_and_variance_one():
    found = moments("selu")
    assert abs(found.mean) <= 1e-14
    assert found.second == pytest.approx(1, rel=1e-14)


def test_gelu_has_its_textbook_second_moment():
    assert moments("gelu").second == pytest.approx(1 / 4 + 1 / 12 + 1 / (2 * math.pi * math.sqrt(3)), rel=1e-15)


def test_a_gain_keeps_the_second_moment_through_a_real_layer():
    stream = torch.Generator().manual_seed(7)
    batch, width_in, width_out = 4096, 300, 200
    layer = nn.Linear(width_in, width_out, bias=False).double()
    weight = torch.randn(width_out, width_in, generator=stream, dtype=torch.float64)
    layer.weight.data = weight * gain("gelu") / math.sqrt(width_in)
    signal = nn.functional.gelu(torch.randn(batch, width_in, generator=stream, dtype=torch.float64))
    found = layer(signal).square().mean(dim=0).detach()
    # One unit: its row of weights alone gives the square a spread sqrt(2 / width_in), and GELU's mean (0.28^2 of 0.43) a
    # share 0.19 of it is common to all inputs; the mean over 200 units has at most twice that over sqrt(200).
    assert abs(float(found.mean()) - 1) <= 6 * 2 * math.sqrt(2 / width_out)


def test_moments_are_those_of_samples():
    stream = torch.Generator().manual_seed(11)
    n = 1_000_000
    x = 0.7 + 1.5 * torch.randn(n, generator=stream, dtype=torch.float64)
    a, b = x.view(2, -1)
    unit = nn.functional.silu(a) * b
    found = moments("swiglu", mean=0.7, variance=2.25)
    fourth = moments(lambda t: nn.functional.silu(t) ** 2, mean=0.7, variance=2.25).second * (
        0.7**4 + 6 * 0.7**2 * 2.25 + 3 * 2.25**2
    )
    assert abs(float(unit.square().mean()) - found.second) <= 6 * math.sqrt((fourth - found.second**2) / (n / 2))
    assert abs(float(unit.mean()) - found.mean) <= 6 * math.sqrt(found.second / (n / 2))
