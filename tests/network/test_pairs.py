"""An einsum of several signals and weights is read as the products that it is made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initium.network import as_batch, read


class Several(nn.Module):
    """One einsum of the input, itself again where it is asked for twice, and the weights."""

    def __init__(self, equation, *shapes, twice=False):
        super().__init__()
        self.equation, self.twice = equation, twice
        self.weights = nn.ParameterList([torch.randn(shape) for shape in shapes])

    def forward(self, x):
        return torch.einsum(self.equation, *([x] * (1 + self.twice)), *self.weights)


class Attention(nn.Module):
    """Heads and the weight of their output in one product, as papers write it."""

    def __init__(self, width=32, heads=4):
        super().__init__()
        size = width // heads
        self.q, self.k, self.v = (nn.Parameter(torch.randn(heads, width, size) / 6) for _ in range(3))
        self.out = nn.Parameter(torch.randn(heads, size, width) / 6)

    def forward(self, x):
        q, k, v = (torch.einsum("btd,hdk->bhtk", x, each) for each in (self.q, self.k, self.v))
        weights = torch.einsum("bhtk,bhsk->bhts", q, k).softmax(-1)
        return x + torch.einsum("bhts,bhsk,hkd->btd", weights, v, self.out)


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_an_attention_and_the_weight_of_its_output_in_one_product_are_told_apart():
    network = read(Attention(), as_batch(draw(2, 5, 32)))
    roles = {use.name: use.attention[0][0] for use in network.uses}
    assert roles == {"q": "q", "k": "k", "v": "v", "out": "out"}
    (out,) = (use for use in network.uses if use.name == "out")
    assert (out.fan_in, out.fan_out, out.residual.place) == (32, 32, "last")
    assert not network.facts("v").uses > 1
    assert not any(use.leaves for use in network.uses if use.name == "v")


def test_each_weight_of_a_chain_has_its_own_fans():
    network = read(Several("bi,ir,ro->bo", (32, 4), (4, 16)), as_batch(draw(8, 32)))
    assert [(use.fan_in, use.fan_out) for use in network.uses] == [(32, 4), (4, 16)]
    assert [str(use.after) for use in network.uses] == ["linear", "output"]


def test_a_bilinear_product_stays_one():
    network = read(Several("bi,bj,oij->bo", (6, 8, 8), twice=True), as_batch(draw(4, 8)))
    ((fan_in, op),) = ((use.fan_in, use.op) for use in network.uses)
    assert (fan_in, op) == (64, "einsum")


@pytest.mark.parametrize(
    ("equation", "shapes", "twice"),
    [
        ("bi,ir,ro->bo", ((8, 3), (3, 5)), False),
        ("bi,ro,ir->bo", ((3, 5), (8, 3)), False),
        ("bi,ior,rp->bop", ((8, 4, 3), (3, 2)), False),
        ("bi,ci,io->bco", ((8, 5),), True),
        ("bi,i,io->bo", ((8,), (8, 5)), False),
        ("bi,bi,bo->o", ((4, 5),), True),
        ("bi,ki,io->bo", ((1, 8), (8, 5)), False),
    ],
)
def test_the_products_give_what_the_one_gave(equation, shapes, twice):
    model, x = Several(equation, *shapes, twice=twice).double(), draw(4, 8).double()
    traced = read(model, as_batch(x)).trace
    held, buffers, batch = traced.bind(model, as_batch(x))
    torch.testing.assert_close(traced.graph(*held, *buffers, *batch)[0], model(x), rtol=1e-12, atol=1e-12)
