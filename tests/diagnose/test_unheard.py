"""What a loss does not hear, what a model does not read, what no step changes: the faulty program is found, its twin is not."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import SAMPLES, WIDTH, Calls, coins, found, mlp, rows, severities
from initium.records import Finding

pytestmark = pytest.mark.usefixtures("drawn_alike")


def labels(classes: int = 2, count: int = SAMPLES) -> Tensor:
    return torch.arange(count) % classes


# ---- labels of a margin ----


def hinge(answer: Tensor, target: Tensor) -> Tensor:
    return (1 - answer * target).relu().mean()


@pytest.mark.parametrize("loss", [hinge, F.soft_margin_loss])
def test_a_loss_of_margins_does_not_hear_a_label_of_zero(loss) -> None:
    assert severities(found(mlp(), rows(), coins(), loss, "target-range")) == ["error"]
    assert not found(mlp(), rows(), 2 * coins() - 1, loss, "target-range")


def test_so_it_is_with_a_pair_of_answers() -> None:
    model = Calls(lambda m, x, y: (m.tower(x), m.tower(y)), tower=mlp(units=8))

    def loss(answers: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(*answers, target)

    given, target = (rows(), rows()), labels().float()
    assert severities(found(model, given, target, loss, "target-range")) == ["error"]
    assert not found(model, given, 2 * target - 1, loss, "target-range")


def contrastive(distance: Tensor, target: Tensor) -> Tensor:
    return ((1 - target) * distance**2 + target * (1 - distance).relu() ** 2).mean()


@pytest.mark.parametrize("loss", [contrastive, F.mse_loss, F.binary_cross_entropy_with_logits])
def test_a_loss_that_hears_both_labels_takes_them(loss) -> None:
    assert not found(mlp(), rows(), coins(), loss, "target-range")


# ---- rates ----


class Exp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


@pytest.mark.parametrize("end", [Exp(), nn.Softplus(), nn.ReLU()])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_rate_under_a_loss_of_its_logarithm_is_squashed_twice(end, reduction) -> None:
    loss, counts = nn.PoissonNLLLoss(reduction=reduction), torch.poisson(torch.full((SAMPLES, 1), 4.0))
    assert severities(found(mlp(end), rows(), counts, loss, "double-softmax")) == ["warning"]
    assert not found(mlp(), rows(), counts, loss, "double-softmax")
    assert not found(mlp(end), rows(), counts, nn.PoissonNLLLoss(log_input=False), "double-softmax")


# ---- answers that cost more than none ----


def normal(answer: Tensor, target: Tensor) -> Tensor:
    mean, log_std = answer.chunk(2, -1)
    return (((target - mean) / log_std.exp()) ** 2 / 2 + log_std).mean()


@pytest.mark.parametrize(("log_std", "count"), [(-10.0, 1), (-1.0, 0), (0.0, 0)])
def test_a_scale_that_is_far_off_costs_more_than_no_answer(log_std: float, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        mean = m.body(x)
        return torch.cat([mean, m.log_std.expand_as(mean)], -1)

    model = Calls(call, body=mlp(), log_std=nn.Parameter(torch.tensor(log_std)))
    assert len(found(model, rows(), torch.randn(SAMPLES, 1), normal, "output-prior")) == count


def test_wild_answers_to_an_ordinary_target_are_the_models_fault() -> None:
    model, target = mlp(), torch.randn(SAMPLES, 1)
    nn.init.normal_(model[2].weight, 0, 20)
    codes = [each.code for each in initium.diagnose(model, initium.Batch((rows(),), target=target), F.l1_loss).findings]
    assert codes[0] == "output-prior"
    assert "target-scale" not in codes
    assert found(mlp(), rows(), target / 1000, F.l1_loss, "target-scale")


def test_a_loss_that_picks_a_column_of_the_target_is_watched() -> None:
    model = Calls(lambda m, x: (m.policy(x), m.value(x)), policy=mlp(units=3), value=mlp())

    def loss(answers: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        policy, value = answers
        return F.cross_entropy(policy, target[:, 0].long()) + F.mse_loss(value[:, 0], target[:, 1])

    def played(returns: Tensor) -> Tensor:
        return torch.stack([labels(3).float(), returns], 1)

    assert found(model, rows(), played(2500 + 400 * torch.randn(SAMPLES)), loss, "target-scale")
    assert not found(model, rows(), played(torch.randn(SAMPLES)), loss, "target-scale")


# ---- softmaxes ----


def test_a_softmax_of_a_softmax_is_found_whatever_reads_it() -> None:
    def twice(m, x: Tensor) -> Tensor:
        return m.body(x).softmax(-1).softmax(-1).log()

    def once(m, x: Tensor) -> Tensor:
        return m.body(x).log_softmax(-1).softmax(-1).log()

    for call, count in ((twice, 1), (once, 0)):
        model = Calls(call, body=mlp(units=5))
        assert len(found(model, rows(), labels(5), F.nll_loss, "double-softmax")) == count


def attention(weigh: Callable[[Tensor, Tensor], Tensor]) -> nn.Module:
    """Four heads of eight units, as somebody's function of scores and values has it."""

    def call(m, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(-1, (4, 8)).transpose(1, 2) for each in m.made(x).chunk(3, -1))
        return m.head(weigh(q @ k.mT / math.sqrt(8), v).transpose(1, 2).flatten(2).mean(1))

    return Calls(call, made=nn.Linear(20, 96), head=nn.Linear(32, 5))


def slots(scores: Tensor, v: Tensor) -> Tensor:
    shares = scores.softmax(-2) + 1e-8
    return (shares / shares.sum(-1, keepdim=True)) @ v


@pytest.mark.parametrize(
    ("weigh", "count"),
    [
        (lambda scores, v: scores.softmax(-1) @ v, 0),
        (lambda scores, v: scores.softmax(1) @ v, 1),
        (lambda scores, v: scores.softmax(-2) @ v, 1),
        (lambda scores, v: scores.softmax(-2).mT @ v, 0),
        (lambda scores, v: torch.einsum("bhqk,bhkd->bhqd", scores.softmax(-1), v), 0),
        (lambda scores, v: torch.einsum("bhqk,bhkd->bhqd", scores.softmax(1), v), 1),
        (slots, 0),
    ],
    ids=["keys", "heads", "queries", "queries turned", "einsum", "einsum over heads", "slots"],
)
def test_a_softmax_goes_over_what_is_summed(weigh, count: int) -> None:
    model, given = attention(weigh), torch.randn(SAMPLES, 10, 20)
    assert len(found(model, given, labels(5), F.cross_entropy, "softmax-axis")) == count


def test_routing_between_capsules_weighs_what_made_its_scores() -> None:
    def call(m, x: Tensor) -> Tensor:
        votes = m.votes(x).view(SAMPLES, 5, 4, 8)  # capsules, those before them, units
        pose = votes.mean(2, keepdim=True)
        shares = (votes @ pose.mT).mT.softmax(1)
        return (shares @ votes).norm(dim=-1)[..., 0]

    model = Calls(call, votes=nn.Linear(20, 160))
    assert not found(model, rows(), labels(5), F.cross_entropy, "softmax-axis")


# ---- gates ----


class Highway(nn.Module):
    def __init__(self, bias: float) -> None:
        super().__init__()
        self.carry, self.made = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        nn.init.constant_(self.carry.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.carry(x).sigmoid()
        return gate * self.made(x).relu() + (1 - gate) * x


@pytest.mark.parametrize(("bias", "count"), [(-20.0, 1), (-2.0, 0)])
def test_a_gate_and_what_it_leaves_are_one_activation(bias: float, count: int) -> None:
    model = nn.Sequential(nn.Linear(20, WIDTH), Highway(bias), Highway(bias), nn.Linear(WIDTH, 4))
    assert len(found(model, rows(), labels(4), F.cross_entropy, "saturation")) == count


@pytest.mark.parametrize(("std", "count"), [(2.0, 1), (0.1, 0)])
def test_a_weight_ten_times_too_large_saturates_earlier(std: float, count: int) -> None:
    model = mlp(nn.Tanh(), units=16)
    nn.init.normal_(model[2].weight, 0, std)
    assert len(found(model, rows(), torch.randn(SAMPLES, 16).tanh(), F.mse_loss, "saturation")) == count


# ---- what is added ----


@pytest.mark.parametrize(("size", "count"), [(1.0, 1), (1 / 128, 0)])
def test_positions_that_are_numbers_drown_words(size: float, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        return m.head(m.hidden(m.words(x) + size * torch.arange(x.shape[1])[None, :, None]).relu().mean(1))

    model = Calls(call, words=nn.Embedding(100, 16), hidden=nn.Linear(16, WIDTH), head=nn.Linear(WIDTH, 3))
    given = torch.randint(0, 100, (SAMPLES, 128))
    assert len(found(model, given, labels(3), F.cross_entropy, "large-bias")) == count


def test_a_mask_that_is_added_is_no_table() -> None:
    def call(m, x: Tensor) -> Tensor:
        units = F.normalize(m.body(x), dim=1)
        return units @ units.T - 1e9 * torch.eye(len(x))

    target = (torch.arange(SAMPLES) + SAMPLES // 2) % SAMPLES
    assert not found(Calls(call, body=mlp(units=8)), rows(), target, F.cross_entropy, "large-bias")


@pytest.mark.parametrize(("turned", "count"), [(False, 1), (True, 0)])
def test_a_table_of_positions_goes_with_the_positions(turned: bool, count: int) -> None:  # noqa: FBT001 - both kinds
    def call(m, x: Tensor) -> Tensor:
        words = m.words(x)
        table = m.table[: x.size(1)].transpose(0, 1) if turned else m.table[: x.size(0)]
        return m.head((words + table).relu().mean(1))

    model = Calls(call, words=nn.Embedding(100, 16), head=nn.Linear(16, 3))
    model.register_buffer("table", torch.randn(100, 1, 16))
    assert len(found(model, torch.randint(0, 100, (SAMPLES, 12)), labels(3), F.cross_entropy, "batch-axis")) == count


# ---- what is not read ----


def pair(*, both: bool) -> nn.Module:
    def call(m, x: Tensor, y: Tensor) -> Tensor:
        return m.one(x) + m.other(y if both else x)

    return Calls(call, one=mlp(units=4), other=mlp(units=4))


def test_an_input_that_leads_nowhere_is_found_where_a_loss_is_given() -> None:
    given = rows(), rows()
    assert severities(found(pair(both=False), given, labels(4), F.cross_entropy, "unused-input")) == ["warning"]
    assert not found(pair(both=True), given, labels(4), F.cross_entropy, "unused-input")
    (told,) = (each for each in initium.diagnose(pair(both=False), given).findings if each.code == "unused-input")
    assert told.severity == "info"


def test_a_mask_of_ones_may_go_unread() -> None:
    given = rows(), torch.ones(SAMPLES, 20)
    assert not found(pair(both=False), given, labels(4), F.cross_entropy, "unused-input")


def test_what_is_written_into_a_value_that_goes_on_is_read() -> None:
    def call(m, x: Tensor, y: Tensor) -> Tensor:
        whole = torch.zeros(SAMPLES, 40)
        whole[:, :20] = x
        whole[:, 20:] = y
        return m.head(whole)

    model = Calls(call, head=nn.Linear(40, 4))
    assert not found(model, (rows(), rows()), labels(4), F.cross_entropy, "unused-input")


class Steps(nn.Module):
    def __init__(self, take: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.steps, self.head, self.take = nn.GRU(6, WIDTH, batch_first=True), nn.Linear(WIDTH, 4), take

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.take(self.steps(x)[0]))


@pytest.mark.parametrize(
    ("take", "count"),
    [
        (lambda h: h[-1], 1),
        (lambda h: h.mean(0), 1),
        (lambda h: h.transpose(0, 1)[:, -1], 1),
        (lambda h: h[:, -1], 0),
        (lambda h: h.mean(1), 0),
        (lambda h: h.transpose(0, 1)[-1], 0),
        (lambda h: h[:, -1] - h[:, -1].mean(0), 0),
    ],
    ids=["last sample", "mean of samples", "turned", "last step", "mean of steps", "steps first", "centred"],
)
def test_an_answer_knows_its_sample_where_steps_are_as_many(take, count: int) -> None:
    model, given = Steps(take), torch.randn(24, 24, 6)
    assert len(found(model, given, labels(4, 24), F.cross_entropy, "batch-axis")) == count


# ---- what no step changes ----


def test_biases_on_weights_that_were_never_trained_are_not_enough() -> None:
    model = mlp(units=4).requires_grad_(requires_grad=False)
    model[2].bias.requires_grad_(requires_grad=True)
    assert severities(found(model, rows(), labels(4), F.cross_entropy, "frozen-weight")) == ["warning"]


class Projects(nn.Module):
    """A product with a matrix that it holds in one of three ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        drawn = torch.randn(WIDTH, WIDTH) / math.sqrt(WIDTH)
        if how == "buffer":
            self.register_buffer("matrix", drawn)
        else:
            self.matrix = nn.Parameter(drawn) if how == "parameter" else drawn.abs() if how == "graph" else drawn

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.matrix).relu()


@pytest.mark.parametrize(("how", "count"), [("plain", 1), ("parameter", 0), ("buffer", 0), ("graph", 0)])
def test_a_drawn_matrix_that_is_no_parameter_stays_as_it_is(how: str, count: int) -> None:
    model = nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), Projects(how), nn.Linear(WIDTH, 4))
    assert len(found(model, rows(), labels(4), F.cross_entropy, "frozen-weight")) == count


@pytest.mark.parametrize(("narrow", "count"), [(50.0, 1), (0.05, 0)])
def test_an_answer_that_is_the_same_for_all_samples_is_an_error(narrow: float, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        return m.head((-narrow * (x[:, None] - m.centres).square().sum(-1)).exp())

    model = Calls(call, centres=nn.Parameter(torch.randn(40, 20)), head=nn.Linear(40, 1))
    told = found(model, rows(), torch.randn(SAMPLES, 1), F.mse_loss, "vanishing-signal")
    assert severities(told) == ["error"] * count


def test_a_head_of_zeros_may_answer_the_same_to_all() -> None:
    model = mlp()
    nn.init.zeros_(model[2].weight)
    assert not found(model, rows(), torch.randn(SAMPLES, 1), F.mse_loss, "vanishing-signal")


@pytest.mark.parametrize(("size", "count"), [(60.0, 1), (1.0, 0)])
def test_an_infinity_that_is_divided_away_is_found_in_half_precision(size: float, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        h = m.body(x)
        return m.head(h * (h.square().sum(-1, keepdim=True) + 1e-3).rsqrt())

    model = Calls(call, body=nn.Linear(64, 64, bias=False), head=nn.Linear(64, 4)).half()
    nn.init.orthogonal_(model.body.weight.data.float())
    model.body.weight.data.copy_(torch.eye(64))

    def loss(answer: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(answer.float(), target)

    given = (size * torch.randn(SAMPLES, 64)).half()
    assert severities(found(model, given, labels(4), loss, "nonfinite")) == ["error"] * count


@pytest.mark.parametrize("held", [True, False])
def test_a_matrix_of_zeros_between_weights_is_named(held: bool) -> None:  # noqa: FBT001 - both kinds
    def call(m, x: Tensor, *given: Tensor) -> Tensor:
        near = given[0] if given else m.near
        return near @ m.last(near @ m.first(x).relu())

    def told(near: Tensor) -> list[Finding]:
        model = Calls(call, first=nn.Linear(20, WIDTH), last=nn.Linear(WIDTH, 4))
        model.register_buffer("near", near)
        return found(model, rows() if held else (rows(), near), labels(4), F.cross_entropy, "unused-parameter")

    (finding,) = told(torch.zeros(SAMPLES, SAMPLES))
    assert finding.severity == "error"
    assert "zero throughout" in finding.cause
    assert not told(torch.eye(SAMPLES))


def test_an_answer_at_its_best_is_heard_all_the_same() -> None:
    def call(m, x: Tensor, y: Tensor) -> Tensor:
        return (m.body(x) - m.body(y)).square().sum(1)

    given = rows()
    other = torch.where(labels().unsqueeze(1) == 0, given, rows())  # pairs of label 0 are the same, at a distance of 0
    model = Calls(call, body=mlp(units=4))
    assert not found(model, (given, other), labels().float(), contrastive, "target-range")


def test_a_factor_that_clips_a_norm_is_no_activation() -> None:
    def call(m, x: Tensor) -> Tensor:
        h = m.body(x)
        return m.head(h * (100 / (torch.linalg.vector_norm(h, dim=-1, keepdim=True) + 1e-6)).clamp(max=1.0))

    model = Calls(call, body=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    assert not found(model, rows(), labels(4), F.cross_entropy, "dead-units")


@pytest.mark.parametrize(("end", "count"), [((nn.Sigmoid(),), 1), ((), 0)])
def test_a_loss_that_squashes_inside_of_itself_is_watched(end: tuple[nn.Module, ...], count: int) -> None:
    def focal(answer: Tensor, target: Tensor) -> Tensor:
        chance = answer.sigmoid()
        missed = 1 - chance * target - (1 - chance) * (1 - target)
        return (missed**2 * F.binary_cross_entropy_with_logits(answer, target, reduction="none")).mean()

    assert len(found(mlp(*end), rows(), coins(), focal, "double-softmax")) == count


@pytest.mark.parametrize(("value", "count"), [(0.1, 1), (0.0, 0)])
def test_a_hidden_matrix_of_one_value_sees_one_sum(value: float, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        return m.head(m.made(x).relu() + m.beside(x))

    model = Calls(call, made=nn.Linear(20, WIDTH), beside=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    nn.init.constant_(model.made.weight, value)
    assert len(found(model, rows(), labels(4), F.cross_entropy, "symmetry")) == count


def test_what_is_masked_out_before_a_sigmoid_is_not_saturated() -> None:
    def call(m, x: Tensor) -> Tensor:
        scores = m.router(x)
        kept = torch.full_like(scores, -torch.inf).scatter(1, scores.topk(2, 1).indices, scores.topk(2, 1).values)
        return m.head(torch.einsum("be,beo->bo", kept.sigmoid(), m.experts(x).unflatten(1, (8, WIDTH)).relu()))

    model = Calls(call, router=nn.Linear(20, 8), experts=nn.Linear(20, 8 * WIDTH), head=nn.Linear(WIDTH, 4))
    assert not found(model, rows(), labels(4), F.cross_entropy, "saturation")


@pytest.mark.parametrize(
    ("shape", "after", "count"),
    [((12, 10, 8), (10, 12, 8), 1), ((6, 4, 6, 4), (4, 6, 4, 6), 0), ((8, 9, 8), (9, 8, 8), 0)],
    ids=["swapped", "windows to grid", "shift by one"],
)
def test_axes_that_are_parted_anew_each_in_itself_do_not_change_places(shape, after, count: int) -> None:
    def call(m, x: Tensor) -> Tensor:
        return m.head(m.body(x).view(SAMPLES, *shape).view(SAMPLES, *after).flatten(1))

    size = math.prod(shape)
    model = Calls(call, body=nn.Linear(20, size), head=nn.Linear(size, 4))
    assert len(found(model, rows(), labels(4), F.cross_entropy, "batch-axis")) == count


@pytest.mark.parametrize(
    ("reduction", "count", "told"), [("sum", 1024, 1), ("mean", 1024, 0), ("sum", 64, 0)], ids=["sum", "mean", "few"]
)
def test_a_sum_over_many_samples_is_told(reduction: str, count: int, told: int) -> None:
    def loss(answer: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(answer, target, reduction=reduction)

    assert len(found(mlp(units=4), rows(count), labels(4, count), loss, "loss-sum")) == told


def test_a_mean_over_samples_of_a_sum_over_their_parts_is_a_mean() -> None:
    def loss(answer: Tensor, target: Tensor) -> Tensor:
        return (answer - target).square().sum(1).mean()

    assert not found(mlp(units=4), rows(1024), torch.randn(1024, 4), loss, "loss-sum")
