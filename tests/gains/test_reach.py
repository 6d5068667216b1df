"""Where an activation is flat, against its own formula."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from initium.errors import ArgumentError, ArgumentTypeError, InitiumError
from initium.gains import Activation, reach, saturation


@pytest.mark.parametrize("std", [0.1, 1.0, 1.6, 30.0])
@pytest.mark.parametrize(
    ("name", "edge"), [("tanh", math.acosh(math.sqrt(20))), ("hardtanh", 1.0), ("softsign", math.sqrt(20) - 1)]
)
def test_saturation_is_the_share_beyond_the_edge_at_which_the_slope_is_a_twentieth(name, edge, std):
    assert saturation(Activation(name), std) == pytest.approx(2 * stats.norm.sf(edge / std), abs=2e-3)


@pytest.mark.parametrize(
    ("function", "bounded"),
    [
        (Activation("sigmoid"), True),
        (Activation("relu6"), True),
        (Activation("relu"), False),
        (Activation("gelu"), False),
        (lambda x: 0.05 * torch.tanh(x) + 3, True),
        (lambda x: torch.exp(-x * x), True),
        (lambda x: x.sin(), False),
    ],
)
def test_a_function_is_bounded_where_both_ends_are_flat(function, bounded):
    assert reach(function).bounded == bounded


def test_an_activation_is_reached_however_it_is_held():
    assert reach("tanh") == reach(torch.nn.Tanh()) == reach(torch.tanh) == reach(Activation("tanh"))
    double = torch.nn.Sequential(torch.nn.PReLU(init=0.5), torch.nn.Tanh())
    assert reach(double).bounded


@pytest.mark.parametrize("held", [5, None, ["tanh"], torch.ones(3), len, torch.nn.LSTM(2, 2), lambda: 1, np.tanh])
def test_what_is_no_activation_has_no_reach(held):
    for ask in (reach, lambda held: saturation(held, 1.0)):
        with pytest.raises(ArgumentTypeError):
            ask(held)


@pytest.mark.parametrize("std", [-1.0, math.nan, math.inf, "1", None, True])
def test_what_is_no_standard_deviation_saturates_nothing(std):
    with pytest.raises(InitiumError):
        saturation("tanh", std)


def test_a_gated_unit_has_no_reach():
    with pytest.raises(ArgumentError, match="not one function of one number"):
        reach(Activation("glu"))


@pytest.mark.parametrize("function", [torch.log, torch.sqrt, torch.reciprocal])
def test_where_the_slope_has_no_bound_nothing_is_flat(function):
    found = reach(function)
    assert (found.peak, found.below, found.above, found.bounded) == (0.0, False, False, False)
    assert saturation(function, 1.0) == 0
