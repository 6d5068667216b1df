"""Smooth activations: the normal distribution function in closed form, the logistic family by quadrature.

Each derivative is written so that it keeps its digits in the tails, where autograd's 1 - tanh(x)^2 has none.
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from initium.gains._law import Elementwise, TensorMap
from initium.gains._rows import Row, demand
from initium.gains._special import affine_cdf, gelu

# Hendrycks & Gimpel, "Gaussian Error Linear Units" (2016), section 2: x sigmoid(1.702 x), and the cubic inside tanh.
_QUICK, _CUBIC = 1.702, 0.044715
# Where transformers' `gelu_10` is cut, so that its output can be quantised.
_CLIP = 10.0
# x - tanh(x) from its series below this, where the difference would lose digits.
_SERIES = 1.0


def _sech_square(x: Tensor) -> Tensor:
    """1 / cosh^2 x = 4 s(2x) s(-2x), which neither cancels nor overflows."""
    return 4 * torch.sigmoid(2 * x) * torch.sigmoid(-2 * x)


def _bell(x: Tensor) -> Tensor:
    """The derivative of the logistic function."""
    return torch.sigmoid(x) * torch.sigmoid(-x)


def _tanh() -> Elementwise:
    return Elementwise(torch.tanh, derivative=_sech_square)


def _sigmoid() -> Elementwise:
    return Elementwise(torch.sigmoid, derivative=_bell)


def _swish(rate: float) -> Elementwise:
    """The gate s(rate x) times x."""
    return Elementwise(
        lambda x: x * torch.sigmoid(rate * x),
        derivative=lambda x: torch.sigmoid(rate * x) * (1 + rate * x * torch.sigmoid(-rate * x)),
    )


def _gelu_tanh() -> Elementwise:
    """The tanh form x (1 + tanh u) / 2 = x s(2u), with u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    root = 2 * math.sqrt(2 / math.pi)

    def function(x: Tensor) -> Tensor:
        return x * torch.sigmoid(root * (x + _CUBIC * x**3))

    def derivative(x: Tensor) -> Tensor:
        u = root * (x + _CUBIC * x**3)
        return torch.sigmoid(u) * (1 + x * root * (1 + 3 * _CUBIC * x * x) * torch.sigmoid(-u))

    return Elementwise(function, derivative=derivative)


def _gelu() -> Elementwise:
    """By erfc, which keeps its digits below 0, where 1 + erf has none."""

    def cdf(x: Tensor) -> Tensor:
        return torch.erfc(-x / math.sqrt(2)) / 2

    def derivative(x: Tensor) -> Tensor:
        return cdf(x) + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    return Elementwise(lambda x: x * cdf(x), derivative=derivative, closed=gelu)


def _clipped_gelu() -> Elementwise:
    """GELU is x to the last bit at 10, so the cut is a kink there."""
    whole = _gelu()

    def derivative(x: Tensor) -> Tensor:
        assert whole.derivative is not None  # noqa: S101  our own row, not a user's value
        return torch.where(x < _CLIP, whole.derivative(x), torch.zeros_like(x))

    return Elementwise(lambda x: whole.function(x).clamp(max=_CLIP), kinks=(_CLIP,), derivative=derivative)


def _mish() -> Elementwise:
    def derivative(x: Tensor) -> Tensor:
        gate = F.softplus(x)
        return torch.tanh(gate) + x * _sech_square(gate) * torch.sigmoid(x)

    return Elementwise(lambda x: x * torch.tanh(F.softplus(x)), derivative=derivative)


def _softplus(beta: float, threshold: float) -> Elementwise:
    """As torch, with x itself where beta * x > threshold: a jump of e^-threshold / beta."""
    demand("beta", beta, above=0)
    demand("threshold", threshold)
    return Elementwise(
        partial(F.softplus, beta=beta, threshold=threshold),
        kinks=(threshold / beta,),
        derivative=lambda x: torch.where(beta * x > threshold, torch.ones_like(x), torch.sigmoid(beta * x)),
    )


def _logsigmoid() -> Elementwise:
    return Elementwise(F.logsigmoid, derivative=lambda x: torch.sigmoid(-x))


def _softsign() -> Elementwise:
    return Elementwise(F.softsign, kinks=(0.0,), derivative=lambda x: (1 + x.abs()) ** -2)


def _tanhshrink() -> Elementwise:
    """The difference x - tanh(x); near 0 it is (x cosh x - sinh x) / cosh x, whose series has terms of one sign."""

    def function(x: Tensor) -> Tensor:
        near = x.clamp(-_SERIES, _SERIES)
        series = torch.zeros_like(x)
        for k in range(1, 12):
            series = series + 2 * k / math.factorial(2 * k + 1) * near ** (2 * k + 1)
        return torch.where(x.abs() < _SERIES, series / torch.cosh(near), x - torch.tanh(x))

    return Elementwise(function, derivative=lambda x: torch.tanh(x) ** 2)


def _atan() -> Elementwise:
    return Elementwise(torch.atan, derivative=lambda x: 1 / (1 + x * x))


def _erf() -> Elementwise:
    closed = affine_cdf(math.sqrt(2), 0.0, 2.0, -1.0)
    return Elementwise(torch.erf, derivative=_gaussian(2 / math.sqrt(math.pi), 0.0, 1.0), closed=closed)


def _laplace(mu: float, sigma: float) -> Elementwise:
    demand("mu", mu)
    demand("sigma", sigma, above=0)
    width = sigma * math.sqrt(2)

    def function(x: Tensor) -> Tensor:
        return torch.erfc((mu - x) / width) / 2

    derivative = _gaussian(1 / (width * math.sqrt(math.pi)), mu, width)
    return Elementwise(function, derivative=derivative, closed=affine_cdf(1 / sigma, -mu / sigma, 1.0, 0.0))


def _gaussian(height: float, center: float, width: float) -> TensorMap:
    """The bell height * exp(-((x - center) / width)^2)."""
    return lambda x: height * torch.exp(-(((x - center) / width) ** 2))


SMOOTH: dict[str, Row] = {
    "tanh": Row("tanh(x)", _tanh),
    "sigmoid": Row("1 / (1 + exp(-x))", _sigmoid),
    "gelu": Row("x * P(x), P the standard normal distribution function", _gelu),
    "gelu_10": Row("min(gelu(x), 10)", _clipped_gelu),
    "gelu_tanh": Row("x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2", _gelu_tanh),
    "quick_gelu": Row("x * sigmoid(1.702 * x)", partial(_swish, _QUICK)),
    "silu": Row("x * sigmoid(x)", partial(_swish, 1.0)),
    "mish": Row("x * tanh(softplus(x))", _mish),
    "softplus": Row(
        "log(1 + exp(beta * x)) / beta, and x where beta * x > threshold",
        _softplus,
        (("beta", 1.0), ("threshold", 20.0)),
    ),
    "logsigmoid": Row("log(sigmoid(x))", _logsigmoid),
    "softsign": Row("x / (1 + |x|)", _softsign),
    "tanhshrink": Row("x - tanh(x)", _tanhshrink),
    "atan": Row("atan(x)", _atan),
    "erf": Row("erf(x)", _erf),
    "laplace": Row(
        "(1 + erf((x - mu) / (sigma * sqrt(2)))) / 2",
        _laplace,
        (("mu", 0.707107), ("sigma", 0.282095)),
    ),
}
