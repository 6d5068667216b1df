"""Weights that enter by another way than the operations that multiply by them."""

import pytest
import torch
from torch import Tensor, nn

from initium.calibrate import lsuv


class Quantised(nn.Module):
    """A codebook whose rows are looked up by their distances."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.codes, self.decode = nn.Linear(16, 8), nn.Embedding(20, 8), nn.Linear(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encode(x)
        return self.decode(self.codes(torch.cdist(z, self.codes.weight).argmin(-1)))


class Derived(nn.Module):
    """A network and its own derivative, which begins with a weight alone."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.clone().requires_grad_()
        with torch.enable_grad():
            y = self.net(x)
            return y, torch.autograd.grad(y.sum(), x, create_graph=True)[0]


@pytest.mark.parametrize(("build", "width"), [(Quantised, 16), (Derived, 2)])
def test_a_weight_that_enters_by_another_way_too_is_at_its_target(build: type[nn.Module], width: int) -> None:
    torch.manual_seed(0)
    receipt = lsuv(build(), torch.randn(64, width), seed=0)
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows)


def test_the_factors_of_all_corrections_are_what_the_start_was_multiplied_by() -> None:
    torch.manual_seed(0)
    model = Derived()
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    receipt = lsuv(model, torch.randn(64, 2), pre=None)
    for row in receipt.rows:
        assert row.factor is not None
        assert torch.allclose(model.get_parameter(row.name), row.factor * start[row.name], rtol=1e-5)
