"""The illnesses by name."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from torch import nn

from initium.demo import _pace, _pair, _prior, _symmetry
from initium.demo._case import Case
from initium.demo._data import one_against_the_rest
from initium.demo._nets import perceptron

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEP = partial(perceptron, 30, 128, nn.ReLU)
# Learning rates at which the healthy network of each pair trains; the sick one gets the same.
_ALL = (
    Case("glorot-relu", "Glorot weights in a 30-layer ReLU perceptron", _DEEP, "glorot_normal", 400, 0.003, _pair.play),
    Case("zeros", "all weights zero", partial(perceptron, 4, 64, nn.ReLU), "zeros", 300, 0.01, _symmetry.play),
    Case("tiny", "std 0.01 in a 30-layer ReLU perceptron", _DEEP, "normal(0.01)", 400, 0.003, _pair.play),
    Case("huge", "std 1 in a 30-layer ReLU perceptron", _DEEP, "normal(1.0)", 400, 0.003, _pair.play),
    Case(
        "tanh-huge",
        "std 1 in a 10-layer tanh perceptron",
        partial(perceptron, 10, 128, nn.Tanh),
        "normal(1.0)",
        400,
        0.01,
        _pair.play,
    ),
    Case(
        "batchnorm",
        "std 1 behind BatchNorm, in a 10-layer ReLU perceptron",
        partial(perceptron, 10, 128, nn.ReLU, norm=True),
        "normal(1.0)",
        300,
        0.01,
        _pace.play,
    ),
    Case(
        "output-bias",
        "unbalanced classes, and an output bias that does not know it",
        partial(perceptron, 3, 64, nn.ReLU, 2),
        "textbook",
        200,
        0.003,
        _prior.play,
        one_against_the_rest,
    ),
)
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _ALL})
"""Every illness that ``initium demo`` shows."""
