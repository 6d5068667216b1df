"""The door for a user's function: what passes, what is refused, and that knocking changes nothing."""

import copy
import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains import describe, gain, moments, reach, recognise, saturation, variance_slope
from initium.gains._moments import _named
from initium.gains._reach import _quantiles
from initium.gains._recognise import _plain


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
    ],
)
def test_what_is_not_one_function_of_one_number_is_refused(function, reason):
    with pytest.raises(ArgumentError, match=reason):
        moments(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.to_sparse(),
        lambda x: x.to("meta"),
        lambda x: {}[x],
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


class Backwardless(torch.autograd.Function):
    """A forward alone."""

    @staticmethod
    def forward(_, x):
        return torch.tanh(x)


class Severed(Backwardless):
    """A backward that gives nothing back."""

    @staticmethod
    def backward(_, __):
        return None


class Broken(Backwardless):
    """A backward with a fault of its own."""

    @staticmethod
    def backward(_, __):
        raise KeyError


UNSLOPED = {
    "no backward": Backwardless.apply,
    "none": Severed.apply,
    "raises": Broken.apply,
    "detached": lambda x: torch.tanh(x).detach(),
    "no grad": torch.no_grad()(torch.tanh),
    "inference": torch.inference_mode()(torch.tanh),
    "numpy": lambda x: torch.from_numpy(np.tanh(x.detach().numpy())),
    "data": lambda x: x.data.tanh_(),
}


@pytest.mark.parametrize("function", UNSLOPED.values(), ids=UNSLOPED)
def test_a_function_that_autograd_cannot_walk_back_has_forward_moments_alone(function):
    found = moments(function)
    assert found.second == pytest.approx(moments("tanh").second, rel=1e-10)
    assert math.isnan(found.slope_mean)
    assert math.isnan(found.slope_second)
    assert variance_slope(function) == pytest.approx(variance_slope("tanh"), rel=1e-10)
    assert reach(function).peak == 0
    assert recognise(function) is None
    with pytest.raises(ArgumentError, match="autograd has no derivative"):
        gain(function, backward=True)


STEPS = {
    "round": torch.round,
    "floor": lambda x: x.floor(),
    "sign": torch.sign,
    "mask": lambda x: (x > 0).double(),
    "detached": lambda x: x.sign().detach(),
    "heaviside": lambda x: torch.heaviside(x, torch.zeros((), dtype=x.dtype)),
    "constant": torch.ones_like,
}


@pytest.mark.parametrize("function", STEPS.values(), ids=STEPS)
def test_steps_have_a_slope_of_exactly_0(function):
    found = moments(function)
    assert (found.slope_mean, found.slope_second) == (0, 0)
    assert found.second > 0


def test_an_operation_in_place_has_its_slope():
    assert moments(lambda x: x.mul_(2)).slope_second == pytest.approx(4, rel=1e-12)


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


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


PLACES = {
    "a fake mode": FakeTensorMode,
    "meta by default": lambda: torch.device("meta"),
    "half by default": lambda: default_dtype(torch.float16),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
}


def scaled(x):
    """A function with a constant of torch's, which would take the default device and dtype."""
    return torch.tensor(0.7) * torch.tanh(x)


HELD = (scaled, nn.Sequential(nn.Tanh()), nn.PReLU(), nn.PReLU(3))


def figures():
    """What is asked of a function, a module, and names whose moments no other test has cached."""
    square = 1.234567
    return (
        *(gain(held) for held in HELD),
        *(moments(name, variance=square) for name in ("silu", "gelu_tanh", "mish", "selu")),
        variance_slope(scaled),
        reach(scaled),
        saturation(scaled, 1.0),
        recognise(lambda x: x * torch.sigmoid(x)),
    )


def remembering_nothing():
    """Every cache of the room as it is in a fresh process."""
    for cache in (_named, _plain, _quantiles):
        cache.cache_clear()


@pytest.fixture(scope="module")
def outside():
    remembering_nothing()
    return figures()


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_gain_is_the_same_wherever_it_is_asked(place, outside):
    remembering_nothing()
    with place():
        assert figures() == outside
    assert figures() == outside


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
def test_a_gain_inside_a_trace_is_a_number_and_leaves_no_operation(mode, outside):
    remembering_nothing()
    found = []
    graph = make_fx(lambda x: (found.append(figures()), 2 * x)[1], tracing_mode=mode)(torch.ones(3)).graph
    assert found == [outside]
    assert [node.op for node in graph.nodes if node.op == "call_function"] == ["call_function"]


def test_a_gain_inside_a_transform_of_functions_is_a_number(outside):
    found = []
    torch.func.grad(lambda x: (found.append(figures()), x.sum())[1])(torch.ones(3))
    torch.func.vmap(lambda x: (found.append(figures()), x)[1])(torch.ones(3))
    assert found == [outside, outside]


class Drawn(nn.Module):
    """A parameter drawn as it is made."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.randn(()))

    def forward(self, x):
        return self.scale * x


def drawing(x):
    """A function that draws and does not use what it drew."""
    torch.rand(3)
    return torch.tanh(x)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: gain(drawing),
        lambda: variance_slope(drawing),
        lambda: recognise(drawing),
        lambda: reach(drawing),
        lambda: saturation(drawing, 1.0),
        lambda: gain(Drawn),
        lambda: describe(nn.Tanh),
    ],
)
def test_a_function_that_draws_leaves_the_generator_as_it_was(ask, monkeypatch):
    before = torch.get_rng_state()
    ask()
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr(torch, "set_rng_state", lambda _: pytest.fail("nothing moved, and it was written"))
    gain(lambda x: x.tanh())
