"""What follows from a row: the gain and the gradient over the weight, for each use of a weight."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium


def test_the_ratio_is_that_of_the_norms_and_the_gain_that_of_the_fan() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)).double()
    x, target = torch.randn(16, 3, 8, 8).double(), torch.arange(16) % 5
    signal = initium.measure(net, initium.Batch((x,), target=target), F.cross_entropy)
    F.cross_entropy(net(x), target).backward()
    for row, weight, fan in zip(signal.rows, (net[0].weight, net[3].weight), (27, 288), strict=True):
        assert (row.elements, row.fan_in) == (weight.numel(), fan)
        # Both sides are sums of the same float64 numbers.
        assert row.update_ratio == pytest.approx((weight.grad.norm() / weight.norm()).item(), rel=1e-10)
        assert row.gain == pytest.approx(weight.pow(2).mean().sqrt().item() * math.sqrt(fan), rel=1e-10)


def test_a_weight_that_is_zero_has_an_infinite_ratio_where_it_has_a_gradient() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.zeros_(net[2].weight)
    rows = initium.measure(net, torch.randn(16, 8)).rows
    assert (rows[1].update_ratio, rows[1].gain) == (math.inf, 0.0)
    assert rows[0].update_ratio == 0.0
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    assert math.isnan(initium.measure(net, torch.randn(16, 8)).rows[1].update_ratio)
