"""How answers, targets, masks and rows are wired to each other: the faulty program is found, its twin is not."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import SAMPLES, WIDTH, Calls, coins, found, mlp, rows, severities

STEPS = 12


pytestmark = pytest.mark.usefixtures("drawn_alike")


def labels(classes: int, *shape: int) -> Tensor:
    return torch.randint(0, classes, shape or (SAMPLES,))


# ---- answers that are bounded ----


class States(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], head: int = 0) -> None:
        super().__init__()
        self.steps = kind(4, head or 4, batch_first=True)
        self.head = nn.Linear(head, 4) if head else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.steps(x)[0])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_states_cannot_answer_what_lies_beyond_one(kind) -> None:
    given = 2 * torch.rand(SAMPLES, STEPS, 4) - 1
    assert severities(found(States(kind), given, 2 * given, F.mse_loss, "target-range")) == ["warning"]
    assert not found(States(kind), given, given, F.mse_loss, "target-range")
    assert not found(States(kind, WIDTH), given, 2 * given, F.mse_loss, "target-range")


def test_the_share_that_no_answer_explains_decides_and_not_one_outlier() -> None:
    small, large = 0.5 * torch.randn(SAMPLES * 8, 1), torch.randn(SAMPLES * 8, 1)
    given, model = rows(SAMPLES * 8), mlp(nn.Tanh())
    assert not found(model, given, small, F.mse_loss, "target-range")  # of N(0, 1/4) a hundredth lies beyond 1
    (finding,) = found(model, given, large, F.mse_loss, "target-range")
    assert finding.measured == pytest.approx(float(large.abs().max()) - 1, rel=1e-5)
    least = float((large - large.clamp(-1, 1)).square().mean() / large.var(correction=0))  # what the best answers leave
    row = initium.diagnose(model, initium.Batch((given,), target=large), F.mse_loss).signal.regression
    assert row is not None
    assert row.missed == pytest.approx(least, rel=1e-5)


def test_an_answer_that_is_scaled_behind_its_last_activation_reaches_further() -> None:
    stars = 1 + 4 * torch.rand(SAMPLES, 1)
    squashed = mlp(nn.Sigmoid())
    assert found(squashed, rows(), stars, F.mse_loss, "target-range")
    assert not found(Calls(lambda m, x: 5 * m.body(x), body=squashed), rows(), stars, F.mse_loss, "target-range")


def test_one_of_several_answers_is_held_against_its_own_target() -> None:
    def both(m, x):
        h = m.body(x)
        return m.one(h), m.other(h).relu() if m.cut else m.other(h)

    def loss(answers, target):
        return F.mse_loss(answers[1], target) + 0 * answers[0].sum()

    for cut in (True, False):
        model = Calls(both, body=nn.Linear(20, WIDTH), one=nn.Linear(WIDTH, 1), other=nn.Linear(WIDTH, 1))
        model.cut = cut
        assert bool(found(model, rows(), torch.randn(SAMPLES, 1), loss, "target-range")) is cut


def cosines(scale: float) -> nn.Module:
    def call(m, x):
        return scale * F.normalize(m.body(x), dim=-1) @ F.normalize(m.rows.weight, dim=-1).T

    return Calls(call, body=mlp(units=16), rows=nn.Linear(16, 10))


@pytest.mark.parametrize(
    ("bounded", "free"),
    [(mlp(nn.Tanh(), units=10), mlp(units=10)), (cosines(1.0), cosines(16.0))],
    ids=["tanh", "cosine"],
)
def test_a_cross_entropy_of_bounded_scores_has_a_floor(bounded, free) -> None:
    target = labels(10)
    (finding,) = found(bounded, rows(), target, F.cross_entropy, "double-softmax")
    floor = math.log1p(9 * math.exp(-2))
    assert finding.measured == pytest.approx(floor)
    best = torch.where(F.one_hot(target, 10) > 0, 1.0, -1.0)  # the surest that such scores can be
    assert float(F.cross_entropy(best, target)) == pytest.approx(floor, rel=1e-5)
    assert not found(free, rows(), target, F.cross_entropy, "double-softmax")


def test_chances_before_a_loss_of_chances_are_bounded_rightly() -> None:
    assert not found(mlp(nn.Sigmoid()), rows(), coins(), F.binary_cross_entropy, "double-softmax")


# ---- labels, priors, places ----


@pytest.mark.parametrize(
    "loss", [F.hinge_embedding_loss, lambda a, t: F.margin_ranking_loss(a, torch.zeros_like(a), t, margin=0.5)]
)
def test_torchs_losses_of_margins_take_minus_one(loss) -> None:
    model = mlp()
    assert found(model, rows(), coins(), loss, "target-range")
    assert not found(model, rows(), 2 * coins() - 1, loss, "target-range")


def test_a_prior_is_missing_in_a_part_of_a_loss() -> None:
    heat = torch.zeros(8, 1, 16, 16)
    heat[:, :, 3, 5] = 1.0

    def loss(answers, target):
        return F.binary_cross_entropy_with_logits(answers[0], target) + F.l1_loss(answers[1] * target, target)

    def heads(m, x):
        h = m.body(x).relu()
        return m.scores(h), m.sizes(h)

    for bias in (0.0, -math.log(255)):
        model = Calls(heads, body=nn.Conv2d(3, 16, 3, padding=1), scores=nn.Conv2d(16, 1, 1), sizes=nn.Conv2d(16, 1, 1))
        nn.init.normal_(model.scores.weight, 0, 0.01)
        nn.init.constant_(model.scores.bias, bias)
        assert bool(found(model, torch.randn(8, 3, 16, 16), heat, loss, "output-prior")) is (bias == 0)


def test_an_answer_that_is_the_same_at_all_places_cannot_learn_targets_that_are_not() -> None:
    def mean(m, x):
        return m.head(m.body(x).relu().mean(1, keepdim=True).expand(-1, STEPS, -1))

    def each(m, x):
        return m.head(m.body(x).relu())

    given, target = torch.randn(SAMPLES, STEPS, 20), torch.randn(SAMPLES, STEPS, 4)
    parts = {"body": nn.Linear(20, WIDTH), "head": nn.Linear(WIDTH, 4)}
    assert severities(found(Calls(mean, **parts), given, target, F.mse_loss, "vanishing-signal")) == ["warning"]
    assert not found(Calls(mean, **parts), given, target[:, :1].expand(-1, STEPS, -1), F.mse_loss, "vanishing-signal")
    assert not found(Calls(each, **parts), given, target, F.mse_loss, "vanishing-signal")
    nn.init.zeros_(parts["head"].weight)  # a zero head is a choice
    assert not found(Calls(mean, **parts), given, target, F.mse_loss, "vanishing-signal")


# ---- layers, rows, masks ----


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_layer_whose_states_nobody_reads_never_learns(kind) -> None:
    def state(place):
        def call(m, x):
            last = m.steps(x)[1]
            return m.head((last[0] if isinstance(last, tuple) else last)[place])

        return Calls(call, steps=kind(8, WIDTH, 2, batch_first=True), head=nn.Linear(WIDTH, 3))

    given, target = torch.randn(SAMPLES, STEPS, 8), labels(3)
    (finding,) = found(state(0), given, target, F.cross_entropy, "unused-parameter")
    assert finding.layers == ("steps.weight_ih_l1", "steps.weight_hh_l1")
    assert not found(state(-1), given, target, F.cross_entropy, "unused-parameter")
    assert not found(state(-1), given[:, :1], target, F.cross_entropy, "unused-parameter")  # one step reads no state


def test_shuffled_rows_are_no_steps_of_one_sequence() -> None:
    model = Calls(lambda m, x: m.head(m.steps(x)[0]), steps=nn.LSTM(20, WIDTH), head=nn.Linear(WIDTH, 1))
    table, target = rows(), torch.randn(SAMPLES, 1)
    assert severities(found(model, table, target, F.mse_loss, "batch-axis")) == ["warning"]
    walk = table.cumsum(0) / math.sqrt(SAMPLES)  # a sequence, each step of which tells of the next
    assert not found(model, walk, target, F.mse_loss, "batch-axis")


def test_scores_by_step_are_not_compared_with_labels_by_sample() -> None:
    def tagger(*, turned: bool) -> nn.Module:
        def call(m, x):
            scores = m.head(m.steps(x.transpose(0, 1))[0])
            return (scores.transpose(0, 1) if turned else scores).reshape(-1, 5)

        return Calls(call, steps=nn.GRU(8, WIDTH), head=nn.Linear(WIDTH, 5))

    def loss(scores, target):
        return F.cross_entropy(scores, target.flatten())

    given, target = torch.randn(16, STEPS, 8), labels(5, 16, STEPS)
    assert severities(found(tagger(turned=False), given, target, loss, "batch-axis")) == ["error"]
    assert not found(tagger(turned=True), given, target, loss, "batch-axis")


def masked(mask: Tensor) -> nn.Module:
    def call(m, x):
        q, k, v = m.qkv(x).chunk(3, -1)
        return m.head(F.scaled_dot_product_attention(q, k, v, mask))

    return Calls(call, qkv=nn.Linear(20, 3 * WIDTH), head=nn.Linear(WIDTH, 4))


@pytest.mark.parametrize(
    ("wrong", "word"), [(lambda t: ~t, "last"), (lambda t: t.tril(-1), "first"), (torch.zeros_like, "no query")]
)
def test_a_query_sees_at_least_itself(wrong, word) -> None:
    triangle = torch.ones(STEPS, STEPS, dtype=torch.bool).tril()
    given, target = torch.randn(SAMPLES, STEPS, 20), torch.randn(SAMPLES, STEPS, 4)
    (finding,) = found(masked(wrong(triangle)), given, target, F.mse_loss, "attention-collapse")
    assert word in finding.message
    assert not found(masked(triangle), given, target, F.mse_loss, "attention-collapse")


def test_a_kernel_of_one_value_on_one_channel_has_equal_units() -> None:
    def net(value: float) -> nn.Module:
        model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
        if value:
            nn.init.constant_(model[0].weight, value)
        nn.init.zeros_(model[0].bias)
        return model

    given, target = torch.randn(SAMPLES, 1, 8, 8), labels(10)
    assert severities(found(net(0.1), given, target, F.cross_entropy, "symmetry")) == ["warning"]
    assert not found(net(0.0), given, target, F.cross_entropy, "symmetry")
    blur = nn.Sequential(nn.Conv2d(3, 3, 3, groups=3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 10))
    nn.init.constant_(blur[0].weight, 1 / 9)  # each unit has a channel of its own
    assert not found(blur, torch.randn(SAMPLES, 3, 8, 8), target, F.cross_entropy, "symmetry")


def test_a_table_that_stands_in_the_program_drowns_as_a_learned_one_does() -> None:
    places = torch.sin(torch.arange(STEPS)[:, None] * torch.rand(1, 20))

    def added(size: float) -> nn.Module:
        def call(m, x):
            return m.head(m.norm(m.words(x) + size * places).mean(1))

        return Calls(call, words=nn.Embedding(50, 20), norm=nn.LayerNorm(20), head=nn.Linear(20, 3))

    given, target = labels(50, SAMPLES, STEPS), labels(3)
    assert severities(found(added(100.0), given, target, F.cross_entropy, "large-bias")) == ["warning"]
    assert not found(added(1.0), given, target, F.cross_entropy, "large-bias")


# ---- what comes in ----


def test_an_input_that_is_nothing_beside_any_bias_is_the_cause_of_equal_answers() -> None:
    target = labels(2)
    report = initium.diagnose(mlp(units=2), initium.Batch((1e-7 * rows(),), target=target), F.cross_entropy)
    assert report.findings[0].code == "input-scale"
    assert {each.part_of for each in report.findings if each.code == "vanishing-signal"} == {"input-scale"}


@pytest.mark.parametrize("where", ["args", "target"])
def test_a_batch_that_is_not_finite_is_a_finding(where: str) -> None:
    given, target = rows(), torch.randn(SAMPLES, 1)
    (given if where == "args" else target)[3, 0] = math.nan
    model = mlp()
    report = initium.diagnose(model, initium.Batch((given,), target=target), F.mse_loss)
    assert [(each.severity, each.code) for each in report.findings] == [("error", "nonfinite")]
    assert where in report.findings[0].cause
    assert "[3, 0]" in report.findings[0].cause
    with pytest.raises(initium.BatchError):
        initium.initialize(model, given if where == "args" else initium.Batch((given,), target=target), seed=0)


def test_an_answer_of_nan_says_nothing_of_how_it_fits_its_loss() -> None:
    model = Calls(lambda m, x: m.body((x - x.mean(0)) / x.var(0, correction=0).sqrt()), body=mlp())
    report = initium.diagnose(model, initium.Batch((rows(1),), target=torch.randn(1, 1)), F.mse_loss)
    assert report.findings[0].code == "nonfinite"
    assert "missing-softmax" not in {each.code for each in report.findings}


# ---- masks that hide nothing, softmaxes of the loss, heads ----


def weighed(mask: Tensor, *, written_out: bool) -> nn.Module:
    def call(m, x):
        q, k, v = m.qkv(x).chunk(3, -1)
        if not written_out:
            return m.head(F.scaled_dot_product_attention(q, k, v, mask))
        scores = q @ k.mT / math.sqrt(WIDTH)
        return m.head(torch.softmax(scores + mask, -1) @ v)

    return Calls(call, qkv=nn.Linear(20, 3 * WIDTH), head=nn.Linear(WIDTH, 4))


@pytest.mark.parametrize("written_out", [True, False])
def test_a_mask_of_ones_that_is_added_hides_nothing(*, written_out: bool) -> None:
    ones = torch.ones(STEPS, STEPS).tril()
    given, target = torch.randn(SAMPLES, STEPS, 20), torch.randn(SAMPLES, STEPS, 4)
    model = weighed(ones, written_out=written_out)
    assert severities(found(model, given, target, F.mse_loss, "attention-collapse")) == ["warning"]
    moved = given.clone()
    moved[:, -1] += 10.0  # it hides nothing: the first answer sees the last place
    assert not torch.allclose(model(given)[:, 0], model(moved)[:, 0])
    right = torch.zeros(STEPS, STEPS).masked_fill(ones == 0, -math.inf)
    model = weighed(right, written_out=written_out)
    assert not found(model, given, target, F.mse_loss, "attention-collapse")
    assert torch.equal(model(given)[:, 0], model(moved)[:, 0])
    slopes = -0.1 * torch.arange(STEPS).float().expand(STEPS, STEPS)  # a bias by place is no mask
    assert not found(weighed(slopes, written_out=written_out), given, target, F.mse_loss, "attention-collapse")


def test_a_softmax_that_the_loss_takes_goes_over_the_classes() -> None:
    def loss(axis: int) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda scores, target: -scores.log_softmax(axis)[torch.arange(len(target)), target].mean()

    target = labels(5)
    assert severities(found(mlp(units=5), rows(), target, loss(0), "softmax-axis")) == ["error"]
    assert not found(mlp(units=5), rows(), target, loss(1), "softmax-axis")

    def ranking(scores, target):  # one list, of which each sample is an item
        return -(scores.log_softmax(0)[:, 0] * target.float()).sum()

    assert not found(mlp(units=1), rows(), labels(2), ranking, "softmax-axis")


def test_an_answer_of_images_has_no_softmax_over_samples() -> None:
    def end(axis: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.Softmax(axis))

    given, target = torch.randn(8, 3, 9, 9), torch.rand(8, 4, 9, 9)
    assert severities(found(end(0), given, target, F.mse_loss, "softmax-axis")) == ["error"]
    assert not found(end(1), given, target, F.mse_loss, "softmax-axis")


def test_heads_are_parted_by_a_view_and_a_transposition() -> None:
    def net(*, viewed: bool) -> nn.Module:
        def call(m, x):
            b, t, _ = x.shape
            parts = m.qkv(x).split(WIDTH, -1)
            q, k, v = (p.reshape(b, 4, t, 8) if viewed else p.reshape(b, t, 4, 8).transpose(1, 2) for p in parts)
            h = F.scaled_dot_product_attention(q, k, v)
            return m.head((h if viewed else h.transpose(1, 2)).reshape(b, t, WIDTH).mean(1))

        return Calls(call, qkv=nn.Linear(20, 3 * WIDTH), head=nn.Linear(WIDTH, 4))

    given, target = torch.randn(SAMPLES, STEPS, 20), torch.randn(SAMPLES, 4)
    assert severities(found(net(viewed=True), given, target, F.mse_loss, "batch-axis")) == ["warning"]
    assert not found(net(viewed=False), given, target, F.mse_loss, "batch-axis")


def test_a_norm_of_two_values_is_the_cause_of_equal_answers() -> None:
    def net(width: int) -> nn.Module:
        parts = [
            p for i in range(3) for p in (nn.Linear(20 if i == 0 else width, width), nn.LayerNorm(width), nn.ReLU())
        ]
        return nn.Sequential(*parts, nn.Linear(width, 3))

    torch.manual_seed(1)
    report = initium.diagnose(net(2), initium.Batch((rows(),), target=labels(3)), F.cross_entropy)
    assert report.findings[0].code == "degenerate-batchnorm"
    assert not found(net(WIDTH), rows(), labels(3), F.cross_entropy, "degenerate-batchnorm")


def test_what_a_vector_gives_is_one_unit_that_varies_over_the_samples() -> None:
    class Perceptron(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.randn(20) / 20**0.5)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x @ self.w)

    given, target = rows(), torch.rand(SAMPLES)
    model = Perceptron()
    report = initium.diagnose(model, initium.Batch((given,), target=target), F.mse_loss)
    assert not report.findings
    (row,) = report.signal.rows
    assert row.unit_std == pytest.approx(float((given @ model.w).detach().std(correction=0)), rel=1e-4)


@pytest.mark.parametrize("written_out", [True, False])
def test_a_score_that_is_multiplied_by_zero_is_a_score(*, written_out: bool) -> None:
    ones = torch.ones(STEPS, STEPS).tril()

    def call(m, x):
        q, k, v = m.qkv(x).chunk(3, -1)
        scores = q @ k.mT / math.sqrt(WIDTH)
        hidden = scores * ones if written_out else scores * ones - 1e4 * (1 - ones)  # GPT's own way
        return m.head(torch.softmax(hidden, -1) @ v)

    model = Calls(call, qkv=nn.Linear(20, 3 * WIDTH), head=nn.Linear(WIDTH, 4))
    given, target = torch.randn(SAMPLES, STEPS, 20), torch.randn(SAMPLES, STEPS, 4)
    assert bool(found(model, given, target, F.mse_loss, "attention-collapse")) is written_out


# ---- several targets ----


def two_heads(m, x):
    h = m.body(x).relu()
    return m.classes(h), m.sizes(h).relu() if m.cut else m.sizes(h)


def pair(*, cut: bool = False) -> nn.Module:
    model = Calls(two_heads, body=nn.Linear(20, WIDTH), classes=nn.Linear(WIDTH, 5), sizes=nn.Linear(WIDTH, 4))
    model.cut = cut
    return model


def both(answers, target):
    return F.cross_entropy(answers[0], target[0]) + F.smooth_l1_loss(answers[1], target[1])


def test_each_target_is_held_against_the_answer_that_is_compared_with_it() -> None:
    given, names, sizes = rows(), labels(5), torch.randn(SAMPLES, 4)
    assert severities(found(pair(cut=True), given, (names, sizes), both, "target-range")) == ["warning"]
    assert not found(pair(), given, (names, sizes), both, "target-range")
    assert severities(found(pair(), given, (names, 2e5 + 5e4 * sizes), both, "target-scale")) == ["warning"]
    assert not found(pair(), given, (names, sizes), both, "target-scale")


def test_a_part_of_a_loss_may_be_sure_of_wrong_answers() -> None:
    given, target = rows(), (labels(5), torch.randn(SAMPLES, 4))
    sure = pair()
    nn.init.normal_(sure.classes.weight, 0, 10.0)
    (finding,) = found(sure, given, target, both, "output-prior")
    assert finding.measured == pytest.approx(float(F.cross_entropy(sure(given)[0], target[0]).detach()), rel=1e-4)
    assert finding.expected == pytest.approx(math.log(5))
    assert not found(pair(), given, target, both, "output-prior")


# ---- what comes to nothing on the way ----


def test_a_softmax_over_the_one_unit_of_a_weight_weighs_nothing() -> None:
    def net(axis: int) -> nn.Module:
        def call(m, x):
            h = m.body(x).tanh()
            return m.head((m.scores(h).softmax(axis) * h).sum(1))

        return Calls(call, body=nn.Linear(20, WIDTH), scores=nn.Linear(WIDTH, 1), head=nn.Linear(WIDTH, 3))

    given, target = torch.randn(SAMPLES, STEPS, 20), labels(3)
    (finding,) = found(net(-1), given, target, F.cross_entropy, "softmax-axis")
    assert finding.layers == ("scores.weight",)
    assert not found(net(1), given, target, F.cross_entropy, "softmax-axis")
    assert not found(net(1), given[:, :1], target, F.cross_entropy, "softmax-axis")  # one place alone is what there is


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_first_state_knows_nothing_of_what_follows(kind) -> None:
    def net(place: int, *, both_ways: bool = False) -> nn.Module:
        steps = kind(20, WIDTH, batch_first=True, bidirectional=both_ways)
        return Calls(lambda m, x: m.head(m.steps(x)[0][:, place]), steps=steps, head=nn.LazyLinear(3))

    given, target = torch.randn(SAMPLES, STEPS, 20), labels(3)
    for model, wrong in ((net(0), True), (net(-1), False), (net(0, both_ways=True), False)):
        model(given)
        assert bool(found(model, given, target, F.cross_entropy, "unused-input")) is wrong
    model = net(0)
    model(given)
    assert not found(model, given[:, :1], target, F.cross_entropy, "unused-input")


def test_a_state_that_is_zero_at_every_step_teaches_its_weight_nothing() -> None:
    def net(*, kept: bool) -> nn.Module:
        def call(m, x):
            h, states = torch.zeros(len(x), WIDTH), []
            for step in x.unbind(1):
                h = torch.tanh(m.given(step) + m.state(h if kept else torch.zeros(len(x), WIDTH)))
                states.append(h)
            return m.head(torch.stack(states, 1).mean(1))

        parts = {
            "given": nn.Linear(20, WIDTH),
            "state": nn.Linear(WIDTH, WIDTH, bias=False),
            "head": nn.Linear(WIDTH, 3),
        }
        return Calls(call, **parts)

    given, target = torch.randn(SAMPLES, STEPS, 20), labels(3)
    (finding,) = found(net(kept=False), given, target, F.cross_entropy, "unused-parameter")
    assert finding.layers == ("state.weight",)
    assert not found(net(kept=True), given, target, F.cross_entropy, "unused-parameter")
    assert not found(net(kept=True), given[:, :1], target, F.cross_entropy, "unused-parameter")
