"""Weights that are used both ways round."""

import math
import statistics

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.calibrate._first_way import first_way
from initium.network import Batch, read


class Derived(nn.Module):
    """A field whose residual is made of its own derivatives, as in a physics-informed network."""

    def __init__(self):
        super().__init__()
        layers = [part for _ in range(2) for part in (nn.Linear(32, 32), nn.Tanh())]
        self.field = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), *layers, nn.Linear(32, 1))

    def forward(self, x):
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.field(x).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope[:, 0].sum(), x, create_graph=True)
        return slope[:, 1:] - bend[:, :1]


class Folded(nn.Module):
    """An autoencoder whose decoder is the transpose of its encoder."""

    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Parameter(torch.randn(32, 64) / 8), nn.Parameter(torch.randn(8, 32) / 5)

    def forward(self, x):
        code = F.linear(torch.sigmoid(F.linear(x, self.wide)), self.narrow)
        return F.linear(torch.sigmoid(F.linear(code, self.narrow.T)), self.wide.T)


def rates(net, x):
    net.zero_grad()
    net(x).square().mean().backward()
    return [
        math.log10(p.grad.norm() / p.detach().norm()) for p in net.parameters() if p.dim() > 1 and p.grad is not None
    ]


def test_the_first_layer_of_a_network_that_is_derived_is_no_output():
    torch.manual_seed(0)
    net, x = Derived(), torch.rand(64, 2)
    initium.initialize(net, x, "auto", seed=0)
    first, *hidden, _ = rates(net, x)
    # As an output, for what leaves the derivative, it had a hundredth of its size, and learned a million times faster.
    assert abs(first - statistics.mean(hidden)) < 1
    assert initium.measure(net, x).rows[0].out_rms > 0.25


@pytest.mark.xfail(strict=True, reason="outputs stay at 0.25 now: 0.50 decades apart where its own start has 0.46")
def test_a_network_that_is_derived_learns_more_evenly_than_from_its_own_start():
    torch.manual_seed(0)
    net, x = Derived(), torch.rand(64, 2)
    before = statistics.pstdev(rates(net, x))
    initium.initialize(net, x, "auto", seed=0)
    assert statistics.pstdev(rates(net, x)) < before


@pytest.mark.parametrize("build", [Derived, Folded])
def test_uses_of_the_transpose_say_nothing_of_a_weight_s_size(build):
    network = read(build(), Batch((torch.rand(16, 2 if build is Derived else 64),)))
    first = first_way(network)
    assert len(first.uses) < len(network.uses)
    begins = {use.name: use.layout for use in reversed(network.uses)}
    assert all(begins[use.name] == use.layout for use in first.uses)
    answering = {facts.name for facts in network.parameters if facts.head}
    assert answering
    assert not {facts.name for facts in first.parameters if facts.head} & answering


def test_a_network_that_uses_each_weight_one_way_is_left_as_it_is():
    network = read(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), Batch((torch.rand(3, 4),)))
    assert first_way(network) is network
