"""Within-layer normalisation, and rates of change that are even between layers."""

import math

import pytest
import torch
from torch import nn

from initium.calibrate import within_layer
from initium.errors import ArgumentError
from initium.signal import measure, rounding


def chain():
    layers = [
        nn.Linear(12, 60),
        nn.ReLU(),
        nn.Linear(60, 9),
        nn.LeakyReLU(0.2),
        nn.Linear(9, 90),
        nn.ReLU(),
        nn.Linear(90, 4),
    ]
    return nn.Sequential(*layers), torch.randn(128, 12)


def convolutions():
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 20, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20 * 16, 5),
    )
    return net, torch.randn(32, 1, 14, 14)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.a, self.b = nn.Linear(12, 30), nn.Linear(30, 50), nn.Linear(50, 30)
        self.skip, self.head = nn.Linear(30, 30, bias=False), nn.Linear(60, 4)

    def forward(self, x):
        h = self.enter(x).relu()
        h = h + self.b(self.a(h).relu())
        return self.head(torch.cat([h, self.skip(h)], -1))


def residual():
    return Residual(), torch.randn(128, 12)


def batch_normed():
    layers = [nn.Linear(12, 40), nn.BatchNorm1d(40, eps=1e-30), nn.ReLU(), nn.Linear(40, 40, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm1d(40, eps=1e-30), nn.ReLU(), nn.Linear(40, 4)), torch.randn(64, 12)


CASES = {"chain": chain, "convolutions": convolutions, "residual": residual, "batch norm": batch_normed}


def made(case):
    torch.manual_seed(0)
    net, x = CASES[case]()
    return net.double(), x.double()


def spread(net, x):
    """The largest rate over the smallest, by another walk: that of `measure`, with the same random linear function."""
    rates = [
        row.weight_grad_norm / (row.weight_rms * math.sqrt(net.get_parameter(row.name).numel()))
        for row in measure(net, x).rows
    ]
    return max(rates) / min(rates)


@pytest.mark.parametrize("case", ["chain", "convolutions", "batch norm"])
def test_the_layers_of_a_chain_change_at_one_rate(case):
    net, x = made(case)
    within_layer(net, x, balance=False, seed=0)
    before = spread(net, x)
    receipt = within_layer(net, x, pre=None)
    # The gradient and the norms are sums in float32 of what `measure` reads, of a few hundred thousand terms at most.
    assert spread(net, x) == pytest.approx(1, abs=rounding(torch.float64, 1e6) + 64 * torch.finfo(torch.float32).eps)
    assert before > 1.2
    assert receipt.notes[0].endswith("after 1")


def test_rates_that_sums_tie_together_are_nearer_to_each_other():
    net, x = made("residual")
    within_layer(net, x, balance=False, seed=0)
    before = spread(net, x)
    within_layer(net, x, pre=None)
    assert spread(net, x) < before


@pytest.mark.parametrize("case", CASES)
def test_evening_out_rates_leaves_what_the_network_computes(case):
    found = []
    for balance in (False, True):
        net, x = made(case)
        within_layer(net, x, balance=balance, seed=0)
        with torch.no_grad():
            found.append(net(x))
    # Four to seven operations, each exact up to its rounding on values of a few units.
    assert (found[0] - found[1]).abs().max() < 7 * rounding(torch.float64, 400) * float(found[0].abs().max())


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_every_channel_has_the_mean_and_unit_std(mean):
    net, x = made("chain")
    within_layer(net, x, mean=mean, balance=False, seed=0)
    values = x
    for layer in net:
        values = layer(values).detach()
        if isinstance(layer, nn.Linear):
            slack = rounding(torch.float64, 90) * 10
            assert (values.mean(0) - mean).abs().max() < slack
            assert (values.std(0, correction=0) - 1).abs().max() < slack


def test_in_front_of_what_has_no_scale_of_its_own_the_scale_stays():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 60), nn.ReLU(), nn.Linear(60, 30), nn.Tanh(), nn.Linear(30, 4)).double()
    rows = within_layer(net, torch.randn(128, 12, dtype=torch.float64), seed=0).rows
    assert rows[0].after != pytest.approx(1, abs=1e-3)
    assert [row.after for row in rows[1:]] == pytest.approx([1, 1], abs=1e-9)


def test_a_value_that_is_multiplied_by_itself_has_no_scale_to_move():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(12, 30), nn.Linear(30, 4)

        def forward(self, x):
            h = self.a(x)
            return self.b(h * h)

    torch.manual_seed(0)
    rows = within_layer(Squared().double(), torch.randn(128, 12, dtype=torch.float64), seed=0).rows
    assert [row.after for row in rows] == pytest.approx([1, 1], abs=1e-9)


def test_frozen_layers_stay_and_the_rest_is_evened_out_around_them():
    net, x = made("chain")
    net[2].requires_grad_(requires_grad=False)
    before = [p.detach().clone() for p in net[2].parameters()]
    rows = within_layer(net, x, seed=0).rows
    assert all(torch.equal(one, two) for one, two in zip(net[2].parameters(), before, strict=True))
    assert "frozen" in rows[1].note
    assert all("another value" not in row.note for row in rows)


def test_a_mean_that_is_not_finite_is_refused():
    net, x = made("chain")
    with pytest.raises(ArgumentError, match="mean"):
        within_layer(net, x, mean=float("inf"))
