"""Symmetry: units that compute the same and learn the same."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium.network import Batch
from initium.records import Signal
from initium.signal import measure


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(12, 33), nn.Tanh(), nn.Linear(33, 17), nn.ReLU(), nn.Linear(17, 5))


def seen(net: nn.Module) -> Signal:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 12, generator=generator)
    return measure(net, Batch((x,), target=torch.arange(40) % 5), F.cross_entropy)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_constant_hidden_layers_have_no_distinct_unit(value: float) -> None:
    net = mlp()
    for parameter in net.parameters():
        nn.init.constant_(parameter, value)
    assert [row.distinct for row in seen(net).rows[:2]] == [0, 0]


def test_random_layers_have_distinct_units() -> None:
    assert all(row.distinct == 1 for row in seen(mlp()).rows)


def test_a_zero_layer_below_random_ones_is_told_apart_by_its_gradient() -> None:
    net = mlp()
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    first = seen(net).rows[0]
    assert first.out_rms == 0
    assert first.distinct == 1


def test_a_zero_head_is_told_apart_by_its_gradient() -> None:
    net = mlp()
    nn.init.zeros_(net[4].weight)
    nn.init.zeros_(net[4].bias)
    assert seen(net).rows[2].distinct == 1


def test_the_share_counts_the_units_that_differ_from_the_first() -> None:
    net = mlp()
    with torch.no_grad():
        net[0].weight[:11] = net[0].weight[0]
        net[0].bias[:11] = net[0].bias[0]
        net[2].weight[:, :11] = 0.25
    assert seen(net).rows[0].distinct == pytest.approx(22 / 32)


def test_a_single_unit_repeats_nobody() -> None:
    assert measure(nn.Linear(4, 1), torch.randn(6, 4)).rows[0].distinct == 1


def test_constant_channels_of_a_convolution_are_not_distinct() -> None:
    net = nn.Sequential(nn.Conv2d(3, 9, 3), nn.ReLU(), nn.Conv2d(9, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    for parameter in net[:3].parameters():
        nn.init.constant_(parameter, 0.1)
    assert measure(net, torch.randn(2, 3, 8, 8)).rows[0].distinct == 0
