"""The door for a user's function: what passes, what is refused, and that knocking changes nothing."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains import gain, moments, variance_slope


def noisy(x):
    return x + torch.randn_like(x)


class Scaled(nn.Module):
    """A float32 parameter, a buffer that counts calls, and an operation in place."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x.mul_(self.scale).relu_()


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (noisy, "random"),
        (nn.Dropout(0.5), "random"),
        (lambda x: x.softmax(0), "not elementwise"),
        (lambda x: x - x.mean(), "not elementwise"),
        (lambda x: x.cumsum(0), "not elementwise"),
        (lambda x: x.detach() ** 2, "cannot differentiate"),
    ],
)
def test_what_is_not_one_function_of_one_number_is_refused(function, reason):
    with pytest.raises(ArgumentError, match=reason):
        moments(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x > 0,
        lambda x: x.sum(),
        lambda _: None,
        math.tanh,
        np.tanh,
        lambda x: x[:3],
        torch.fft.fft,
        nn.Linear(3, 3),
    ],
)
def test_what_does_not_map_a_tensor_to_its_like_is_refused(function):
    with pytest.raises(ArgumentTypeError, match="same shape"):
        moments(function)


def test_functions_in_place_and_without_a_graph_are_welcome():
    assert gain(lambda x: x.relu_()) == pytest.approx(math.sqrt(2), rel=1e-10)
    with torch.no_grad():
        assert gain(lambda x: x.relu(), backward=True) == pytest.approx(math.sqrt(2), rel=1e-10)
    with torch.inference_mode():
        assert gain(lambda x: x.relu(), backward=True) == pytest.approx(math.sqrt(2), rel=1e-10)


def test_a_module_is_read_and_left_alone():
    module = Scaled()
    before = copy.deepcopy(module.state_dict())
    assert moments(module).second == pytest.approx(2, rel=1e-10)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module.scale.grad is None
    assert module.scale.dtype == torch.float32


def test_a_refused_random_function_leaves_the_generator_as_it_was():
    state = torch.get_rng_state()
    with pytest.raises(ArgumentError):
        moments(noisy)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("function", "eps"),
    [
        (lambda x: x.float().tanh(), torch.finfo(torch.float32).eps),
        (lambda x: x.float().tanh().double(), torch.finfo(torch.float32).eps),
        (lambda x: x.half().tanh(), torch.finfo(torch.float16).eps),
    ],
)
def test_a_coarse_function_reaches_what_its_arithmetic_allows_and_says_so(function, eps):
    found, exact = moments(function), moments("tanh")
    assert eps <= found.error <= 16 * eps
    assert found.second == pytest.approx(exact.second, rel=found.error)
    assert found.slope_second == pytest.approx(exact.slope_second, rel=found.error)


def test_a_straight_through_step_counts_the_slope_that_training_sees():
    found = moments(lambda x: x + (x.sign() - x).detach())
    assert (found.second, found.slope_second) == pytest.approx((1, 1), rel=1e-10)


def test_a_step_has_no_backward_gain():
    with pytest.raises(ArgumentError, match="is 0"):
        gain(torch.sign, backward=True)
    with pytest.raises(ArgumentError, match="is 0"):
        gain(lambda x: 0 * x)


def test_a_constant_law_is_a_number():
    found = moments("tanh", mean=0.5, variance=0.0)
    assert (found.mean, found.second) == pytest.approx((math.tanh(0.5), math.tanh(0.5) ** 2), rel=1e-15)
    assert found.slope_mean == pytest.approx(1 / math.cosh(0.5) ** 2, rel=1e-14)


@pytest.mark.parametrize("law", [{"variance": -1.0}, {"variance": math.nan}, {"mean": math.inf}])
def test_an_impossible_law_is_refused(law):
    with pytest.raises(ArgumentError, match="finite mean and a finite variance"):
        moments("relu", **law)


def test_extra_arguments_of_a_function_are_passed_on():
    assert moments(lambda x, a: a * x, a=3.0).second == pytest.approx(9, rel=1e-12)
    assert variance_slope(lambda x, a: x.relu() ** a, a=2) == pytest.approx(2, rel=1e-10)


def test_the_default_device_does_not_matter():
    with torch.device("meta"):
        assert moments(F.silu).second == moments("silu").second
        assert moments(lambda x: x.tanh()).second == pytest.approx(moments("tanh").second, rel=1e-11)
