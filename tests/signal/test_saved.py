"""Gradients through a derivative that a forward pass takes itself."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import initium

BENDS = {
    "tanh": torch.tanh,
    "in place": lambda h: (h * 1.0).tanh_(),
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "reciprocal": lambda h: (h * h + 1).reciprocal(),
    "softmax": lambda h: h.softmax(-1),
    "a written norm": lambda h: h / h.norm(dim=-1, keepdim=True),
    "group norm": lambda h: F.group_norm(h, 4),
    "an inverse": lambda h: h @ torch.linalg.inv(torch.eye(16) + h.T @ h / 64),
    "nothing saved": F.gelu,
    "cut off": lambda h: h * h.tanh().detach(),
    "cut off twice": lambda h: h * h.tanh().detach().detach(),
    "cut off where it is saved": lambda h: h.exp() * h.exp().detach().detach(),
    "its data": lambda h: h * h.exp().data.detach(),
    "straight through": lambda h: h.tanh() + (h.sign() - h.tanh()).detach(),
}


class Slope(nn.Module):
    """What a field's slope is at a point: a force, a score, the flow of a Hamiltonian."""

    def __init__(self, bend):
        super().__init__()
        self.a, self.b, self.bend = nn.Linear(4, 16), nn.Linear(16, 1), bend

    def forward(self, x):
        x = (x * 1.0).requires_grad_()
        return torch.autograd.grad(self.b(self.bend(self.a(x))).sum(), x, create_graph=True)[0]


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS)
def test_a_slope_taken_in_the_forward_pass_has_the_gradient_that_autograd_gives_it(bend):
    torch.manual_seed(0)
    model, x = Slope(bend), torch.randn(64, 4)

    def loss(slope):
        return slope.square().mean()

    loss(model(x)).backward()
    own = {name: float(p.grad.norm()) for name, p in model.named_parameters() if p.grad is not None}
    found = {row.name: row.weight_grad_norm for row in initium.measure(model, x, loss).rows}
    assert found == pytest.approx({name: own[name] for name in found}, rel=1e-3)
