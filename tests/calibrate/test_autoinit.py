"""AutoInit: unit outputs throughout, by what arrives."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.errors import PlanError


class Odd(nn.Module):
    """Sums, products, a table and a layer that is used again."""

    def __init__(self):
        super().__init__()
        self.table, self.enter = nn.Embedding(50, 64), nn.Linear(64, 256)
        self.gate, self.again, self.head = nn.Linear(64, 256), nn.Linear(256, 256), nn.Linear(256, 10)

    def forward(self, words):
        x = 3 * self.table(words).mean(1)
        x = F.softplus(self.enter(x)) * self.gate(x).sigmoid()
        for _ in range(3):
            x = x + F.silu(self.again(x))
        return self.head(x)


def test_every_output_has_unit_second_moment():
    torch.manual_seed(0)
    net, words = Odd(), torch.randint(50, (64, 8))
    initium.initialize(net, words, "autoinit", seed=0)
    rows = initium.measure(net, words).rows
    once = [row for row in rows if row.name not in {"table.weight", "again.weight"}]
    assert [row.out_rms for row in once] == pytest.approx([1] * 3, rel=1e-3)
    again = [row.out_rms for row in rows if row.name == "again.weight"]
    assert math.sqrt(sum(rms**2 for rms in again) / 3) == pytest.approx(1, rel=0.1)  # x itself moves with the factor


def test_the_std_is_that_of_the_formula():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(400, 400), nn.Softplus(), nn.Linear(400, 400)), torch.randn(256, 400)
    initium.initialize(net, x, "autoinit", seed=0)
    second = float(F.softplus(net[0](x)).detach().square().mean())
    # The std of 160,000 normal values wanders by 1 / sqrt(320,000), and a draw's own output's rms by as much again.
    assert float(net[2].weight.detach().std()) == pytest.approx((400 * second) ** -0.5, rel=6 / math.sqrt(160_000))


def test_it_is_planned_on_meta_and_audited():
    with torch.device("meta"):
        net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))
    plan = initium.plan(net, torch.empty(16, 32, device="meta"), "autoinit")
    assert {row.name: row.law for row in plan.rows}["2.bias"] == "zeros"
    real, x = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(16, 32)
    initium.initialize(real, x, "autoinit", seed=3)
    assert not initium.audit(real, "autoinit", x, seed=3).findings


def test_without_a_batch_it_is_refused():
    with pytest.raises(PlanError, match="takes a batch"):
        initium.plan(nn.Linear(4, 4), None, "autoinit")
