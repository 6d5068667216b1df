"""Every named activation against mpmath at 30 digits: an independent formula, independent panels, independent weights."""

import math
import sys
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from mpmath.calculus.quadrature import GaussLegendre

from initium.gains import ACTIVATIONS, Activation, moments

mp.dps = 30
HALF = mpf(1) / 2
ROOT2 = mp.sqrt(2)
ALPHA, SCALE = mpf("1.6732632423543772848170429916717"), mpf("1.0507009873554804934193349852946")


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def swish(rate):
    rate = mpf(rate)

    def slope(x):
        s = logistic(rate * x)
        return s + rate * x * s * (1 - s)

    return lambda x: x * logistic(rate * x), slope, ()


def leaky(a):
    a = mpf(a)
    return lambda x: x if x > 0 else a * x, lambda x: mpf(1) if x > 0 else a, (0,)


def clamp(low, high):
    return lambda x: min(max(x, mpf(low)), mpf(high)), lambda x: mpf(low < x < high), (low, high)


def exponential(alpha, rate, scale):
    alpha, rate, scale = mpf(alpha), mpf(rate), mpf(scale)
    return (
        lambda x: scale * (x if x > 0 else alpha * mp.expm1(rate * x)),
        lambda x: scale * (mpf(1) if x > 0 else alpha * rate * mp.exp(rate * x)),
        (0,),
    )


def softplus(beta, threshold):
    beta = mpf(beta)
    return (
        lambda x: x if beta * x > threshold else mp.log1p(mp.exp(beta * x)) / beta,
        lambda x: mpf(1) if beta * x > threshold else logistic(beta * x),
        (mpf(threshold) / beta,),
    )


def gelu_tanh(x):
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)))


def gelu_tanh_slope(x):
    u = mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)
    return (1 + mp.tanh(u)) / 2 + x / 2 * mp.sech(u) ** 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mpf("0.044715") * x * x)


def mish_slope(x):
    u = mp.log1p(mp.exp(x))
    return mp.tanh(u) + x * mp.sech(u) ** 2 * logistic(x)


def laplace(mu, sigma):
    mu, sigma = mpf(mu), mpf(sigma)
    return (
        lambda x: mp.erfc((mu - x) / (sigma * ROOT2)) / 2,
        lambda x: mp.npdf((x - mu) / sigma) / sigma,
        (),
    )


# name, parameters -> function, derivative, kinks: written from the papers, not from our table.
REFEREE = {
    ("linear", (2.0, -0.5)): (lambda x: 2 * x - HALF, lambda _: mpf(2), ()),
    ("relu", ()): leaky(0),
    ("leaky_relu", (0.2,)): leaky(0.2),
    ("leaky_relu", (-1.5,)): leaky(-1.5),
    ("relu6", ()): clamp(0, 6),
    ("hardtanh", (-1.0, 1.0)): clamp(-1, 1),
    ("hardtanh", (0.3, 0.9)): clamp(0.3, 0.9),
    ("hardsigmoid", ()): (
        lambda x: min(max(x / 6 + HALF, mpf(0)), mpf(1)),
        lambda x: mpf(-3 < x < 3) / 6,
        (-3, 3),
    ),
    ("hardswish", ()): (
        lambda x: x * min(max(x / 6 + HALF, mpf(0)), mpf(1)),
        lambda x: x / 3 + HALF if -3 < x < 3 else mpf(x > 0),
        (-3, 3),
    ),
    ("hard_mish", ()): (
        lambda x: x / 2 * min(max(x + 2, mpf(0)), mpf(2)),
        lambda x: x + 1 if -2 < x < 0 else mpf(x > 0),
        (-2, 0),
    ),
    ("gelu_10", ()): (
        lambda x: min(x * mp.ncdf(x), mpf(10)),
        lambda x: mp.ncdf(x) + x * mp.npdf(x) if x < 10 else mpf(0),
        (10,),
    ),
    ("threshold", (0.3, -0.2)): (
        lambda x: x if x > mpf(0.3) else mpf(-0.2),
        lambda x: mpf(x > mpf(0.3)),
        (0.3,),
    ),
    ("hardshrink", (0.5,)): (lambda x: x if abs(x) > HALF else mpf(0), lambda x: mpf(abs(x) > HALF), (-0.5, 0.5)),
    ("softshrink", (0.5,)): (
        lambda x: mp.sign(x) * max(abs(x) - HALF, mpf(0)),
        lambda x: mpf(abs(x) > HALF),
        (-0.5, 0.5),
    ),
    ("elu", (1.0,)): exponential(1, 1, 1),
    ("elu", (1.7,)): exponential(1.7, 1, 1),
    ("celu", (0.3,)): exponential(0.3, 1 / mpf(0.3), 1),
    ("selu", ()): exponential(ALPHA, 1, SCALE),
    ("squared_relu", ()): (lambda x: max(x, mpf(0)) ** 2, lambda x: 2 * max(x, mpf(0)), (0,)),
    ("abs", ()): (abs, mp.sign, (0,)),
    ("sign", ()): (mp.sign, lambda _: mpf(0), (0,)),
    ("square", ()): (lambda x: x * x, lambda x: 2 * x, ()),
    ("exp", ()): (mp.exp, mp.exp, ()),
    ("sin", (1.0,)): (mp.sin, mp.cos, ()),
    ("sin", (2.5,)): (lambda x: mp.sin(x * 5 / 2), lambda x: mp.cos(x * 5 / 2) * 5 / 2, ()),
    ("cos", (1.0,)): (mp.cos, lambda x: -mp.sin(x), ()),
    ("tanh", ()): (mp.tanh, lambda x: mp.sech(x) ** 2, ()),
    ("sigmoid", ()): (logistic, lambda x: logistic(x) * logistic(-x), ()),
    ("gelu", ()): (lambda x: x * mp.ncdf(x), lambda x: mp.ncdf(x) + x * mp.npdf(x), ()),
    ("gelu_tanh", ()): (gelu_tanh, gelu_tanh_slope, ()),
    ("quick_gelu", ()): swish("1.702"),
    ("silu", ()): swish(1),
    ("mish", ()): (lambda x: x * mp.tanh(mp.log1p(mp.exp(x))), mish_slope, ()),
    ("softplus", (1.0, 20.0)): softplus(1, 20),
    ("softplus", (2.5, 3.0)): softplus(2.5, 3),
    ("logsigmoid", ()): (lambda x: -mp.log1p(mp.exp(-x)), lambda x: logistic(-x), ()),
    ("softsign", ()): (lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2, (0,)),
    ("tanhshrink", ()): (lambda x: x - mp.tanh(x), lambda x: mp.tanh(x) ** 2, ()),
    ("atan", ()): (mp.atan, lambda x: 1 / (1 + x * x), ()),
    ("erf", ()): (mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), ()),
    ("laplace", (0.707107, 0.282095)): laplace(0.707107, 0.282095),
}
LAWS = [(0.0, 1.0), (0.7, 2.3), (-1.3, 0.2), (0.0, 0.01)]
GATES = {
    "glu": "sigmoid",
    "bilinear_glu": "linear",
    "reglu": "relu",
    "geglu": "gelu",
    "geglu_tanh": "gelu_tanh",
    "swiglu": "silu",
}


def activation(name, values):
    return Activation(name, tuple(zip((key for key, _ in ACTIVATIONS[name].parameters), values, strict=True)))


@lru_cache(maxsize=1)
def nodes():
    """24 Gauss-Legendre nodes and weights at full precision."""
    return tuple(GaussLegendre(mp).calc_nodes(4, mp.prec))


def truth(function, slope, kinks, mean, variance):
    """The four moments, panel by panel between kinks, cut at 16 standard deviations (2e-57 of the law)."""
    mean, std = mpf(mean), mp.sqrt(mpf(variance))
    inner = sorted({mpf(z) for z in range(-16, 17)} | {z for k in kinks if abs(z := (mpf(k) - mean) / std) < 16})
    totals = [mpf(0)] * 4
    for low, high in pairwise(inner):
        half, middle = (high - low) / 2, (high + low) / 2
        for node, weight in nodes():
            z = middle + half * node
            mass = half * weight * mp.npdf(z)
            x = mean + std * z
            y, d = function(x), slope(x)
            totals = [t + mass * part for t, part in zip(totals, (y, y * y, d, d * d), strict=True)]
    return totals


def distances(found, expected):
    """Relative errors of the four; a mean against its root mean square."""
    mean, second, slope_mean, slope_second = expected
    pairs = (
        (found.mean, mean, mp.sqrt(second)),
        (found.second, second, second),
        (found.slope_mean, slope_mean, mp.sqrt(slope_second)),
        (found.slope_second, slope_second, slope_second),
    )
    return [float(abs(mpf(ours) - theirs) / scale) if scale else float(abs(ours)) for ours, theirs, scale in pairs]


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("key", REFEREE, ids=lambda key: f"{key[0]}{key[1]}")
def test_named_moments_agree_with_mpmath_and_the_error_is_honest(key, law):
    found = moments(activation(*key), mean=law[0], variance=law[1])
    worst = max(distances(found, truth(*REFEREE[key], *law)))
    assert worst <= 1e-11
    assert worst <= found.error + 2.0**-50
    assert found.error <= 1e-10


# The closed forms cancel at so small a variance, and the quadrature takes over.
@pytest.mark.parametrize("variance", [1e-8, 1e-6])
@pytest.mark.parametrize("key", REFEREE, ids=lambda key: f"{key[0]}{key[1]}")
def test_moments_of_a_tiny_input_agree_with_mpmath(key, variance):
    found = moments(activation(*key), variance=variance)
    assert max(distances(found, truth(*REFEREE[key], 0.0, variance))) <= found.error + 2.0**-50


def test_the_referee_knows_every_elementwise_row_of_the_table():
    assert set(ACTIVATIONS) - {name for name, _ in REFEREE} == {*GATES, "prelu", "rrelu"}


@pytest.mark.parametrize("gate", GATES.items(), ids=str)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_gated_unit_is_the_product_of_independent_factors(gate, law):
    unit, inner = (moments(name, mean=law[0], variance=law[1]) for name in gate)
    square = law[0] ** 2 + law[1]
    expected = (
        inner.mean * law[0],
        inner.second * square,
        (inner.slope_mean * law[0] + inner.mean) / 2,
        (inner.slope_second * square + inner.second) / 2,
    )
    assert (unit.mean, unit.second, unit.slope_mean, unit.slope_second) == pytest.approx(expected, rel=1e-14, abs=1e-15)


@settings(max_examples=60)
@given(a=st.floats(-3, 3), ratio=st.floats(-30, 30), std=st.floats(0.05, 20))
def test_leaky_relu_follows_from_the_truncated_normal(a, ratio, std):
    mean = ratio * std
    up = mp.ncdf(mpf(mean) / std)
    bell = mp.npdf(mpf(mean) / std)
    first = (mean * up + std * bell, mean * (1 - up) - std * bell)
    square = mpf(mean) ** 2 + mpf(std) ** 2
    upper = square * up + mpf(mean) * std * bell
    expected = (
        first[0] + a * first[1],
        upper + mpf(a) ** 2 * (square - upper),
        up + a * (1 - up),
        up + mpf(a) ** 2 * (1 - up),
    )
    found = moments("leaky_relu", negative_slope=a, mean=mean, variance=std * std)
    # std is squared and rooted again: the law itself is known to a few roundings, amplified by (mean / std)^2.
    assert max(distances(found, expected)) <= 1e-10


@settings(max_examples=40)
@given(lower=st.floats(-1, 1), width=st.floats(0, 2), mean=st.floats(-2, 2), variance=st.floats(0.01, 9))
@example(lower=0.9999999999999999, width=5.960464477539063e-08, mean=0.0, variance=1.0)
def test_a_random_slope_averages_over_its_law(lower, width, mean, variance):
    found = moments("rrelu", lower=lower, upper=lower + width, mean=mean, variance=variance)
    # Simpson's rule is exact for a quadratic in the slope.
    parts = [moments("leaky_relu", negative_slope=lower + width * t, mean=mean, variance=variance) for t in (0, 0.5, 1)]
    size = math.sqrt(mean**2 + variance)
    # Both sides of zero are added up, each no larger than this; close to the identity they cancel, their rounding stays.
    terms = {"mean": size, "second": size**2, "slope_mean": 1.0, "slope_second": 1.0}
    for name, term in terms.items():
        low, middle, high = (getattr(part, name) for part in parts)
        expected = (low + 4 * middle + high) / 6
        slack = 1e-12 * (abs(low) + abs(high)) + 16 * sys.float_info.epsilon * term
        assert getattr(found, name) == pytest.approx(expected, rel=1e-12, abs=slack)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "silu", "mish", "gelu", "gelu_tanh", "elu", "softsign"])
@pytest.mark.parametrize("variance", [1e-12, 1e12])
def test_vanished_and_exploded_signals_still_have_moments(name, variance):
    found = moments(name, variance=variance)
    assert found.error <= 1e-10
    assert math.isfinite(found.slope_second)
    if variance < 1:
        slope = {"tanh": 1, "sigmoid": 1 / 4, "mish": 0.6, "elu": 1, "softsign": 1}.get(name, 1 / 2)
        # phi' differs from phi'(0) by at most 2 |x|, and the root of E[x^2] is 1e-6.
        assert found.slope_second == pytest.approx(slope**2, abs=4 * slope * 1e-6 + 4e-12)


@pytest.mark.parametrize(
    ("name", "mean"), [("tanh", 20), ("sigmoid", -700), ("gelu", -20), ("elu", -700), ("relu", -37)]
)
def test_saturated_units_have_moments_down_to_underflow(name, mean):
    found = moments(name, mean=float(mean))
    assert found.error <= 1e-10
    assert found.slope_second <= found.slope_mean or found.slope_second < 1e-30
