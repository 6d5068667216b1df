"""The quadrature: against closed forms, across kinks, jumps and waves; and no jump can hide from it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from initium.errors import ArgumentError
from initium.gains import ACTIVATIONS, moments
from initium.gains import _integrals as integrals
from initium.gains._law import Elementwise
from initium.gains._quadrature import rules

ROWS = {
    name: law
    for name, row in ACTIVATIONS.items()
    if all(default is not None for _, default in row.parameters)
    and isinstance(law := row.law(**dict(row.parameters)), Elementwise)
}
CLOSED = {name: law for name, law in ROWS.items() if law.closed}


def below(x):
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (-0.4, 3.0)])
def test_closed_form_and_quadrature_are_equal(name, mean, variance):
    law = CLOSED[name]
    closed, _ = integrals.estimated(law, mean, variance, 2.0**-52)
    plain, source = integrals.estimated(replace(law, closed=None), mean, variance, 2.0**-52)
    assert source == "quadrature"
    for ours, theirs, scale in (
        (closed.mean, plain.mean, math.sqrt(closed.second.value)),
        (closed.second, plain.second, closed.second.value),
        (closed.slope_mean, plain.slope_mean, math.sqrt(closed.slope_second.value)),
        (closed.slope_second, plain.slope_second, closed.slope_second.value),
    ):
        assert abs(ours.value - theirs.value) <= ours.error + theirs.error + 1e-14 * scale


@pytest.mark.parametrize("name", [name for name, law in ROWS.items() if law.derivative])
def test_the_derivative_of_a_row_is_that_of_its_function(name):
    law = ROWS[name]
    x = torch.linspace(-6.013, 6.017, 101, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(law.function(x).sum(), x)
    assert torch.allclose(slope, law.derivative(x.detach()), rtol=1e-12, atol=1e-14)


@given(where=st.floats(-1, 1), power=st.sampled_from([0, 1]))
@settings(max_examples=300)
def test_no_jump_and_no_kink_hides_in_a_panel(where, power):
    nodes, weights = rules()
    # At a node a jump has two values; between nodes its integral is known.
    if np.abs(nodes - where).min() < 1e-12:
        return
    values = np.where(nodes > where, (nodes - where) ** power if power else 1.0, 0.0)
    fine, middle, coarse = weights @ values
    truth = (1 - where) ** (power + 1) / (power + 1)
    assert abs(fine - truth) <= 2 * max(abs(fine - middle), abs(fine - coarse)) + 1e-14


@given(where=st.floats(-3, 3))
@settings(max_examples=25)
def test_a_step_anywhere_is_integrated(where):
    found = moments(lambda x: (x > where).to(x.dtype) + 0 * x)
    assert found.second == pytest.approx(below(-where), rel=1e-10)
    assert found.slope_second == 0


@given(where=st.floats(-3, 3))
@settings(max_examples=25)
def test_a_kink_anywhere_is_integrated(where):
    found = moments(lambda x: (x - where).relu())
    same = moments("relu", mean=-where)
    assert (found.second, found.slope_second) == pytest.approx((same.second, same.slope_second), rel=1e-10)


def test_a_staircase_is_integrated():
    found = moments(torch.round)
    expected = 2 * sum((2 * k - 1) * below(0.5 - k) for k in range(1, 40))
    assert found.second == pytest.approx(expected, rel=1e-10)
    assert abs(found.mean) <= 1e-10


@pytest.mark.parametrize("frequency", [3.0, 30.0, 300.0])
def test_a_wave_is_integrated(frequency):
    found = moments(lambda x: torch.sin(frequency * x))
    expected = (1 - math.exp(-2 * frequency**2)) / 2, frequency**2 * (1 + math.exp(-2 * frequency**2)) / 2
    assert (found.second, found.slope_second) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("steepness", [50.0, 1e4, 1e6])
def test_a_steep_slope_at_zero_is_found(steepness):
    found, stretched = moments(lambda x: torch.tanh(steepness * x)), moments("tanh", variance=steepness**2)
    assert found.second == pytest.approx(stretched.second, rel=1e-10)
    assert found.slope_second == pytest.approx(steepness**2 * stretched.slope_second, rel=1e-10)


def test_polynomials_and_exponentials_have_their_textbook_moments():
    assert moments(lambda x: x**3).second == pytest.approx(15, rel=1e-12)
    assert moments(lambda x: x**3).slope_second == pytest.approx(27, rel=1e-12)
    assert moments(lambda x: x.exp()).second == pytest.approx(math.exp(2), rel=1e-12)
    assert moments(lambda x: x.exp(), variance=100.0).second == pytest.approx(math.exp(200), rel=1e-12)
    assert moments(lambda x: (x * x / 8).exp()).second == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 / x,
        lambda x: (x * x / 4).exp(),
        lambda x: (x * x).exp(),
        torch.log,
        lambda x: x.float().double().tanh(),
    ],
    ids=["pole", "marginal", "divergent", "half line", "rough"],
)
def test_infinite_undefined_and_unreached_moments_are_refused(function):
    with pytest.raises(ArgumentError, match=r"infinite|finite on the real line|did not converge"):
        moments(function)


def test_an_infinite_slope_leaves_the_forward_gain_and_refuses_the_backward_one():
    root = moments(lambda x: x.abs().sqrt())
    assert root.second == pytest.approx(math.sqrt(2 / math.pi), rel=1e-10)
    assert math.isnan(root.slope_second)
    with pytest.raises(ArgumentError, match="did not converge"):
        _ = root.backward_gain
