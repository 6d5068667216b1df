"""GradInit: the loss after the first step of training falls, within the bound on the gradient."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from initium.calibrate import gradinit
from initium.errors import ArgumentError, ArgumentTypeError, BatchError, LossError, UnknownNameError
from initium.network import Batch

OPTIMISERS = {"sgd": (torch.optim.SGD, 0.1, 2.0), "adam": (torch.optim.Adam, 0.01, 1.0)}


def badly_scaled(scale=4.0):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4))
    for parameter in net.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(scale)
    return net


def data():
    torch.manual_seed(1)
    x = torch.randn(64, 8)
    return x, (x @ torch.randn(8, 4)).argmax(-1)


def first_step(net, batch, optimizer):
    """The referee: torch's own optimiser on a copy; the gradient's norm, and the loss after one step."""
    kind, lr, order = OPTIMISERS[optimizer]
    copy = badly_scaled()
    copy.load_state_dict(net.state_dict())
    F.cross_entropy(copy(*batch.args), batch.target).backward()
    norm = torch.cat([p.grad.flatten() for p in copy.parameters()]).norm(order)
    kind(copy.parameters(), lr=lr).step()
    return float(norm), F.cross_entropy(copy(*batch.args), batch.target).item()


@pytest.mark.parametrize("optimizer", OPTIMISERS)
def test_the_loss_after_one_step_of_the_real_optimiser_falls(optimizer):
    net, (x, y) = badly_scaled(), data()
    batch = Batch((x,), target=y)
    norm, loss = first_step(net, batch, optimizer)
    receipt = gradinit(net, batch, F.cross_entropy, optimizer=optimizer, lr=OPTIMISERS[optimizer][1], steps=150)
    after, lower = first_step(net, batch, optimizer)
    assert lower < loss
    assert after < norm
    told = [float(part) for part in receipt.notes[0].removeprefix("loss after one step ").split(", after ")]
    # Adam's own step is g / (|g| + 1e-8), not sign(g): of gradients near 1e-3 apart by 1e-5 of the step.
    assert told == pytest.approx([loss, lower], rel=1e-4)


def test_the_bound_on_the_gradient_is_kept():
    net, (x, y) = badly_scaled(), data()
    batch = Batch((x,), target=y)
    gradinit(net, batch, F.cross_entropy, gamma=0.5, steps=200)
    norm, _ = first_step(net, batch, "sgd")
    # Factors move by about 0.01 a step, so the norm is around the bound by some of these steps.
    assert norm < 0.5 * (1 + 10 * 0.01 * 6)


def test_each_parameter_is_multiplied_by_its_factor_and_none_falls_below_the_least():
    net, (x, y) = badly_scaled(), data()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    receipt = gradinit(net, Batch((x,), target=y), F.cross_entropy, steps=120, least=0.4)
    assert [row.name for row in receipt.rows] == list(before)
    for row in receipt.rows:
        assert torch.equal(net.get_parameter(row.name), before[row.name] * row.factor)
        assert row.factor >= 0.4 * (1 - torch.finfo(torch.float32).eps)


def test_it_never_ends_higher_than_it_began():
    net, (x, y) = badly_scaled(1.0), data()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    receipt = gradinit(net, Batch((x,), target=y), F.cross_entropy, steps=2, rate=30.0, least=1.0)
    first, last = (float(part) for part in receipt.notes[0].removeprefix("loss after one step ").split(", after "))
    assert last <= first
    assert "every factor is 1" in receipt.notes[2]
    assert all(torch.equal(net.get_parameter(name), value) for name, value in before.items())


def test_a_step_that_overflows_is_mended():
    torch.manual_seed(0)
    net = nn.Sequential(*(layer for _ in range(5) for layer in (nn.Linear(8, 8), nn.ReLU())), nn.Linear(8, 4))
    for parameter in net.parameters():
        parameter.data.mul_(60 if parameter.ndim > 1 else 1)
    x, y = data()
    receipt = gradinit(net, Batch((x,), target=y), F.cross_entropy, lr=1e20, steps=3)
    assert receipt.notes[0].startswith("loss after one step inf")


def test_loaders_are_begun_anew_and_lists_and_pairs_are_batches():
    x, y = data()
    loader = DataLoader(TensorDataset(x, y), batch_size=32)
    found = []
    for batches in (loader, [[x[:32], y[:32]], Batch((x[32:],), target=y[32:])]):
        net = badly_scaled()
        state = torch.get_rng_state()
        gradinit(net, batches, F.cross_entropy, steps=5)
        assert torch.equal(torch.get_rng_state(), state)
        found.append([p.detach().clone() for p in net.parameters()])
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_batches_that_end_too_soon_or_are_none_are_refused():
    x, y = data()
    batch = Batch((x,), target=y)
    for wrong, error, text in (
        (iter([batch, batch, batch]), BatchError, "before the steps did"),
        ([], BatchError, "the batches are none"),
        (7, ArgumentTypeError, "got int"),
        ([[x, y, y]], ArgumentTypeError, "got one of 3"),
    ):
        net = badly_scaled()
        before = [p.detach().clone() for p in net.parameters()]
        with pytest.raises(error, match=text):
            gradinit(net, wrong, F.cross_entropy, steps=4)
        assert all(torch.equal(one, two) for one, two in zip(net.parameters(), before, strict=True))


def test_dropout_draws_the_same_masks_in_every_step():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.5), nn.Linear(64, 4))
    x, y = data()
    masks = []
    net[1].register_forward_hook(lambda _, __, output: masks.append(output.detach() == 0))
    gradinit(net, Batch((x,), target=y), F.cross_entropy, steps=3)
    assert len(masks) > 6
    assert all(torch.equal(mask, masks[0]) for mask in masks)


def test_zero_and_frozen_parameters_are_told():
    net, (x, y) = badly_scaled(), data()
    net[0].requires_grad_(requires_grad=False)
    nn.init.zeros_(net[2].bias)
    receipt = gradinit(net, Batch((x,), target=y), F.cross_entropy, steps=2)
    assert [row.name for row in receipt.rows] == ["2.weight", "4.weight", "4.bias"]
    told = "; ".join(receipt.notes)
    assert "frozen: `0.weight`, `0.bias`" in told
    assert "zero throughout: no factor changes it: `2.bias`" in told


def test_numbers_out_of_range_unknown_names_and_nothing_to_train_are_refused():
    net, (x, y) = badly_scaled(), data()
    batch = Batch((x,), target=y)
    for wrong in ({"steps": 0}, {"lr": 0.0}, {"gamma": -1}, {"rate": math.inf}, {"least": 2.0}, {"least": 0}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            gradinit(net, batch, F.cross_entropy, **wrong)
    with pytest.raises(UnknownNameError, match="'sgd', 'adam'"):
        gradinit(net, batch, F.cross_entropy, optimizer="lion")
    with pytest.raises(LossError, match="all frozen"):
        gradinit(net.requires_grad_(requires_grad=False), batch, F.cross_entropy)
