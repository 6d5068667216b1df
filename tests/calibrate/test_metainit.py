"""MetaInit: the quotient is the paper's, it never ends higher, and only norms change."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium.calibrate import metainit
from initium.calibrate._metainit import gradient_quotient
from initium.errors import ArgumentError, BatchError, LossError, TraceError
from initium.network import Batch, read


def badly_scaled(scale=3.0, depth=3, width=8):
    torch.manual_seed(0)
    layers = [nn.Linear(8, width), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [nn.Linear(width, width), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(width, 4)).double()
    for parameter in net.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(scale)
    return net, Batch((torch.randn(32, 8, dtype=torch.float64),), target=torch.arange(32) % 4)


def quotient(net, batch):
    """The referee: the quotient by the Hessian itself, a column at a time."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    loss = F.cross_entropy(net(*batch.args), batch.target)
    grads = torch.autograd.grad(loss, parameters, create_graph=True)
    flat = torch.cat([grad.flatten() for grad in grads])
    product = torch.zeros_like(flat)
    for value in flat:
        row = torch.autograd.grad(value, parameters, retain_graph=True)
        product += torch.cat([part.flatten() for part in row]) * value.detach()
    flat, product = flat.detach(), product.detach()
    away = torch.where(flat >= 0, 1e-5, -1e-5)
    return float(((flat - product) / (flat + away) - 1).abs().mean())


def test_on_a_quadratic_the_quotient_is_the_mean_curvature():
    curvature = torch.linspace(0.5, 4, 12, dtype=torch.float64)
    theta = torch.linspace(1, 2, 12, dtype=torch.float64, requires_grad=True)
    found = gradient_quotient((curvature * theta**2).sum() / 2, [theta])
    # (g - lambda g) / (g + eps) - 1 is off lambda by at most eps (1 + lambda) / g, and g is 0.5 or more.
    assert found.item() == pytest.approx(float(curvature.mean()), abs=1e-5 * 5 / 0.5)


def test_the_receipt_has_the_quotient_by_the_hessian_itself_before_and_after():
    net, batch = badly_scaled(depth=2)
    before = quotient(net, batch)
    note = metainit(net, batch, F.cross_entropy, steps=20).notes[0]
    first, last = (
        float(part.partition(" at ")[0]) for part in note.removeprefix("gradient quotient ").split(", after ")
    )
    assert first == pytest.approx(before, rel=1e-5)  # the note has six digits
    assert last == pytest.approx(quotient(net, batch), rel=1e-5)
    assert last < before


@pytest.mark.parametrize("scale", [0.3, 3.0, 10.0])
def test_a_badly_scaled_network_ends_lower(scale):
    net, batch = badly_scaled(scale)
    before = quotient(net, batch)
    metainit(net, batch, F.cross_entropy, steps=40)
    assert quotient(net, batch) < before


def test_it_never_ends_higher_however_far_a_step_leads():
    net, batch = badly_scaled(1.0)
    before = quotient(net, batch)
    metainit(net, batch, F.cross_entropy, steps=5, lr=50.0)
    assert quotient(net, batch) <= before * (1 + 1e-12)


def test_only_the_norms_of_matrices_change():
    net, batch = badly_scaled()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    receipt = metainit(net, batch, F.cross_entropy, steps=10)
    factors = {row.name: row.factor for row in receipt.rows}
    assert list(factors) == [name for name, value in before.items() if value.ndim > 1]
    for name, value in before.items():
        assert torch.equal(net.get_parameter(name), value * factors.get(name, 1.0))
    assert all(row.after == pytest.approx(row.before * row.factor, rel=1e-12) for row in receipt.rows)


def test_a_step_moves_every_norm_by_lr_against_its_slope():
    net, batch = badly_scaled()
    before = {name: p.norm().item() for name, p in net.named_parameters() if p.ndim > 1}
    receipt = metainit(net, batch, F.cross_entropy, steps=1, lr=0.05)
    assert "at step 1 of 1" in receipt.notes[0]
    moves = [abs(row.after - before[row.name]) for row in receipt.rows]
    assert moves == pytest.approx([0.05] * len(moves), rel=1e-9)


class Attending(nn.Module):
    """What has no second derivative in its fused form: attention, an LSTM, a hard sigmoid."""

    def __init__(self):
        super().__init__()
        self.qkv, self.cells, self.head = nn.Linear(8, 24), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        h = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(F.hardsigmoid(self.cells(h)[0]).mean(1))


def test_fused_layers_are_differentiated_twice():
    torch.manual_seed(0)
    net, batch = Attending(), Batch((torch.randn(6, 5, 8),), target=torch.arange(6) % 4)
    receipt = metainit(net, batch, F.cross_entropy, steps=3)
    assert [row.name for row in receipt.rows] == [
        "qkv.weight",
        "cells.weight_ih_l0",
        "cells.weight_hh_l0",
        "head.weight",
    ]


def test_a_model_that_cannot_be_traced_is_started_all_the_same():
    class Threaded(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 24), nn.Linear(24, 4)

        def forward(self, x):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(lambda: self.b(self.a(x).relu())).result()

    torch.manual_seed(0)
    net, batch = Threaded(), Batch((torch.randn(6, 8),), target=torch.arange(6) % 4)
    with pytest.raises(TraceError):
        read(net, batch)
    receipt = metainit(net, batch, F.cross_entropy, steps=2)
    assert len(receipt.rows) == 2


def test_an_operation_without_a_second_derivative_is_named():
    class Distances(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.centres = nn.Linear(8, 8), nn.Parameter(torch.randn(4, 8))

        def forward(self, x):
            return -torch.cdist(self.a(x), self.centres, p=1)

    with pytest.raises(LossError, match="_cdist_backward"):
        metainit(Distances(), Batch((torch.randn(6, 8),), target=torch.arange(6) % 4), F.cross_entropy, steps=2)


def test_numbers_out_of_range_and_nothing_to_train_are_refused():
    net, batch = badly_scaled()
    for wrong in ({"steps": 0}, {"lr": 0.0}, {"lr": -1}, {"momentum": 1.0}, {"momentum": -0.1}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            metainit(net, batch, F.cross_entropy, **wrong)
    with pytest.raises(LossError, match="all frozen"):
        metainit(net.requires_grad_(requires_grad=False), batch, F.cross_entropy)


def test_a_loss_that_is_not_finite_is_refused():
    net, batch = badly_scaled()
    with pytest.raises(BatchError, match="the loss is inf"):
        metainit(net, batch, lambda output, _: output.sum() + torch.inf, steps=2)
