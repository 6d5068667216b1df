"""The output's bias from labels: the one at which no constant would be better."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from initium.calibrate import output_prior
from initium.errors import ArgumentError, BatchError, PlanError, UnknownNameError
from initium.network import Batch


class Net(nn.Module):
    def __init__(self, units, ending=None, **kwargs):
        super().__init__()
        self.body, self.head, self.ending = nn.Linear(4, 6), nn.Linear(6, units, **kwargs), ending

    def forward(self, x):
        y = self.head(self.body(x).relu())
        return self.ending(y) if self.ending else y


def made(units, ending=None, **kwargs):
    torch.manual_seed(0)
    return Net(units, ending, **kwargs).double(), torch.randn(60, 4, dtype=torch.float64)


def classes():
    return torch.tensor([0] * 45 + [1] * 12 + [2] * 3)


def slope(bias, loss):
    """How the loss over all labels changes with a constant output: zero where no constant is better."""
    output = bias.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(output.expand(60, -1)), output)
    return found


def test_a_softmax_begins_where_no_constant_is_better():
    net, x = made(3)
    receipt = output_prior(net, Batch((x,), target=classes()), smooth=0)
    # A mean of 60 terms of size one, each exact up to a few roundings.
    bound = 60 * torch.finfo(torch.float64).eps
    assert slope(net.head.bias, lambda out: F.cross_entropy(out, classes())).abs().max() < bound
    assert torch.allclose(net.head.bias.softmax(-1), torch.tensor([45, 12, 3]).double() / 60, rtol=1e-14)
    assert receipt.rows[0].note == "log of class frequencies, from 60 labels"


def test_sigmoids_begin_where_no_constant_is_better():
    target = torch.zeros(60, 3, dtype=torch.float64)
    target[:6, 0] = target[:30, 1] = target[:59, 2] = 1
    net, x = made(3)
    output_prior(net, Batch((x,), target=target), smooth=0)
    bound = 60 * torch.finfo(torch.float64).eps
    assert slope(net.head.bias, lambda out: F.binary_cross_entropy_with_logits(out, target)).abs().max() < bound


def test_values_begin_at_their_means():
    net, x = made(3)
    target = 5 + 2 * torch.randn(60, 3, dtype=torch.float64)
    output_prior(net, Batch((x,), target=target))
    assert (
        slope(net.head.bias, lambda out: F.mse_loss(out, target)).abs().max() < 60 * 7 * torch.finfo(torch.float64).eps
    )


def test_only_the_bias_changes():
    net, x = made(3)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    (row,) = output_prior(net, Batch((x,), target=classes())).rows
    changed = [name for name, p in net.named_parameters() if not torch.equal(p, before[name])]
    assert changed == [row.name] == ["head.bias"]


def test_counts_are_smoothed_by_one_so_that_a_class_that_never_came_has_a_chance():
    net, x = made(4)
    output_prior(net, Batch((x,), target=classes()))
    assert torch.allclose(net.head.bias.softmax(-1), torch.tensor([46, 13, 4, 1]).double() / 64, rtol=1e-14)
    with pytest.raises(ArgumentError, match="class 3 has frequency 0"):
        output_prior(net, Batch((x,), target=classes()), smooth=0)


def test_all_batches_of_a_loader_count_and_no_random_state_moves():
    net, x = made(3)
    order = torch.randperm(60)
    state = torch.get_rng_state()
    receipt = output_prior(net, DataLoader(TensorDataset(x, classes()[order]), batch_size=16, shuffle=True), smooth=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert receipt.rows[0].note.endswith("from 60 labels")
    assert torch.allclose(net.head.bias.softmax(-1), torch.tensor([45, 12, 3]).double() / 60, rtol=1e-14)


def test_labels_below_zero_are_not_counted_and_said():
    net, x = made(3)
    labels = classes()
    labels[:5] = -100
    receipt = output_prior(net, Batch((x,), target=labels), smooth=0)
    assert torch.allclose(net.head.bias.softmax(-1), torch.tensor([40, 12, 3]).double() / 55, rtol=1e-14)
    assert "5 labels below zero" in receipt.notes[0]


def test_positions_of_a_sequence_and_of_an_image_are_labels():
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (5, 7, 7))
    pixels = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    output_prior(pixels, Batch((torch.randn(5, 2, 7, 7),), target=labels), smooth=0)
    shares = labels.flatten().bincount().float() / labels.numel()
    assert torch.allclose(pixels[2].bias.softmax(-1), shares, rtol=8 * torch.finfo(torch.float32).eps)
    masks = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    target = torch.stack([labels == 0, labels == 1], 1).float()
    output_prior(masks, Batch((torch.randn(5, 2, 7, 7),), target=target), smooth=0)
    assert torch.allclose(masks[2].bias.sigmoid(), shares[:2], rtol=8 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize(
    ("ending", "target", "action"),
    [
        (nn.Softmax(-1), classes(), "softmax"),
        (nn.Sigmoid(), (torch.arange(180) % 7 == 0).reshape(60, 3).double(), "sigmoid"),
        (None, (torch.arange(180) % 7 == 0).reshape(60, 3), "sigmoid"),
        (None, (torch.arange(180.0) % 7).reshape(60, 3).double(), "mean"),
    ],
    ids=["softmax follows", "sigmoid follows", "truth values", "other values"],
)
def test_what_follows_or_else_the_labels_decide_the_formula(ending, target, action):
    net, x = made(3, ending)
    assert f"kind={action} " in output_prior(net, Batch((x,), target=target)).action


def test_shares_of_classes_are_taken_for_a_softmax_that_is_asked_for():
    net, x = made(3)
    target = torch.rand(60, 3, dtype=torch.float64).softmax(-1)
    output_prior(net, Batch((x,), target=target), kind="softmax", smooth=0)
    bound = 60 * torch.finfo(torch.float64).eps
    assert slope(net.head.bias, lambda out: F.cross_entropy(out, target)).abs().max() < bound


def test_labels_among_the_arguments_are_found():
    class Own(Net):
        def forward(self, x, labels):
            y = super().forward(x)
            return {"loss": F.cross_entropy(y, labels), "logits": y}

    torch.manual_seed(0)
    net = Own(3).double()
    x = torch.randn(60, 4, dtype=torch.float64)
    receipt = output_prior(net, {"x": x, "labels": classes()}, smooth=0)
    assert receipt.action == "output_prior kind=softmax smooth=0"


def test_of_several_outputs_one_is_named():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 1)

        def forward(self, x):
            return self.a(x), self.b(x)

    net, batch = Two(), Batch((torch.randn(60, 4),), target=classes())
    with pytest.raises(PlanError, match=r"several outputs.*'a.bias', 'b.bias'"):
        output_prior(net, batch)
    assert output_prior(net, batch, bias="a.bias").rows[0].name == "a.bias"


@pytest.mark.parametrize(
    ("build", "target", "error", "text"),
    [
        (lambda: made(3, bias=False), classes(), PlanError, r"no output of Net has a bias.*`head.weight`"),
        (lambda: made(2), classes(), BatchError, "largest class among the labels is 2"),
        (lambda: made(3), None, BatchError, "got NoneType"),
        (lambda: made(3), torch.randn(60), BatchError, "no value for each of the 3 units"),
        (lambda: made(3), torch.full((60,), -100), BatchError, "60 stand for no class"),
    ],
    ids=["no bias", "too few units", "no target", "wrong shape", "all ignored"],
)
def test_labels_that_are_none_of_this_output_teach(build, target, error, text):
    net, x = build()
    with pytest.raises(error, match=text):
        output_prior(net, Batch((x,), target=target))


def test_other_wrong_arguments_are_refused():
    net, x = made(3)
    batch = Batch((x,), target=classes())
    with pytest.raises(UnknownNameError, match="'softmax', 'sigmoid', 'mean'"):
        output_prior(net, batch, kind="poisson")
    with pytest.raises(ArgumentError, match="smooth"):
        output_prior(net, batch, smooth=-1)
    with pytest.raises(PlanError, match="is no bias that an operation"):
        output_prior(net, batch, bias="head.weight")
    with pytest.raises(BatchError, match="shares from 0 to 1"):
        output_prior(net, Batch((x,), target=3 * torch.ones(60, 3)), kind="sigmoid")
    net.head.bias.requires_grad_(requires_grad=False)
    with pytest.raises(PlanError, match="frozen"):
        output_prior(net, batch)
