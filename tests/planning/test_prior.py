"""Output biases from class frequencies: what the network says that has seen no input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import initium
from initium.planning import Plan
from initium.records import Constant, Values
from initium.schemes import sigmoid_prior, softmax_prior

X = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
COUNTS = [900, 90, 10]


class Net(nn.Module):
    """Two layers, and what follows the head."""

    def __init__(self, units=3, ending=None):
        super().__init__()
        self.first, self.head, self.ending = nn.Linear(4, 5), nn.Linear(5, units), ending
        self.double()

    def forward(self, x):
        y = self.head(self.first(x).relu())
        return self.ending(y) if self.ending else y


def started(units, frequencies, ending=None):
    """A network after its prior, its head's weight zero, so that the bias alone speaks; and the head's row."""
    net = Net(units, ending)
    plan = initium.plan(net, X, overrides={"head.weight": 0.0}, prior={"head.bias": frequencies})
    Plan.from_json(plan.to_json()).apply(net)
    return net, plan["head.bias"]


@pytest.mark.parametrize(
    "frequencies",
    [COUNTS, [0.9, 0.09, 0.01], np.array(COUNTS), torch.tensor(COUNTS), torch.tensor([0.9, 0.09, 0.01]), tuple(COUNTS)],
    ids=str,
)
def test_a_softmax_head_begins_at_the_frequencies(frequencies):
    net, row = started(3, frequencies)
    # Shares given in float32 are themselves rounded to 2^-24; log and softmax then round in float64.
    assert torch.allclose(net(X).softmax(-1)[0], torch.tensor([0.9, 0.09, 0.01], dtype=torch.float64), rtol=2.0**-22)
    assert row.law == "log of class frequencies"
    assert "softmax (" in row.reason


def test_the_loss_of_a_softmax_head_begins_at_the_entropy_of_the_classes():
    net, _ = started(3, COUNTS)
    shares = torch.tensor(COUNTS).double() / 1000
    target = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
    loss = F.cross_entropy(net(X[:1]).expand(1000, 3), target).item()
    assert loss == pytest.approx(-(shares * shares.log()).sum().item(), rel=1e-12)
    assert loss < 0.4 * math.log(3)


@pytest.mark.parametrize("p", [0.01, 0.5, 0.999])
def test_a_sigmoid_head_begins_at_p(p):
    net, row = started(3, p)
    assert torch.allclose(net(X).sigmoid(), torch.tensor(p, dtype=torch.float64), rtol=1e-13)
    assert row.reason == "prior of a sigmoid (one p): Lin et al. 2017 section 4.1"
    assert isinstance(row.fill, Constant)


def test_several_sigmoids_begin_at_a_p_each():
    net, row = started(3, [0.2, 0.01, 0.6])
    assert torch.allclose(net(X).sigmoid()[0], torch.tensor([0.2, 0.01, 0.6], dtype=torch.float64), rtol=1e-13)
    assert "a p for each unit" in row.reason


@pytest.mark.parametrize("ending", [torch.sigmoid, F.logsigmoid])
def test_what_follows_the_head_decides_for_a_sigmoid(ending):
    _, row = started(2, [0.3, 0.7], ending)
    assert row.fill == sigmoid_prior([0.3, 0.7])
    assert "sigmoid follows" in row.reason


@pytest.mark.parametrize("ending", [lambda y: y.softmax(-1), lambda y: y.log_softmax(-1)])
def test_what_follows_the_head_decides_for_a_softmax(ending):
    _, row = started(3, [0.3, 0.5, 0.9], ending)
    assert row.fill == softmax_prior([0.3, 0.5, 0.9])
    assert "softmax follows" in row.reason


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_a_loss_inside_the_model_does_not_hide_the_head(loss):
    _, row = started(3, COUNTS, lambda y: loss(y.log_softmax(-1), torch.zeros(6, dtype=torch.long)))
    assert row.fill == softmax_prior(COUNTS)


def test_without_a_batch_the_numbers_decide():
    assert initium.plan(Net(), prior={"head.bias": COUNTS})["head.bias"].fill == softmax_prior(COUNTS)


def test_who_says_which_is_believed():
    assert started(2, sigmoid_prior([0.3, 0.7]))[1].fill == sigmoid_prior([0.3, 0.7])
    assert started(2, softmax_prior([0.3, 0.3]))[1].fill == Values((math.log(0.5), math.log(0.5)))


def test_a_prior_is_an_override_too():
    plan = initium.plan(Net(), X, overrides={"head.bias": softmax_prior(COUNTS)})
    assert plan["head.bias"].fill == softmax_prior(COUNTS)


def test_a_prior_wins_over_an_override_and_touches_nothing_else():
    plain = initium.plan(Net(), X, overrides={"*.bias": 0.5})
    made = initium.plan(Net(), X, overrides={"*.bias": 0.5}, prior={"head.bias": COUNTS})
    assert {change.name for change in made.diff(plain)} == {"head.bias"}


def test_a_dense_detectors_head_takes_one_p_for_all_its_places():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 18, 3))
    initium.initialize(net, torch.ones(1, 3, 9, 9), prior={"2.bias": 0.01})
    assert torch.allclose(net[2].bias.sigmoid(), torch.tensor(0.01), rtol=1e-5)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=20))
def test_the_softmax_of_a_prior_is_the_shares(frequencies):
    shares = torch.tensor(softmax_prior(frequencies).values, dtype=torch.float64).exp()
    wanted = torch.tensor(frequencies, dtype=torch.float64) / math.fsum(frequencies)
    # The logarithm of a share of 1e-13 and more is at most 30 and rounded once: 30 * 2^-53 in the exponent, and a few more.
    assert torch.allclose(shares, wanted, rtol=64 * 2.0**-52, atol=0)


@pytest.mark.parametrize(
    ("frequencies", "error", "said"),
    [
        ([900, 0, 10], initium.ArgumentError, r"class 1 has frequency 0.*smooth it"),
        ([900, -1, 10], initium.ArgumentError, r"class 1 has frequency -1"),
        ([900, math.nan, 10], initium.ArgumentError, "class 1 has frequency nan"),
        ([900, math.inf, 10], initium.ArgumentError, "class 1 has frequency inf"),
        ([900, 100], initium.PlanError, "3 elements, and 2 values"),
        ([[900, 90, 10]], initium.ArgumentTypeError, "one axis"),
        ({"cat": 1}, initium.ArgumentTypeError, "plain numbers"),
        ("900", initium.ArgumentTypeError, "plain numbers"),
        (None, initium.ArgumentTypeError, "numbers"),
        ([True, 2, 3], initium.ArgumentTypeError, "bool"),
        ([], initium.ArgumentError, "empty"),
        (0.0, initium.ArgumentError, "p is 0.0.*never reaches"),
        (1.0, initium.ArgumentError, "p is 1.0.*never reaches"),
        (1.5, initium.ArgumentError, "p is 1.5.*between 0 and 1"),
        (math.nan, initium.ArgumentError, "p is nan"),
        ([0.2, 0.0, 0.3], initium.ArgumentError, r"unit 1 has p = 0.0"),
        ([0.33, 0.33, 0.33], initium.ArgumentError, r"sum to 0.99: .*softmax_prior.*sigmoid_prior"),
        (torch.ones(3, device="meta"), initium.ArgumentTypeError, "numbers"),
    ],
    ids=str,
)
def test_what_is_no_prior_is_refused_by_name_and_nothing_is_written(frequencies, error, said):
    net = Net()
    before = net.head.bias.detach().clone()
    with pytest.raises(error, match=rf"prior of `head\.bias`: .*{said}"):
        initium.initialize(net, X, prior={"head.bias": frequencies})
    assert torch.equal(net.head.bias, before)


def test_one_p_for_a_softmax_is_refused():
    with pytest.raises(initium.ArgumentError, match="each of its 3 classes"):
        started(3, 0.3, lambda y: y.softmax(-1))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("head.weight", "no bias but a weight of shape"),
        ("haed.bias", r"no parameter of Net\. Biases nearby: `head\.bias`"),
        ("head", r"no parameter of Net\. Biases nearby: `head\.bias`"),
        ("first.bias", "relu follows it, so it is no output's bias"),
    ],
)
def test_a_name_that_is_no_outputs_bias_is_refused_with_the_cure(name, said):
    with pytest.raises(initium.PlanError, match=said):
        initium.plan(Net(), X, prior={name: COUNTS})


def test_what_is_no_dict_is_refused():
    with pytest.raises(initium.ArgumentTypeError, match="a dict from a bias to frequencies"):
        initium.plan(Net(), X, prior=COUNTS)
