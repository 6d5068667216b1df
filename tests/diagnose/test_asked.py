"""Losses that are asked, samples that are mixed, data that says nothing: the faulty program is found, its twin is not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import Calls
from initium.records import Finding

CODES = {
    "input-scale",
    "target-range",
    "double-softmax",
    "softmax-axis",
    "batch-axis",
    "target-scale",
    "missing-softmax",
    "broadcast-target",
    "unused-parameter",
    "degenerate-batchnorm",
    "dead-units",
    "vanishing-gradient",
    "vanishing-signal",
    "large-bias",
    "exploding-signal",
}


pytestmark = pytest.mark.usefixtures("drawn_alike")


def found(model: nn.Module, given: object, target: object, loss: Callable[..., Tensor]) -> list[Finding]:
    arguments = given if isinstance(given, tuple) else (given,)
    report = initium.diagnose(model, initium.Batch(arguments, target=target), loss)
    return [each for each in report.at_least("warning") if each.code in CODES]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.severity, each.code) for each in findings]


def mlp(*end: nn.Module, units: int = 10) -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, units), *end)


def rows(count: int = 64) -> Tensor:
    return torch.randn(count, 20)


# ---- what a loss takes ----


def divergence(output: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(output, target, reduction="batchmean")


def weighted(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(output, target, weight=torch.linspace(0.5, 2, 10))


def shares(count: int = 64) -> Tensor:
    return torch.randn(count, 10).softmax(-1)


@pytest.mark.parametrize(
    ("end", "severity"), [((), "error"), ((nn.Softmax(-1),), "warning"), ((nn.LogSoftmax(-1),), None)]
)
@pytest.mark.parametrize("loss", [divergence, weighted])
def test_a_likelihood_of_another_form_wants_log_probabilities(end, severity, loss) -> None:
    target = shares() if loss is divergence else torch.arange(64) % 10
    assert told(found(mlp(*end), rows(), target, loss)) == ([(severity, "missing-softmax")] if severity else [])


@pytest.mark.parametrize("logs", [True, False])
def test_an_alignment_wants_log_probabilities(logs: bool) -> None:  # noqa: FBT001 - both kinds
    def loss(output: Tensor, target: Tensor) -> Tensor:
        sizes = torch.full((8,), 30), torch.full((8,), 6)
        return F.ctc_loss(output.transpose(0, 1), target, *sizes)

    model = mlp(*([nn.LogSoftmax(-1)] if logs else []))
    expected = [] if logs else [("error", "missing-softmax")]
    assert told(found(model, torch.randn(8, 30, 20), torch.randint(1, 10, (8, 6)), loss)) == expected


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: F.cross_entropy(output, target, label_smoothing=0.1),
        F.multi_margin_loss,
        lambda output, target: (output.sum(1) - target.float()).abs().mean(),
        lambda output, target: -output.log_softmax(-1).gather(1, target[:, None]).mean(),
    ],
    ids=["smoothed", "margins", "distances", "written out"],
)
def test_a_loss_of_scores_takes_scores(loss: Callable[..., Tensor]) -> None:
    assert found(mlp(), rows(), torch.arange(64) % 10, loss) == []


def test_a_critic_whose_loss_has_no_bottom_is_no_likelihood() -> None:
    sign = torch.where(torch.arange(64) % 2 == 0, 1.0, -1.0)[:, None]
    assert found(mlp(units=1), rows(), sign, lambda output, target: (output * target).mean()) == []


def test_a_reward_that_hears_no_label_is_no_likelihood_of_it() -> None:
    labels = torch.arange(64) % 10
    assert found(mlp(), rows(), labels, lambda output, target: -output.mean() + 0 * target.float().mean()) == []
    told_apart = found(mlp(), rows(), labels, lambda output, target: -output.gather(1, target[:, None]).mean())
    assert ("error", "missing-softmax") in told(told_apart)


def test_a_distance_that_is_a_line_and_zero_of_the_target_is_no_likelihood() -> None:
    class Turns(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(units=9)

        def forward(self, x: Tensor) -> Tensor:
            skew = self.body(x).view(-1, 3, 3)
            return torch.linalg.matrix_exp(skew - skew.mT)

    still = torch.eye(3).expand(64, 3, 3)
    findings = found(Turns(), rows(), still, lambda output, target: (3 - (output * target).sum((1, 2))).mean())
    assert "missing-softmax" not in {each.code for each in findings}


def test_a_cross_entropy_of_one_unit_is_zero_whatever_it_answers() -> None:
    target = (torch.arange(64)[:, None] % 2).float()
    assert told(found(mlp(units=1), rows(), target, F.cross_entropy))[0] == ("error", "double-softmax")
    assert found(mlp(units=1), rows(), target, F.binary_cross_entropy_with_logits) == []
    assert "double-softmax" not in {each.code for each in found(mlp(units=1), rows(), target + 1e6, F.mse_loss)}


def test_a_softmax_has_one_class_a_sample() -> None:
    several = (torch.rand(64, 10) < 0.4).float()
    several[0, :2] = 1
    single = F.one_hot(torch.arange(64) % 10, 10).float()
    (finding,) = found(mlp(nn.Softmax(-1)), rows(), several, F.binary_cross_entropy)
    assert (finding.severity, finding.code) == ("warning", "target-range")
    assert "sigmoid" in finding.cure
    assert found(mlp(nn.Softmax(-1)), rows(), single, F.binary_cross_entropy) == []
    assert found(mlp(nn.Sigmoid()), rows(), several, F.binary_cross_entropy) == []


@pytest.mark.parametrize("loss", [F.mse_loss, F.smooth_l1_loss, lambda mine, theirs: (mine - theirs).pow(2).mean()])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_what_a_loss_picks_may_broadcast_inside_of_it(loss: Callable[..., Tensor]) -> None:
    action, gain = torch.arange(64)[:, None] % 10, torch.randn(64)
    assert told(found(mlp(), rows(), gain, lambda q, r: loss(q.gather(1, action), r))) == [
        ("error", "broadcast-target")
    ]
    assert found(mlp(), rows(), gain, lambda q, r: loss(q.gather(1, action).squeeze(1), r)) == []


def test_pairs_that_are_meant_do_not_broadcast_by_mistake() -> None:
    def ranks(output: Tensor, target: Tensor) -> Tensor:
        mine, theirs = output.squeeze(1), target
        return F.softplus(-(mine[:, None] - mine) * (theirs[:, None] - theirs).sign()).mean()

    assert found(mlp(units=1), rows(), torch.randn(64), ranks) == []


def distilled(output: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(F.log_softmax(output / 3, -1), F.softmax(target / 3, -1), reduction="batchmean")


def without_logarithm(output: Tensor, target: Tensor) -> Tensor:
    return F.kl_div(F.softmax(output / 3, -1), F.softmax(target / 3, -1), reduction="batchmean")


def test_what_a_loss_makes_of_scores_itself_is_looked_at() -> None:
    teacher = torch.randn(64, 10)
    assert found(mlp(), rows(), teacher, distilled) == []
    assert told(found(mlp(), rows(), teacher, without_logarithm)) == [("warning", "missing-softmax")]


def test_a_small_number_before_the_logarithm_is_no_fault() -> None:
    labels = torch.arange(64) % 10
    assert found(mlp(nn.Softmax(-1)), rows(), labels, lambda o, t: F.nll_loss((o + 1e-5).log(), t)) == []
    logs = Calls(lambda m, x: (m.body(x).softmax(-1) + 1e-5).log(), body=mlp())
    assert found(logs, rows(), labels, F.nll_loss) == []


def test_one_of_several_outputs_is_looked_at() -> None:
    model = Calls(lambda m, x: (m.body(x).softmax(-1), x), body=mlp())
    labels = torch.arange(64) % 10
    assert told(found(model, rows(), labels, lambda o, t: F.cross_entropy(o[0], t))) == [("warning", "double-softmax")]
    assert found(model, rows(), labels, lambda o, t: F.nll_loss(o[0].log(), t)) == []


def test_one_distribution_for_all_samples_may_be_a_target() -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(output.log_softmax(-1).mean(0, keepdim=True), target, reduction="sum")

    assert found(mlp(), rows(), torch.rand(10).softmax(0), loss) == []


def test_a_divergence_of_places_is_none_of_classes() -> None:
    model = Calls(
        lambda m, x: m.body(x).view(64, 4, 5, 5).flatten(2).log_softmax(-1).view(64, 4, 5, 5), body=mlp(units=100)
    )
    heat = torch.rand(64, 4, 25).softmax(-1).view(64, 4, 5, 5)
    assert found(model, rows(), heat, divergence) == []


def test_the_scale_of_a_target_is_told_beside_what_a_loss_picks() -> None:
    action, gain = torch.arange(64)[:, None] % 10, torch.randn(64, 1)

    def loss(values: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(values.gather(1, action), target)

    assert told(found(mlp(), rows(), 2000 + 300 * gain, loss)) == [("warning", "target-scale")]
    assert found(mlp(), rows(), gain, loss) == []
    named = Calls(lambda m, x: {"price": m.body(x)}, body=mlp(units=1))
    findings = found(named, rows(), 2000 + 300 * gain, lambda output, target: F.mse_loss(output["price"], target))
    assert told(findings) == [("warning", "target-scale")]


# ---- samples that mix ----


class Last(nn.Module):
    """The last state of a recurrent layer, read as if samples came first."""

    def __init__(self, kind: type[nn.RNNBase], first: bool) -> None:  # noqa: FBT001 - both kinds
        super().__init__()
        self.steps, self.head = kind(20, 32, batch_first=first), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.steps(x)[0][:, -1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_layer_over_the_samples_is_found(kind: type[nn.RNNBase]) -> None:
    given, labels = torch.randn(16, 6, 20), torch.arange(16) % 10
    findings = found(Last(kind, first=False), given, labels, F.cross_entropy)
    assert told(findings) == [("error", "batch-axis")]
    assert "batch_first=True" in findings[0].cure
    assert found(Last(kind, first=True), given, labels, F.cross_entropy) == []


def test_steps_that_come_first_and_one_long_sequence_are_no_samples() -> None:
    model = Calls(lambda m, x: m.head(m.steps(x)[0]), steps=nn.GRU(20, 32), head=nn.Linear(32, 10))
    assert found(model, rows(16), torch.arange(16) % 10, F.cross_entropy) == []
    last = Calls(lambda m, x: m.head(m.steps(x)[0][-1]), steps=nn.GRU(20, 32), head=nn.Linear(32, 10))
    assert found(last, torch.randn(6, 16, 20), torch.arange(16) % 10, F.cross_entropy) == []


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("weights", [True, False])
def test_attention_over_the_samples_is_found(first: bool, weights: bool) -> None:  # noqa: FBT001 - both kinds
    attention = nn.MultiheadAttention(32, 4, batch_first=first)
    model = Calls(
        lambda m, x: m.head(m.attention(*[m.body(x)] * 3, need_weights=weights)[0].mean(1)),
        body=nn.Linear(20, 32),
        attention=attention,
        head=nn.Linear(32, 10),
    )
    findings = found(model, torch.randn(16, 6, 20), torch.arange(16) % 10, F.cross_entropy)
    assert told(findings) == ([] if first else [("error", "batch-axis")])
    if not first:
        assert "batch_first=True" in findings[0].cure


def test_attention_among_the_members_of_one_set_is_meant() -> None:
    model = Calls(
        lambda m, x: m.head(m.attention(*[m.body(x)] * 3)[0]),
        body=nn.Linear(20, 32),
        attention=nn.MultiheadAttention(32, 4),
        head=nn.Linear(32, 10),
    )
    assert found(model, rows(16), torch.arange(16) % 10, F.cross_entropy) == []


def test_positions_that_come_first_are_no_samples() -> None:
    model = Calls(
        lambda m, x: m.head(m.attention(*[m.body(x)] * 3)[0].mean(0)),
        body=nn.Linear(20, 32),
        attention=nn.MultiheadAttention(32, 4),
        head=nn.Linear(32, 10),
    )
    assert found(model, torch.randn(6, 16, 20), torch.arange(16) % 10, F.cross_entropy) == []


@pytest.mark.parametrize("parts", [6, 2])
def test_a_batch_norm_on_one_sample_is_found_where_it_is_trained(parts: int) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4))
    model(torch.randn(parts, 3, 6, 6))
    target = torch.arange(parts) % 4
    assert told(found(model, torch.randn(parts, 3, 6, 6), target, F.cross_entropy)) == []
    one = initium.Batch((torch.randn(1, 3, 6, 6),), target=target[:1])
    assert [each.code for each in initium.diagnose(model, one, F.cross_entropy).at_least("warning")] == [
        "degenerate-batchnorm"
    ]
    assert initium.diagnose(model, one.args).at_least("warning") == ()


def test_a_norm_of_one_value_on_the_only_way_is_the_cause_of_what_it_does() -> None:
    model = nn.Sequential(mlp(), nn.ReLU(), nn.Unflatten(1, (10, 1)), nn.LayerNorm(1), nn.Flatten(), nn.Linear(10, 10))
    report = initium.diagnose(model, initium.Batch((rows(),), target=torch.arange(64) % 10), F.cross_entropy)
    assert (report.findings[0].severity, report.findings[0].code) == ("error", "degenerate-batchnorm")


# ---- data that says nothing ----


def test_the_same_input_everywhere_cannot_have_several_answers() -> None:
    labels = torch.arange(64) % 10
    assert told(found(mlp(), torch.zeros(64, 20), labels, F.cross_entropy)) == [
        ("warning", "input-scale"),
        ("warning", "vanishing-signal"),
    ]
    again = rows(1).expand(64, 20).clone()
    assert told(found(mlp(), again, labels, F.cross_entropy)) == [("warning", "vanishing-signal")]
    assert found(mlp(), again, torch.zeros(64, dtype=torch.long), F.cross_entropy) == []


# ---- what learns nothing ----


def test_an_answer_of_one_dead_unit_is_found() -> None:
    model = mlp(nn.ReLU(), units=1)
    nn.init.constant_(model[4].bias, -5.0)
    target = torch.rand(64, 1)
    assert told(found(model, rows(), target, F.mse_loss))[0] == ("error", "dead-units")
    nn.init.constant_(model[4].bias, 0.5)
    assert found(model, rows(), target, F.mse_loss) == []


@pytest.mark.parametrize("straight", [True, False])
def test_an_encoder_before_a_codebook_needs_a_way_back(straight: bool) -> None:  # noqa: FBT001 - both kinds
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = mlp(units=8), nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 20))
            self.codes = nn.Parameter(torch.randn(32, 8) / 4)

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            z = self.encoder(x)
            q = self.codes[torch.cdist(z, self.codes).argmin(1)]
            return self.decoder(z + (q - z).detach() if straight else q), z, q

    given = rows()

    def loss(output: tuple[Tensor, ...], target: Tensor) -> Tensor:
        return F.mse_loss(output[0], target) + (F.mse_loss(output[2], output[1].detach()) if straight else 0)

    findings = found(Quantised(), given, given, loss)
    assert told([each for each in findings if each.code == "unused-parameter"]) == (
        [] if straight else [("warning", "unused-parameter")]
    )


def test_softmaxes_in_the_place_of_activations_are_found() -> None:
    parts = [part for _ in range(3) for part in (nn.Linear(64, 64), nn.Softmax(-1))]
    labels = torch.arange(64) % 10
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), *parts, nn.Linear(64, 10))
    findings = found(model, rows(), labels, F.cross_entropy)
    assert told(findings)[0] == ("error", "vanishing-gradient")
    assert "softmax" in findings[0].message
    soft = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), *parts[:2], nn.Linear(64, 10))
    assert told(found(soft, rows(), labels, F.cross_entropy)) == [("warning", "vanishing-gradient")]
    assert found(soft, rows(), torch.randn(64, 10), F.mse_loss) == []  # one is a choice


def test_a_table_that_drowns_the_signal_is_no_growth_of_it() -> None:
    class Placed(nn.Module):
        def __init__(self, std: float) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(50, 64), mlp()
            self.up = nn.Linear(64, 20)
            nn.init.normal_(self.table.weight, std=std)
            self.register_buffer("places", torch.randn(12, 64))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.up(self.table(x) + self.places).mean(1))

    given, labels = torch.randint(0, 50, (64, 12)), torch.arange(64) % 10
    report = initium.diagnose(Placed(1e-5), initium.Batch((given,), target=labels), F.cross_entropy)
    assert report.findings[0].code == "large-bias"
    assert {each.part_of for each in report.findings if each.code == "exploding-signal"} <= {"large-bias"}
    assert found(Placed(1.0), given, labels, F.cross_entropy) == []
