"""What is seen beside the weights, against the same figures by the book."""

import json
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium


@pytest.fixture(autouse=True)
def seed():
    """What a test draws for itself is the same whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_an_input_is_measured_where_the_weight_reads_it() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 4)

        def forward(self, picture: Tensor) -> Tensor:
            return self.layer(picture / 255)

    given = torch.rand(32, 6) * 255
    (row,) = initium.measure(Scaled(), {"picture": given}).inputs
    assert (row.name, row.weight) == ("kwargs['picture']", "layer.weight")
    arrives = given / 255
    assert row.mean == pytest.approx(arrives.mean().item(), rel=1e-5)
    assert row.std == pytest.approx(arrives.std(correction=0).item(), rel=1e-5)
    assert row.largest == pytest.approx(arrives.max().item(), rel=1e-6)
    features = arrives.square().mean(0).sqrt()
    assert row.spread == pytest.approx((features.max() / features.median()).item(), rel=1e-5)


def test_the_cosine_between_samples_is_the_mean_over_pairs() -> None:
    layer, given = nn.Linear(8, 40), torch.randn(16, 8)
    (row,) = initium.measure(layer, given).rows
    unit = F.normalize(layer(given).detach().double(), dim=1)
    pairs = unit @ unit.T
    assert row.alike == pytest.approx((pairs.sum() - 16).item() / (16 * 15), abs=1e-6)


def test_samples_that_are_nearly_the_same_are_still_told_apart() -> None:
    layer = nn.Linear(8, 40).double()
    given = torch.randn(1, 8).double() + 1e-6 * torch.randn(16, 8).double()
    unit = F.normalize(layer(given).detach(), dim=1)
    apart = torch.pdist(unit).square().mean().item() / 2  # 1 - cosine
    (row,) = initium.measure(layer, given).rows
    assert 1 - row.alike == pytest.approx(apart, rel=1e-3)


def test_where_there_is_no_axis_of_samples_nothing_is_said_of_them() -> None:
    model = nn.Sequential(nn.Flatten(0, 1), nn.Linear(8, 4))
    assert math.isnan(initium.measure(model, torch.randn(6, 5, 8)).rows[0].alike)
    assert math.isnan(initium.measure(nn.Linear(8, 4), torch.randn(1, 8)).rows[0].alike)


NORMS = {
    "batch_norm": (nn.BatchNorm2d(4), 8 * 36, lambda x: x.var((0, 2, 3), correction=0)),
    "group_norm": (nn.GroupNorm(2, 4), 2 * 36, lambda x: x.view(8, 2, -1).var(2, correction=0)),
    "instance_norm": (nn.InstanceNorm2d(4), 36, lambda x: x.var((2, 3), correction=0)),
    "layer_norm": (nn.LayerNorm((6, 6)), 36, lambda x: x.var((2, 3), correction=0)),
    "rms_norm": (nn.RMSNorm((6, 6)), 36, lambda x: x.square().mean((2, 3))),
}


@pytest.mark.parametrize("op", NORMS)
def test_a_norm_is_described_by_what_it_divides_by(op: str) -> None:
    norm, values, second = NORMS[op]
    convolution = nn.Conv2d(4, 4, 1)
    given = torch.randn(8, 4, 6, 6)
    model = nn.Sequential(convolution, norm)
    (row,) = initium.measure(model, given).norms
    assert (row.op, row.values, row.constant, row.untrained) == (op, values, 0.0, False)
    assert row.std == pytest.approx(second(convolution(given).detach()).mean().sqrt().item(), rel=1e-5)
    assert row.name.startswith("1." if any(True for _ in norm.parameters()) else op)


def test_stored_statistics_are_untrained_until_something_was_learned() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5))
    given = torch.randn(32, 6)
    assert [row.untrained for row in initium.measure(model.eval(), given).norms] == [True]
    model.train()(given)
    assert [(row.untrained, row.values) for row in initium.measure(model.eval(), given).norms] == [(False, 0)]


class Attention(nn.Module):
    """One attention in one of the ways in which it is written; ``seen`` keeps its weights."""

    def __init__(self, way: str, mask: Tensor | None = None) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.way, self.mask = way, mask

    def scores(self, x: Tensor) -> Tensor:
        q, k, _ = (layer(x).unflatten(-1, (2, 8)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        scores = q @ k.transpose(-1, -2) / math.sqrt(8)
        return scores if self.mask is None else scores.masked_fill(~self.mask, -math.inf)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (2, 8)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        if self.way == "written":
            return self.scores(x).softmax(-1) @ v
        return F.scaled_dot_product_attention(q, k, v, self.mask, is_causal=self.way == "causal")


@pytest.mark.parametrize("way", ["written", "fused", "causal"])
def test_an_attention_is_described_by_its_entropy(way: str) -> None:
    causal = torch.ones(12, 12).tril().bool()
    model = Attention(way, causal if way == "written" else None)
    given = torch.randn(2, 12, 16)  # so few that every query is taken
    (row,) = initium.measure(model, given).attentions
    model.mask = causal if way != "fused" else None
    with torch.no_grad():
        chances = model.scores(given).softmax(-1)
    asked = chances if way == "fused" else chances[..., 1:, :]  # the first query of a causal attention sees one key
    assert row.entropy == pytest.approx(torch.special.entr(asked).sum(-1).mean().item(), rel=1e-4)
    assert row.peak == pytest.approx(asked.amax(-1).mean().item(), rel=1e-4)
    assert row.visible == pytest.approx(12 if way == "fused" else sum(range(2, 13)) / 11)
    assert (row.queries, row.keys) == (("q.weight",), ("k.weight",))
    assert math.isnan(row.scale) if way == "written" else row.scale == pytest.approx(1.0)


def test_keys_that_heads_share_are_repeated() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.kv = nn.Linear(16, 32), nn.Linear(16, 16)

        def forward(self, x: Tensor) -> Tensor:
            q = self.q(x).unflatten(-1, (4, 8)).transpose(1, 2)
            k, v = self.kv(x).unflatten(-1, (2, 8)).split(1, -2)
            return F.scaled_dot_product_attention(q, k.transpose(1, 2), v.transpose(1, 2), enable_gqa=True)

    (row,) = initium.measure(Grouped(), torch.randn(2, 12, 16)).attentions
    assert 0 < row.entropy < math.log(12)


def test_a_prediction_says_nothing_of_them_and_both_are_plain() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    predicted = initium.predict(model, torch.randn(16, 8))
    assert (predicted.inputs, predicted.norms, predicted.attentions) == ((), (), ())
    assert all(math.isnan(row.alike) for row in predicted.rows)
    report = initium.diagnose(model, torch.randn(16, 8)).to_dict()
    assert json.loads(json.dumps(report, allow_nan=False))["signal"]["inputs"][0]["weight"] == "0.weight"
    assert report["signal"]["rows"][0]["dtype"] == "float32"
