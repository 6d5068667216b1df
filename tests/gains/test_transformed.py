"""Shaped and tailored activations, held against scipy's quadrature; networks of them, against each other."""

import copy
import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

import initium
from initium.errors import ArgumentError
from initium.gains import Transformed, dks_activation, tat_activation

SMOOTH = ["tanh", "softplus", "silu", "gelu", "sigmoid"]


def expected(function, *, z=1.0):
    """E[f(sqrt(z) x)], x standard normal, by scipy; smooth functions, which 12 standard deviations hold to 1e-30."""
    value, error = quad(
        lambda x: function(math.sqrt(z) * x) * norm.pdf(x), -12, 12, epsabs=1e-12, epsrel=1e-12, limit=400
    )
    assert error < 1e-9
    return value


def numbers(module, order=0):
    """A module's value, or a derivative of it, at one number."""

    def at(x):
        point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        value = module(point)
        for _ in range(order):
            (value,) = torch.autograd.grad(value, point, create_graph=True)
        return float(value.detach())

    return at


def growth(module):
    """Q'(1) = E[phi phi' z]."""
    phi, slope = numbers(module), numbers(module, 1)
    return expected(lambda x: phi(x) * slope(x) * x)


@pytest.mark.parametrize("depth", [3, 40])
@pytest.mark.parametrize("name", SMOOTH)
def test_dks_meets_its_four_conditions(name, depth):
    shaped = dks_activation(name, depth)
    phi, slope = numbers(shaped), numbers(shaped, 1)
    # 1e-9 is what the solver promises and the quadratures leave.
    assert expected(lambda x: phi(x) ** 2) == pytest.approx(1, abs=1e-9)
    assert growth(shaped) == pytest.approx(1, abs=1e-8)
    assert expected(phi) == pytest.approx(0, abs=1e-9)  # C(0) = E[phi]^2
    assert expected(lambda x: slope(x) ** 2) ** depth == pytest.approx(1.5, rel=depth * 1e-9)


@pytest.mark.parametrize("depth", [3, 40])
@pytest.mark.parametrize("name", SMOOTH)
def test_tat_meets_its_four_conditions(name, depth):
    shaped = tat_activation(name, depth)
    phi, slope, bend = numbers(shaped), numbers(shaped, 1), numbers(shaped, 2)
    assert expected(lambda x: phi(x) ** 2) == pytest.approx(1, abs=1e-9)
    assert growth(shaped) == pytest.approx(1, abs=1e-8)
    assert expected(lambda x: slope(x) ** 2) == pytest.approx(1, abs=1e-9)
    assert expected(lambda x: bend(x) ** 2) * depth == pytest.approx(0.3, rel=1e-7)


def cosine_after(module, c):
    """E[phi(u) phi(v)] of a leaky ReLU for correlation c: v given u is normal, and its mean is known."""
    slope = dict(module.activation.parameters)["negative_slope"]
    spread = math.sqrt(1 - c * c)

    def leaky(x):
        return x if x > 0 else slope * x

    def inner(u):
        m = c * u
        positive = m * norm.cdf(m / spread) + spread * norm.pdf(m / spread)
        return leaky(u) * (slope * m + (1 - slope) * positive)

    halves = [quad(lambda u: inner(u) * norm.pdf(u), *ends, epsabs=1e-13)[0] for ends in ((-12, 0), (0, 12))]
    return module.gamma**2 * sum(halves)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
@pytest.mark.parametrize(("depth", "correlation"), [(20, 0.9), (5, 0.5), (1, 0.2)])
def test_tailored_rectifiers_take_orthogonal_inputs_to_the_cosine_that_was_asked(name, depth, correlation):
    shaped, c = tat_activation(name, depth, correlation=correlation), 0.0
    for _ in range(depth):
        c = cosine_after(shaped, c)
    assert c == pytest.approx(correlation, abs=1e-9)
    assert cosine_after(shaped, 1 - 1e-15) == pytest.approx(1, abs=1e-7)


def test_a_function_of_ones_own_is_shaped():
    shaped = dks_activation(lambda x: x * torch.exp(-0.5 * x) / (1 + torch.exp(-x)), depth=10)
    phi = numbers(shaped)
    assert expected(lambda x: phi(x) ** 2) == pytest.approx(1, abs=1e-9)
    assert expected(phi) == pytest.approx(0, abs=1e-9)


def deep(activation, scheme, depth=40, width=256):
    """Two orthogonal inputs through a deep network: the rms, and their cosine at the end."""
    layers = [each for _ in range(depth) for each in (nn.Linear(width, width), copy.deepcopy(activation))]
    net = nn.Sequential(*layers).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.linalg.qr(torch.randn(width, 2, dtype=torch.float64, generator=generator))[0].T * math.sqrt(width)
    initium.initialize(net, x, scheme, seed=0)
    with torch.no_grad():
        y = net(x)
    return y.square().mean().sqrt().item(), nn.functional.cosine_similarity(y[0], y[1], dim=0).item()


def test_a_deep_network_of_shaped_activations_still_tells_its_inputs_apart():
    size, cosine = deep(dks_activation("tanh", 40), "dks")
    plain_size, _ = deep(nn.Tanh(), "glorot_normal")
    _, relu = deep(nn.ReLU(), "he_normal")
    _, tailored = deep(tat_activation("relu", 40), "tat")
    # In law: rms 1 and cosine 0; ReLU at 1 - O(depth^-2); the tailored one at 0.9. Each is nearer to its own.
    assert abs(size - 1) < 1 / 2
    assert abs(cosine) < 1 / 2
    assert plain_size < 1 / 2
    assert 0.5 < tailored < relu
    assert relu > 0.95


@pytest.mark.parametrize(("method", "make"), [("dks", dks_activation), ("tat", tat_activation)])
def test_a_network_whose_activations_are_not_transformed_is_refused(method, make):
    x = torch.randn(2, 4)
    plain = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3))
    with pytest.raises(initium.PlanError, match=rf"`0\.weight`: tanh follows.*gains\.{method}_activation"):
        initium.plan(plain, x, method)
    half = nn.Sequential(nn.Linear(4, 9), make("tanh", 2), nn.Linear(9, 9), nn.Tanh(), nn.Linear(9, 3))
    with pytest.raises(initium.PlanError, match=r"`2\.weight`: tanh follows"):
        initium.plan(half, x, method)
    shaped = nn.Sequential(nn.Linear(4, 9), make("tanh", 1), nn.Linear(9, 3))
    assert initium.plan(shaped, x, method)["0.weight"].law == "orthogonal, gain 1.5"


def test_the_methods_are_not_mistaken_for_each_other():
    x = torch.randn(2, 4)
    for made, other in ((dks_activation, "tat"), (tat_activation, "dks")):
        with pytest.raises(initium.PlanError, match="is wanted"):
            initium.plan(nn.Sequential(nn.Linear(4, 9), made("silu", 3)), x, other)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(12, 30),
        nn.Linear(30, 12),
        nn.Conv2d(4, 9, 3, padding=1),
        nn.Conv2d(9, 4, 3, padding="valid"),
        nn.Conv2d(6, 12, 3, padding=1, groups=3),
        nn.Conv2d(12, 6, 3, padding="valid", groups=3),
    ],
    ids=str,
)
def test_the_mean_square_of_a_weights_rows_is_one_so_a_unit_keeps_its_variance(layer):
    size = (2, layer.in_features) if isinstance(layer, nn.Linear) else (2, layer.in_channels, 6, 6)
    initium.initialize(layer.double(), torch.randn(size, dtype=torch.float64), "dks", seed=0)
    assert layer.weight.detach().flatten(1).square().sum(1).mean().item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs"])
def test_what_is_alike_at_every_scale_cannot_be_shaped_and_the_cure_is_named(name):
    with pytest.raises(ArgumentError, match=r"no alpha and beta.*tat_activation"):
        dks_activation(name, 10)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dks_activation("tanh", 0), "depth"),
        (lambda: dks_activation("tanh", 3, slope=1.0), "slope"),
        (lambda: tat_activation("tanh", 3, curvature=0.0), "curvature"),
        (lambda: tat_activation("relu", 3, correlation=1.0), "correlation"),
        (lambda: tat_activation("relu", 3), "shallow enough"),
        (lambda: tat_activation("selu", 3), "slope of selu jumps"),
        (lambda: dks_activation("swiglu", 3), "not one function of one number"),
    ],
)
def test_what_cannot_be_met_is_refused(call, said):
    with pytest.raises(ArgumentError, match=said):
        call()


def test_the_constants_are_to_be_read():
    assert repr(dks_activation("tanh", 10)).startswith("Transformed(tanh, alpha=0.296650")
    assert isinstance(tat_activation("relu", 50), Transformed)
