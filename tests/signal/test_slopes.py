"""Dead and saturated: constructions with known shares."""

from typing import Any

import pytest
import torch
from torch import nn

from initium.gains import reach
from initium.network import Batch
from initium.records import SignalRow
from initium.signal import measure
from initium.signal._slopes import passing


def row_of(bias: torch.Tensor, activation: nn.Module) -> SignalRow:
    """The row of a layer that gives its bias for every sample, before an activation."""
    layer = nn.Linear(2, len(bias))
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(bias)
    return measure(nn.Sequential(layer, activation, nn.Linear(len(bias), 1)), torch.randn(5, 2)).rows[0]


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()])
def test_units_that_no_sample_switches_on_are_dead(activation: nn.Module) -> None:
    assert row_of(torch.tensor([-1.0, -1.0, -1.0, 1.0]), activation).dead == 0.75


def test_a_unit_that_one_sample_switches_on_is_alive() -> None:
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.zero_()
    assert measure(net, torch.tensor([[-1.0], [-2.0], [3.0]])).rows[0].dead == 0


def test_leaky_units_never_die() -> None:
    assert row_of(torch.full((4,), -100.0), nn.LeakyReLU(0.01)).dead == 0


def test_dead_channels_of_a_convolution_are_counted_by_channel() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 1))
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([-100.0, 100.0, 100.0, 100.0]))
    assert measure(net, torch.randn(3, 1, 4, 4)).rows[0].dead == 0.25


# tanh' < 1/20 from |z| = 2.18 on, sigmoid' < 1/80 from |z| = 4.36 on, 1/(1 + |z|)^2 < 1/20 from |z| = 3.47 on.
@pytest.mark.parametrize(
    ("activation", "edge"),
    [
        (nn.Tanh(), 2.1783),
        (nn.Sigmoid(), 4.3567),
        (nn.Softsign(), 3.4721),
        (nn.Hardtanh(), 1.0),
        (nn.Hardsigmoid(), 3.0),
    ],
)
def test_saturation_begins_where_the_slope_falls_below_a_twentieth(activation: nn.Module, edge: float) -> None:
    inside, outside = edge * 0.999, edge * 1.001
    assert row_of(torch.tensor([inside, -inside, outside, -outside]), activation).saturated == 0.5


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.GELU(), nn.SiLU(), nn.ELU(), nn.Softplus(), nn.Hardswish()])
def test_what_passes_large_values_cannot_saturate(activation: nn.Module) -> None:
    assert row_of(torch.tensor([-50.0, 50.0, 0.0, 1.0]), activation).saturated == 0


def test_relu6_saturates_above_and_rectifies_below() -> None:
    assert row_of(torch.tensor([-50.0, -1.0, 1.0, 50.0]), nn.ReLU6()).saturated == 0.25


def test_reach_of_a_bump_has_both_sides() -> None:
    found = reach(lambda x: torch.exp(-x.square()))
    assert found.below
    assert found.above


def test_a_gated_unit_is_neither_dead_nor_saturated() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 8), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(nn.functional.glu(self.a(x)))

    signal = measure(Net(), Batch((torch.randn(4, 3),)))
    assert (signal.rows[0].dead, signal.rows[0].saturated) == (0, 0)


@pytest.mark.parametrize(("activation", "calls"), [(nn.functional.relu, 1), (torch.tanh, 4)])
def test_a_large_value_is_read_until_no_unit_is_dead_where_nothing_saturates(activation: Any, calls: int) -> None:
    sizes: list[int] = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        sizes.append(x.numel())
        return activation(x)

    found = passing(counted, torch.randn(64, 4, 4096), 1, reach(activation), steps=False)
    assert found is not None
    assert float(found[0]) == 0
    assert len(sizes) == calls


def test_a_unit_that_lives_in_the_last_sample_alone_is_alive() -> None:
    value = -torch.rand(64, 4, 4096)
    value[0, 0], value[-1, 1] = 1, 1
    found = passing(nn.functional.relu, value, 1, reach("relu"), steps=False)
    assert found is not None
    assert float(found[0]) == 0.5
