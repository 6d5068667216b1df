"""Programs rebuilt from public questions and issues: what is wrong with one is found, and its correct twin has nothing of it."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import Calls, classes, coins, found, mlp, rows, severities

pytestmark = pytest.mark.usefixtures("drawn_alike")


SAMPLES, STEPS, WIDTH = 16, 9, 32


# ---- softmaxes that go over what they should not ----


def attending(axis: int) -> nn.Module:
    """Scores flattened to (samples * queries, keys), of keys that are the values too."""

    def call(own: Calls, queries: Tensor, context: Tensor) -> Tensor:
        scores = torch.bmm(own.make(queries), context.mT)
        shares = scores.view(-1, scores.shape[-1]).softmax(axis).view(scores.shape)
        return own.head(torch.bmm(shares, context).mean(1))

    return Calls(call, make=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, 4))


@pytest.mark.parametrize(("axis", "told"), [(0, ["warning"]), (1, [])])
def test_an_attention_whose_scores_are_flattened_sums_over_their_keys(axis, told) -> None:
    given = torch.randn(SAMPLES, 3, WIDTH), torch.randn(SAMPLES, STEPS, WIDTH)
    assert severities(found(attending(axis), given, classes(SAMPLES), F.cross_entropy, "softmax-axis")) == told


def routing(own: Calls, inputs: Tensor) -> Tensor:
    """Votes of input capsules for output capsules, weighed by how they agree with the first answer."""
    votes = own.make(inputs).view(len(inputs), STEPS, 4, 8).transpose(1, 2)  # samples, outputs, inputs, values
    agreed = votes @ votes.mean(2, keepdim=True).mT  # samples, outputs, inputs, 1
    return (agreed.softmax(1).mT @ votes).squeeze(2).norm(dim=-1)


def test_routing_between_capsules_goes_over_the_outputs() -> None:
    model, batch = Calls(routing, make=nn.Linear(WIDTH, WIDTH)), torch.randn(SAMPLES, STEPS, WIDTH)
    assert not found(model, batch, classes(SAMPLES), F.cross_entropy, "softmax-axis")


@pytest.mark.parametrize(("axis", "told"), [(-1, ["warning"]), (0, [])])
def test_scores_of_one_unit_that_a_view_brings_back_are_weighed_over_the_steps(axis, told) -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        states = own.steps(x.transpose(0, 1))[0]
        scores = own.score(states.reshape(-1, WIDTH)).view(STEPS, len(x), 1)
        return own.head((scores.softmax(axis) * states).sum(0))

    model = Calls(call, steps=nn.GRU(8, WIDTH), score=nn.Linear(WIDTH, 1), head=nn.Linear(WIDTH, 4))
    batch = torch.randn(SAMPLES, STEPS, 8)
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "softmax-axis")) == told


def test_one_step_is_no_unit() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        return own.head((own.score(x).view(len(x), 1).softmax(-1)[..., None] * x).sum(1))

    model = Calls(call, score=nn.Linear(WIDTH, 1), head=nn.Linear(WIDTH, 4))
    assert not found(model, torch.randn(SAMPLES, 1, WIDTH), classes(SAMPLES), F.cross_entropy, "softmax-axis")


# ---- one of several answers ----


@pytest.mark.parametrize(("end", "told"), [(nn.Sigmoid(), ["warning"]), (nn.Identity(), [])])
def test_a_sigmoid_is_found_in_one_of_several_answers(end, told) -> None:
    def call(own: Calls, x: Tensor) -> tuple[Tensor, Tensor]:
        h = own.trunk(x).relu()
        return own.scores(h), own.end(own.present(h))

    def loss(output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(output[0], target[0]) + 0.1 * F.binary_cross_entropy_with_logits(output[1], target[1])

    model = Calls(call, trunk=nn.Linear(20, WIDTH), scores=nn.Linear(WIDTH, 4), present=nn.Linear(WIDTH, 1), end=end)
    assert severities(found(model, rows(64), (classes(64), coins(64)), loss, "double-softmax")) == told


def test_a_head_of_zeros_beside_a_sigmoid_gives_no_chances() -> None:
    def call(own: Calls, x: Tensor) -> tuple[Tensor, Tensor]:
        return own.gate(x).sigmoid(), own.present(x)

    model = Calls(call, gate=nn.Linear(20, 1), present=nn.Linear(20, 1))
    nn.init.zeros_(model.present.weight)
    nn.init.zeros_(model.present.bias)

    def loss(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        return F.mse_loss(output[0], target) + F.binary_cross_entropy_with_logits(output[1], target)

    assert not found(model, rows(64), coins(64), loss, "double-softmax")


# ---- tables, attentions, dropout ----


@pytest.mark.parametrize(("std", "told"), [(0.0, ["error"]), (0.4, [])])
def test_a_frozen_table_that_was_never_filled_is_dead(std, told) -> None:
    table = nn.Embedding.from_pretrained(std * torch.randn(100, WIDTH), freeze=True)
    model = Calls(
        lambda own, x: own.head(own.hidden(own.table(x).mean(1)).relu()),
        table=table,
        hidden=nn.Linear(WIDTH, WIDTH),
        head=nn.Linear(WIDTH, 4),
    )
    batch = torch.randint(0, 100, (SAMPLES, STEPS))
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "dead-embedding")) == told


def test_a_frozen_table_may_lack_some_vectors() -> None:
    values = torch.randn(100, WIDTH)
    values[70:] = 0
    table = nn.Embedding.from_pretrained(values, freeze=True)
    model = Calls(lambda own, x: own.head(own.table(x).mean(1)), table=table, head=nn.Linear(WIDTH, 4))
    batch = torch.randint(0, 70, (SAMPLES, STEPS))
    assert not found(model, batch, classes(SAMPLES), F.cross_entropy, "dead-embedding")


def encoder(layers: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True)
    stack = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def call(own: Calls, x: Tensor) -> Tensor:
        return own.head(own.stack(WIDTH**0.5 * own.table(x)).mean(1))

    return Calls(call, table=nn.Embedding(100, WIDTH), stack=stack, head=nn.Linear(WIDTH, 4))


@pytest.mark.parametrize("layers", [1, 2])
def test_one_sharp_attention_beside_a_stream_is_no_error(layers) -> None:
    batch = torch.randint(0, 100, (SAMPLES, 12))
    assert severities(found(encoder(layers), batch, classes(SAMPLES), F.cross_entropy, "attention-collapse")) == [
        "warning"
    ]


def test_one_sharp_attention_with_no_way_around_is_an_error() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        return own.head(((own.q(x) @ own.k(x).mT).softmax(-1) @ own.v(x)).mean(1))

    model = Calls(call, head=nn.Linear(WIDTH, 4), **{name: nn.Linear(WIDTH, WIDTH) for name in "qkv"})
    batch = 10 * torch.randn(SAMPLES, 12, WIDTH)
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "attention-collapse")) == ["error"]


@pytest.mark.parametrize("behind", [nn.Identity(), nn.LogSoftmax(-1)])
def test_dropout_of_the_answer_is_found_and_before_the_last_weight_is_none(behind) -> None:
    model = mlp(nn.Dropout(0.5), behind, units=4)
    assert severities(found(model, rows(), classes(64), F.cross_entropy, "dropout")) == ["warning"]
    assert not found(model.eval(), rows(), classes(64), F.cross_entropy, "dropout")
    before = nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), nn.Dropout(0.5), nn.Linear(WIDTH, 4))
    assert not found(before, rows(), classes(64), F.cross_entropy, "dropout")


def test_dropout_of_features_that_are_no_answer_is_none() -> None:
    def nearness(output: Tensor, target: Tensor) -> Tensor:
        features = F.normalize(output, dim=-1)
        return F.cross_entropy(20 * features @ features.roll(1, 0).T, target)

    assert not found(mlp(nn.Dropout(0.1), units=16), rows(), torch.arange(64), nearness, "dropout")


def test_dropout_behind_the_closing_norm_of_a_stack_is_of_features() -> None:
    model = nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 4), nn.LayerNorm(4), nn.Dropout(0.1))
    assert not found(model, rows(), torch.randn(64, 4), F.mse_loss, "dropout")


@pytest.mark.parametrize(("share", "told"), [(0.9, ["warning"]), (0.8, []), (0.1, [])])
def test_a_share_to_keep_is_not_one_to_drop(share, told) -> None:
    model = nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), nn.Dropout(share), nn.Linear(WIDTH, 4))
    assert severities(found(model, rows(), classes(64), F.cross_entropy, "dropout")) == told


# ---- sums beside means ----


class Latents(nn.Module):
    """A variational autoencoder of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.mean, self.spread, self.back = (
            nn.Linear(20, WIDTH),
            *(nn.Linear(WIDTH, 4) for _ in "ab"),
            nn.Linear(4, 20),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.into(x).relu()
        mean, spread = self.mean(h), self.spread(h)
        return self.back(mean + torch.randn_like(mean) * (spread / 2).exp()), mean, spread


@pytest.mark.parametrize(("divided", "told"), [(False, ["warning"]), (True, [])])
def test_a_divergence_that_is_summed_beside_an_error_that_is_averaged(divided, told) -> None:
    def loss(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
        back, mean, spread = output
        divergence = -0.5 * (1 + spread - mean**2 - spread.exp()).sum()
        return F.mse_loss(back, target) + divergence / (target.numel() if divided else 1)

    inputs = rows(128)
    report = initium.diagnose(Latents(), initium.Batch((inputs,), target=inputs), loss)
    assert [each.severity for each in report.findings if each.code == "loss-sum"] == told


def test_parts_that_are_both_summed_have_their_balance() -> None:
    def loss(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
        back, mean, spread = output
        return F.mse_loss(back, target, reduction="sum") - 0.5 * (1 + spread - mean**2 - spread.exp()).sum()

    inputs = rows(128)
    assert not found(Latents(), inputs, inputs, loss, "loss-sum")
