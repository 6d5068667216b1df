"""Programs as people ask about them, each with the one that is right: what a list that nobody had seen before showed."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import WIDTH, Calls, classes, found, mlp, rows, severities

pytestmark = pytest.mark.usefixtures("drawn_alike")


def first(model: nn.Module, given: Tensor, target: object, loss=F.cross_entropy) -> tuple[str, str]:
    """The gravest finding."""
    report = initium.diagnose(model, initium.Batch((given,), target=target), loss)
    return (report.findings[0].severity, report.findings[0].code) if report.findings else ("", "")


# ---- zeros that meet ----


def attention(*zero: str) -> nn.Module:
    def call(own: Calls, x: Tensor) -> Tensor:
        shares = (own.q(x) @ own.k(x).mT / WIDTH**0.5).softmax(-1)
        return own.head((x + shares @ own.v(x)).mean(1))

    model = Calls(call, head=nn.Linear(WIDTH, 4), **{name: nn.Linear(WIDTH, WIDTH, bias=False) for name in "qkv"})
    for name in zero:
        nn.init.zeros_(model.get_submodule(name).weight)
    return model


@pytest.mark.parametrize(("zero", "told"), [("qk", ["warning"]), ("q", []), ("v", []), ("", [])])
def test_queries_and_keys_that_are_both_zero_never_learn(zero: str, told: list[str]) -> None:
    batch = torch.randn(64, 5, WIDTH)
    findings = found(attention(*zero), batch, classes(), F.cross_entropy, "vanishing-gradient")
    assert severities(findings) == told
    assert all(each.layers == ("q.weight", "k.weight") for each in findings)


def test_a_head_of_zeros_holds_up_the_queries_for_one_step_alone() -> None:
    batch = torch.randn(64, 5, WIDTH)
    assert not found(attention("q", "k", "head"), batch, classes(), F.cross_entropy, "vanishing-gradient")


# ---- units that are one ----


def recurrent(fill: float | None) -> nn.Module:
    model = Calls(
        lambda own, x: own.head(own.steps(x)[0].mean(1)), steps=nn.LSTM(1, 24, batch_first=True), head=nn.Linear(24, 4)
    )
    for name, parameter in model.steps.named_parameters() if fill is not None else ():
        nn.init.constant_(parameter, fill if "weight" in name else 0.0)
    return model


@pytest.mark.parametrize(("fill", "told"), [(0.1, ["warning"]), (None, [])])
def test_the_units_of_a_recurrent_layer_of_one_value_are_one(fill: float | None, told: list[str]) -> None:
    batch = torch.randn(64, 20, 1)
    assert severities(found(recurrent(fill), batch, classes(), F.cross_entropy, "symmetry")) == told


@pytest.mark.parametrize(("copies", "told"), [(True, ["warning"]), (False, [])])
def test_heads_that_are_one_layer_in_several_places_give_one_answer(copies, told) -> None:
    layers = [nn.Linear(WIDTH, 1)] * 5 if copies else [nn.Linear(WIDTH, 1) for _ in range(5)]

    def call(own: Calls, x: Tensor) -> Tensor:
        read = own.body(x)
        return torch.cat([head(read) for head in own.heads], 1)

    model = Calls(
        call,
        body=nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU()),
        heads=nn.ModuleList(layers),
    )
    assert severities(found(model, rows(), torch.randn(64, 5), F.mse_loss, "shared-weight")) == told


# ---- what a norm hides ----


def normed(*fills) -> nn.Module:
    parts = [part for _ in fills for part in (nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU())]
    model = nn.Sequential(*parts, nn.Linear(64, 4))
    for layer, fill in zip(parts[::3], fills, strict=True):
        fill(layer.weight)
    return model


def std(value: float):
    return lambda weight: nn.init.normal_(weight, std=value)


@pytest.mark.parametrize(
    ("fills", "told"),
    [
        ((std(5.0), std(0.001), std(0.15)), ["warning"]),
        ((std(0.15), std(1.2), std(1.2)), ["warning"]),
        ((std(0.15),) * 4 + (std(1.2),) * 2, []),
        ((lambda weight: nn.init.uniform_(weight, 0, 1),) * 2, ["warning"]),
        ((std(0.001), std(0.15), std(0.15)), []),
        ((std(0.02),) * 3, []),
        ((nn.init.kaiming_normal_, nn.init.xavier_uniform_), []),
    ],
)
def test_two_weights_far_off_and_weights_of_one_sign_are_haphazard(fills, told) -> None:
    assert severities(found(normed(*fills), rows(64, 64), classes(), F.cross_entropy, "haphazard-under-norm")) == told


# ---- scores that are too large ----


@pytest.mark.parametrize("widths", [(64, 100, 10), (64, 128, 128, 64, 10)])
def test_weights_of_std_1_are_the_cause_of_a_loss_that_begins_high(widths: tuple[int, ...]) -> None:
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    model = nn.Sequential(*[part for layer in layers for part in (layer, nn.ReLU())][:-1])
    for layer in layers:
        nn.init.normal_(layer.weight)
    assert first(model, rows(64, 64), classes(64, 10)) == ("error", "gain-mismatch")
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight)
    assert not found(model, rows(64, 64), classes(64, 10), F.cross_entropy, "gain-mismatch")


class Contrast(nn.Module):
    """Pairs of embeddings; its forward pass gives the loss, alone or beside what it is made of."""

    def __init__(self, *, normalised: bool, beside: bool = False) -> None:
        super().__init__()
        self.one, self.other, self.normalised, self.beside = mlp(units=64), mlp(units=64), normalised, beside
        for layer in (*self.one[::2], *self.other[::2]):
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        a, b = self.one(x), self.other(x)
        if self.normalised:
            a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        scores = a @ b.T / 0.07
        loss = F.cross_entropy(scores, torch.arange(len(x)))
        return (scores, loss) if self.beside else loss


@pytest.mark.parametrize("beside", [True, False])
def test_a_loss_that_a_model_computes_itself_is_held_against_guessing(beside: bool) -> None:  # noqa: FBT001 - both forms
    report = initium.diagnose(Contrast(normalised=False, beside=beside), rows())
    assert [(each.severity, each.code) for each in report.findings] == [("error", "output-prior")]
    assert report.signal.loss > 10 * math.log(64)
    assert initium.diagnose(Contrast(normalised=True, beside=beside), rows()).healthy


def test_a_penalty_beside_an_answer_is_no_loss() -> None:
    model = Calls(
        lambda own, x: (own.line(x), own.gate(x).square().mean()), line=nn.Linear(20, 4), gate=nn.Linear(20, 4)
    )
    report = initium.diagnose(model, rows())
    assert report.signal.loss is None
    assert all(row.weight_grad_norm > 0 for row in report.signal.rows)


# ---- answers and their frequencies ----


@pytest.mark.parametrize(("share", "told"), [(0.03, ["warning"]), (0.4, [])])
def test_labels_that_are_rare_each_by_itself_want_a_prior(share: float, told: list[str]) -> None:
    given = rows(128)
    scores = given @ torch.randn(20, 30)
    labels = (scores > scores.quantile(1 - share, dim=0)).float()
    model = mlp(units=30)
    assert severities(found(model, given, labels, nn.BCEWithLogitsLoss(), "output-prior")) == told
    with torch.no_grad():
        model[-1].bias.copy_(labels.mean(0).logit())
    assert not found(model, given, labels, nn.BCEWithLogitsLoss(), "output-prior")


@pytest.mark.parametrize(("samples", "told"), [(128, ["warning"]), (32, [])])
def test_a_loss_is_a_sum_from_a_hundred_terms_on(samples: int, told: list[str]) -> None:
    target = torch.randn(samples, 1)
    assert severities(found(mlp(), rows(samples), target, nn.MSELoss(reduction="sum"), "loss-sum")) == told
    assert not found(mlp(), rows(samples), target, nn.MSELoss(), "loss-sum")


def test_a_sum_over_words_has_a_term_for_each() -> None:
    model = Calls(lambda own, x: own.head(own.words(x)), words=nn.Embedding(50, WIDTH), head=nn.Linear(WIDTH, 50))
    words, following = torch.randint(50, (2, 16, 12))

    def loss(scores: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(scores.flatten(0, 1), target.flatten(), reduction="sum")

    assert severities(found(model, words, following, loss, "loss-sum")) == ["warning"]


def test_a_likelihood_of_infinity_is_not_taken_for_a_wrong_loss() -> None:
    def by_hand(own: Calls, x: Tensor) -> Tensor:
        shares = own.body(x).exp()
        return shares / shares.sum(1, keepdim=True)

    def likelihood(shares: Tensor, target: Tensor) -> Tensor:
        return -shares[torch.arange(len(target)), target].log().mean()

    model = Calls(by_hand, body=mlp(units=4))
    assert first(model, 300 * rows(), classes(), likelihood) == ("error", "nonfinite")
    assert not found(model, 300 * rows(), classes(), likelihood, "missing-softmax")
    assert not found(model, rows(), classes(), likelihood, "nonfinite")


# ---- biases ----


def test_the_bias_of_the_only_hidden_layer_is_the_cause_of_an_answer_that_never_changes() -> None:
    model = nn.Sequential(nn.Linear(10, 40), nn.Tanh(), nn.Linear(40, 1))
    target = torch.randn(64, 1)
    nn.init.constant_(model[0].bias, 10.0)
    assert first(model, rows(64, 10), target, F.mse_loss) == ("error", "large-bias")
    nn.init.constant_(model[0].bias, 0.1)
    assert not found(model, rows(64, 10), target, F.mse_loss, "large-bias")


def test_biases_of_twice_the_signal_are_more_than_an_info() -> None:
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    for layer in model[::2]:
        nn.init.xavier_normal_(layer.weight, gain=0.5)
        nn.init.normal_(layer.bias)
    assert severities(found(model, rows(), classes(), F.cross_entropy, "nonzero-bias")) == ["warning"]
    for layer in model[::2]:
        layer.reset_parameters()
    assert not found(model, rows(), classes(), F.cross_entropy, "nonzero-bias")


# ---- what is left out ----


@pytest.mark.parametrize(("parts", "told"), [((), ["warning"]), ((nn.GELU(),), [])])
def test_the_activation_of_a_branch_that_widens_is_missed(parts, told) -> None:
    branch = nn.Sequential(nn.Linear(WIDTH, 3 * WIDTH), *parts, nn.Linear(3 * WIDTH, WIDTH))
    model = Calls(
        lambda own, x: own.head((own.line(x).relu() + own.branch(own.line(x).relu())).tanh()),
        line=nn.Linear(20, WIDTH),
        branch=branch,
        head=nn.Linear(WIDTH, 4),
    )
    assert severities(found(model, rows(), classes(), F.cross_entropy, "missing-activation")) == told


def test_a_low_rank_update_needs_no_activation() -> None:
    model = Calls(
        lambda own, x: own.head((own.line(x).relu() + own.up(own.down(own.line(x).relu()))).tanh()),
        line=nn.Linear(20, WIDTH),
        down=nn.Linear(WIDTH, 4),
        up=nn.Linear(4, WIDTH),
        head=nn.Linear(WIDTH, 4),
    )
    assert not found(model, rows(), classes(), F.cross_entropy, "missing-activation")


def test_a_layer_whose_answer_is_dropped_is_more_than_an_info_where_a_loss_asks() -> None:
    model = Calls(
        lambda own, x: (own.first(x), own.second(x).relu())[1] @ torch.ones(8, 4) / 8,
        first=nn.Linear(20, 8),
        second=nn.Linear(20, 8),
    )
    assert severities(found(model, rows(), classes(), F.cross_entropy, "unused-parameter")) == ["warning"]
    assert [each.severity for each in initium.diagnose(model, rows()).findings if each.code == "unused-parameter"] == [
        "info"
    ]


def test_a_vector_that_serves_another_mode_is_an_info() -> None:
    model = Calls(lambda own, x: own.line(x), line=mlp(units=4), mask_token=nn.Parameter(torch.zeros(1, 1, 20)))
    assert not found(model, rows(), classes(), F.cross_entropy, "unused-parameter")


def test_a_table_that_was_drawn_and_frozen_is_told_from_one_that_was_trained() -> None:
    words = torch.randint(100, (64, 8))
    model = Calls(
        lambda own, x: own.head(own.words(x).mean(1)), words=nn.Embedding(100, WIDTH), head=nn.Linear(WIDTH, 4)
    )
    model.words.requires_grad_(requires_grad=False)
    assert severities(found(model, words, classes(), F.cross_entropy, "frozen-weight")) == ["warning"]
    model.words.weight.mul_(torch.linspace(0.2, 3.0, 100)[:, None])  # as frequent and rare words are
    assert not found(model, words, classes(), F.cross_entropy, "frozen-weight")


def test_layers_that_read_no_sample_may_answer_all_alike() -> None:
    """Weights that a parameter makes."""

    def call(own: Calls, x: Tensor) -> Tensor:
        one, two = own.one(own.code).view(WIDTH, 20), own.two(own.code).view(4, WIDTH)
        return F.linear(F.linear(x, one).relu(), two)

    model = Calls(call, code=nn.Parameter(torch.randn(16)), one=nn.Linear(16, 20 * WIDTH), two=nn.Linear(16, 4 * WIDTH))
    nn.init.normal_(model.one.weight, std=0.25 * math.sqrt(2 / 20))
    nn.init.normal_(model.two.weight, std=0.25 * math.sqrt(1 / WIDTH))
    assert not found(model, rows(), classes(), F.cross_entropy, "vanishing-signal")


# ---- a second list ----


def test_a_policy_that_is_sure_before_it_has_acted_is_found() -> None:
    """Its loss takes the softmax of the scores, and is no cross-entropy."""

    def gradient(scores: Tensor, target: Tensor) -> Tensor:
        chosen = torch.distributions.Categorical(logits=scores).log_prob(target[0].long())
        return -(chosen * target[1]).mean()

    target = torch.stack([classes().float(), torch.randn(64)])
    model = mlp(units=4)
    assert not found(model, rows(), target, gradient, "output-prior")
    nn.init.normal_(model[2].weight, std=10.0)
    assert severities(found(model, rows(), target, gradient, "output-prior")) == ["error"]


@pytest.mark.parametrize(("twice", "told"), [(True, ["warning"]), (False, [])])
def test_a_softmax_before_a_distribution_of_scores_is_one_too_many(twice: bool, told: list[str]) -> None:  # noqa: FBT001 - both kinds
    def call(own: Calls, x: Tensor) -> tuple[Tensor, Tensor]:
        scores = own.policy(own.body(x))
        return scores.softmax(-1) if twice else scores, own.value(own.body(x))[:, 0]

    def loss(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        chosen = torch.distributions.Categorical(logits=output[0]).log_prob(target[0].long())
        gain = target[1] - output[1]
        return gain.square().mean() - (chosen * gain.detach()).mean()

    model = Calls(call, body=mlp(nn.Tanh(), units=WIDTH), policy=nn.Linear(WIDTH, 4), value=nn.Linear(WIDTH, 1))
    target = torch.stack([classes().float(), torch.randn(64)])
    assert severities(found(model, rows(), target, loss, "double-softmax")) == told


@pytest.mark.parametrize(("weight", "told"), [(1e-5, ["warning"]), (1e-2, [])])
def test_one_of_two_answers_that_hardly_learns_is_found(weight: float, told: list[str]) -> None:
    def loss(output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        return weight * F.cross_entropy(output[0], target[0]) + F.mse_loss(output[1], target[1])

    model = Calls(
        lambda own, x: (own.kind(own.body(x)), own.box(own.body(x))),
        body=mlp(nn.ReLU(), units=WIDTH),
        kind=nn.Linear(WIDTH, 4),
        box=nn.Linear(WIDTH, 2),
    )
    findings = found(model, rows(), (classes(), torch.randn(64, 2)), loss, "update-ratio")
    assert severities(findings) == told
    assert all(each.layers == ("kind.weight", "box.weight") for each in findings)


@pytest.mark.parametrize(("same", "told"), [(True, ["warning"]), (False, [])])
def test_twins_that_are_one_critic_give_one_answer(same: bool, told: list[str]) -> None:  # noqa: FBT001 - both kinds
    one = mlp()
    model = Calls(lambda own, x: (own.one(x), own.other(x)), one=one, other=one if same else mlp())
    findings = found(
        model, rows(), torch.randn(64, 1), lambda o, t: F.mse_loss(o[0], t) + F.mse_loss(o[1], t), "shared-weight"
    )
    assert severities(findings) == told


def test_one_tower_for_two_inputs_is_no_fault() -> None:
    tower = mlp(units=8)
    model = Calls(lambda own, x, y: (own.one(x) * own.other(y)).sum(1, keepdim=True), one=tower, other=tower)
    assert not found(model, (rows(), rows()), torch.randn(64, 1), F.mse_loss, "shared-weight")


def test_frequencies_and_weights_that_a_number_makes_small_may_be_large() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        return own.head(torch.sin(F.linear(x, own.wide.weight * 0.002) * (own.pitch * 1e-3)[:, 0]))

    model = Calls(
        call,
        wide=nn.Linear(20, WIDTH),
        pitch=nn.Parameter(torch.linspace(100, 3000, WIDTH)[:, None]),
        head=nn.Linear(WIDTH, 4),
    )
    nn.init.normal_(model.wide.weight, std=101.0)
    assert not found(model, rows(), classes(), F.cross_entropy, "exploding-signal")
    plain = mlp(units=4)
    nn.init.normal_(plain[0].weight, std=101.0)
    assert severities(found(plain, rows(), classes(), F.cross_entropy, "exploding-signal")) == ["error"]


@pytest.mark.parametrize(("kept", "told"), [(True, ["warning"]), (False, [])])
def test_a_column_against_a_row_in_a_loss_of_the_models_own_is_found(kept: bool, told: list[str]) -> None:  # noqa: FBT001 - both kinds
    class Critic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.values = mlp(units=2)

        def forward(self, state: Tensor, action: Tensor, gain: Tensor) -> Tensor:
            value = self.values(state).gather(1, action[:, None])
            return F.huber_loss(value if kept else value[:, 0], gain)

    report = initium.diagnose(Critic(), (rows(), classes(64, 2), torch.randn(64)))
    assert [each.severity for each in report.findings if each.code == "broadcast-target"] == told


def test_differences_of_numbers_are_no_scores() -> None:
    """A loss that does not hear what is added to all: of steps, or about the mean."""
    given, target = 15 + 6 * rows(64, 24), 15 + 6 * torch.randn(64, 12)
    model = Calls(lambda own, x: x[:, -12:] + own.line(x / 10), line=nn.Linear(24, 12))
    for change in (lambda value: value.diff(dim=1), lambda value: value - value.mean(1, keepdim=True)):
        assert not found(
            model, given, target, lambda o, t, change=change: F.mse_loss(change(o), change(t)), "output-prior"
        )


@pytest.mark.parametrize(
    "loss",
    [
        lambda o, t: F.cross_entropy(o, t, reduction="none").mean((1, 2)).sum(),
        lambda o, t: F.cross_entropy(o, t, reduction="sum") / t[0].numel(),
    ],
)
def test_a_sum_over_few_samples_of_means_is_none(loss) -> None:
    model = nn.Conv2d(3, 4, 1)
    assert not found(model, torch.randn(8, 3, 16, 16), torch.randint(4, (8, 16, 16)), loss, "loss-sum")


def test_random_phases_are_no_biases_that_drown() -> None:
    model = Calls(lambda own, x: own.head(torch.cos(own.waves(x))), waves=nn.Linear(20, 64), head=nn.Linear(64, 4))
    nn.init.uniform_(model.waves.bias, 0, 2 * math.pi)
    assert not found(model, rows(), classes(), F.cross_entropy, "large-bias")
