"""Activations made of polynomials and exponentials: closed moments at every mean and variance."""

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from initium.gains._expoly import Piece, Term, Terms, pieces, piecewise, polynomial
from initium.gains._law import Elementwise, Mixture
from initium.gains._rows import Row, demand, demand_order

# torch's SELU, float64 digits of Klambauer et al. (2017), eq. 14.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

_ZERO, _ONE, _X = polynomial(), polynomial(1), polynomial(0, 1)


def _linear(scale: float, shift: float) -> Elementwise:
    demand("scale", scale)
    demand("shift", shift)
    return piecewise(lambda x: scale * x + shift, pieces(last=polynomial(shift, scale)))


def _leaky_relu(negative_slope: float) -> Elementwise:
    demand("negative_slope", negative_slope)
    function = partial(F.leaky_relu, negative_slope=negative_slope)
    return piecewise(function, pieces((0.0, polynomial(0, negative_slope)), last=_X))


def _relu() -> Elementwise:
    return piecewise(F.relu, pieces((0.0, _ZERO), last=_X))


def _two_slopes(center: float, spread: float) -> Mixture:
    """A leaky ReLU whose slope is drawn: each moment is quadratic in the slope, so two slopes stand for any law."""
    return Mixture((_leaky_relu(center - spread), _leaky_relu(center + spread)))


def _prelu(weight: float, spread: float) -> Mixture:
    demand("weight", weight)
    return _two_slopes(weight, demand("spread", spread, at_least=0))


def _rrelu(lower: float, upper: float) -> Mixture:
    demand_order("lower", lower, "upper", upper)
    return _two_slopes((lower + upper) / 2, (upper - lower) / math.sqrt(12))


def _clamp(min_val: float, max_val: float) -> Elementwise:
    demand_order("min_val", min_val, "max_val", max_val)
    spans = ((min_val, polynomial(min_val)), (max_val, _X))
    return piecewise(partial(torch.clamp, min=min_val, max=max_val), pieces(*spans, last=polynomial(max_val)))


def _hardsigmoid() -> Elementwise:
    """Not torch's own function: its derivative is float32's 1/6 even in float64."""
    return piecewise(
        lambda x: (x / 6 + 1 / 2).clamp(0, 1), pieces((-3.0, _ZERO), (3.0, polynomial(1 / 2, 1 / 6)), last=_ONE)
    )


def _hardswish() -> Elementwise:
    return piecewise(F.hardswish, pieces((-3.0, _ZERO), (3.0, polynomial(0, 1 / 2, 1 / 6)), last=_X))


def _hardmish() -> Elementwise:
    """By x + 2 cut to [0, 2]; the middle piece is x (x + 2) / 2."""
    spans = ((-2.0, _ZERO), (0.0, polynomial(0, 1, 1 / 2)))
    return piecewise(lambda x: x * (x + 2).clamp(0, 2) / 2, pieces(*spans, last=_X))


def _threshold(threshold: float, value: float) -> Elementwise:
    demand("threshold", threshold)
    demand("value", value)
    function = partial(F.threshold, threshold=threshold, value=value)
    return piecewise(function, pieces((threshold, polynomial(value)), last=_X))


def _hardshrink(lambd: float) -> Elementwise:
    demand("lambd", lambd, at_least=0)
    return piecewise(partial(F.hardshrink, lambd=lambd), pieces((-lambd, _X), (lambd, _ZERO), last=_X))


def _softshrink(lambd: float) -> Elementwise:
    demand("lambd", lambd, at_least=0)
    spans = ((-lambd, polynomial(lambd, 1)), (lambd, _ZERO))
    return piecewise(partial(F.softshrink, lambd=lambd), pieces(*spans, last=polynomial(-lambd, 1)))


def _exponential_unit(alpha: float, rate: float, scale: float) -> tuple[Piece, ...]:
    """Linear, scale * x, above 0; scale * alpha * (e^(rate x) - 1) below."""
    below: Terms = (Term(scale * alpha, 0, rate), Term(-scale * alpha))
    return pieces((0.0, below), last=polynomial(0, scale))


def _elu(alpha: float) -> Elementwise:
    demand("alpha", alpha)
    return piecewise(partial(F.elu, alpha=alpha), _exponential_unit(alpha, 1.0, 1.0))


def _celu(alpha: float) -> Elementwise:
    """Not torch's own derivative: it is float32's even in float64, 4e-8 off."""
    demand("alpha", alpha, above=0)

    def derivative(x: Tensor) -> Tensor:
        return torch.exp(x.clamp(max=0) / alpha)

    return piecewise(partial(F.celu, alpha=alpha), _exponential_unit(alpha, 1 / alpha, 1.0), derivative)


def _selu() -> Elementwise:
    return piecewise(F.selu, _exponential_unit(SELU_ALPHA, 1.0, SELU_SCALE))


def _squared_relu() -> Elementwise:
    return piecewise(lambda x: F.relu(x).square(), pieces((0.0, _ZERO), last=polynomial(0, 0, 1)))


def _abs() -> Elementwise:
    return piecewise(torch.abs, pieces((0.0, polynomial(0, -1)), last=_X))


def _sign() -> Elementwise:
    return piecewise(torch.sign, pieces((0.0, polynomial(-1)), last=_ONE))


def _square() -> Elementwise:
    return piecewise(torch.square, pieces(last=polynomial(0, 0, 1)))


def _exp() -> Elementwise:
    return piecewise(torch.exp, pieces(last=(Term(1.0, 0, 1.0),)))


def _sin(frequency: float) -> Elementwise:
    demand("frequency", frequency)
    waves: Terms = (Term(-0.5j, 0, 1j * frequency), Term(0.5j, 0, -1j * frequency))

    def function(x: Tensor) -> Tensor:
        return torch.sin(frequency * x)

    return piecewise(function, pieces(last=waves))


def _cos(frequency: float) -> Elementwise:
    demand("frequency", frequency)
    waves: Terms = (Term(0.5, 0, 1j * frequency), Term(0.5, 0, -1j * frequency))

    def function(x: Tensor) -> Tensor:
        return torch.cos(frequency * x)

    return piecewise(function, pieces(last=waves))


PIECEWISE: dict[str, Row] = {
    "linear": Row("scale * x + shift", _linear, (("scale", 1.0), ("shift", 0.0))),
    "relu": Row("max(x, 0)", _relu),
    "leaky_relu": Row("x if x > 0 else negative_slope * x", _leaky_relu, (("negative_slope", 0.01),)),
    "prelu": Row(
        "x if x > 0 else a * x; over the channels a has mean `weight` and standard deviation `spread`",
        _prelu,
        (("weight", 0.25), ("spread", 0.0)),
    ),
    "rrelu": Row(
        "x if x > 0 else a * x; a is uniform from lower to upper, as in training",
        _rrelu,
        (("lower", 1 / 8), ("upper", 1 / 3)),
    ),
    "relu6": Row("min(max(x, 0), 6)", partial(_clamp, 0.0, 6.0)),
    "hardtanh": Row("min(max(x, min_val), max_val)", _clamp, (("min_val", -1.0), ("max_val", 1.0))),
    "hardsigmoid": Row("min(max(x / 6 + 1 / 2, 0), 1)", _hardsigmoid),
    "hardswish": Row("x * min(max(x / 6 + 1 / 2, 0), 1)", _hardswish),
    "hard_mish": Row("x * min(max(x + 2, 0), 2) / 2", _hardmish),
    "threshold": Row("x if x > threshold else value", _threshold, (("threshold", None), ("value", None))),
    "hardshrink": Row("x if |x| > lambd else 0", _hardshrink, (("lambd", 0.5),)),
    "softshrink": Row("sign(x) * max(|x| - lambd, 0)", _softshrink, (("lambd", 0.5),)),
    "elu": Row("x if x > 0 else alpha * (exp(x) - 1)", _elu, (("alpha", 1.0),)),
    "celu": Row("x if x > 0 else alpha * (exp(x / alpha) - 1)", _celu, (("alpha", 1.0),)),
    "selu": Row("1.0507 * (x if x > 0 else 1.6733 * (exp(x) - 1))", _selu),
    "squared_relu": Row("max(x, 0)^2", _squared_relu),
    "abs": Row("|x|", _abs),
    "sign": Row("x / |x|; its derivative is 0 almost everywhere, so it has no backward gain", _sign),
    "square": Row("x^2", _square),
    "exp": Row("exp(x)", _exp),
    "sin": Row("sin(frequency * x)", _sin, (("frequency", 1.0),)),
    "cos": Row("cos(frequency * x)", _cos, (("frequency", 1.0),)),
}
