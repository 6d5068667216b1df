"""Programs rebuilt from public issues in which the answer and the loss do not fit each other."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from diagnose.programs import Calls, classes, coins, found, mlp, rows, severities

pytestmark = pytest.mark.usefixtures("drawn_alike")


SAMPLES, WIDTH = 64, 32


# ---- shapes that broadcast ----


class Actor(nn.Module):
    """An actor's log-probability, a column, and a critic's value of what it does."""

    def __init__(self, *, flat: bool) -> None:
        super().__init__()
        self.flat, self.policy, self.critic = flat, nn.Linear(20, 2), nn.Linear(22, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.policy(x)
        value = self.critic(torch.cat([x, mean.tanh()], -1))
        return -mean.square().sum(-1, keepdim=True), value.view(-1) if self.flat else value


@pytest.mark.parametrize(("flat", "told"), [(True, ["error"]), (False, [])])
def test_two_answers_of_a_column_and_a_row_are_told_without_a_target(flat, told) -> None:
    report = initium.diagnose(Actor(flat=flat), rows(), lambda output: (0.2 * output[0] - output[1]).mean())
    assert [each.severity for each in report.findings if each.code == "broadcast-target"] == told


def test_scores_may_be_ranked_among_each_other() -> None:
    def ranked(output: Tensor, target: Tensor) -> Tensor:
        scores = output.squeeze(-1)
        apart = target.unsqueeze(1) > target
        return F.softplus(scores - scores.unsqueeze(1))[apart].mean()

    assert not found(mlp(), rows(), torch.randn(SAMPLES), ranked, "broadcast-target")


@pytest.mark.parametrize("error", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_one_answer_is_not_compared_with_four_targets(error) -> None:
    assert severities(found(mlp(), rows(), torch.randn(SAMPLES, 4), error, "broadcast-target")) == ["warning"]
    assert not found(mlp(units=4), rows(), torch.randn(SAMPLES, 4), error, "broadcast-target")


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_all_answers_may_be_compared_with_one_number() -> None:
    assert not found(mlp(), rows(), torch.ones(1), F.mse_loss, "broadcast-target")


# ---- what a ReLU cuts off ----


@pytest.mark.parametrize(("end", "told"), [(nn.ReLU(), ["warning"]), (nn.Identity(), [])])
def test_scores_of_many_labels_stand_behind_no_relu(end, told) -> None:
    labels = (torch.rand(SAMPLES, 6) < 0.3).float()
    loss = nn.BCEWithLogitsLoss()
    assert severities(found(mlp(end, units=6), rows(), labels, loss, "double-softmax")) == told


@pytest.mark.parametrize(("end", "told"), [(nn.ReLU(), ["warning"]), (nn.Identity(), [])])
def test_so_do_the_scores_that_are_one_of_two_answers(end, told) -> None:
    def call(own: Calls, x: Tensor) -> tuple[Tensor, Tensor]:
        h = own.trunk(x).relu()
        return own.end(own.scores(h)), own.offset(h)

    def loss(output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(output[0], target[0]) + F.mse_loss(output[1], target[1])

    model = Calls(call, trunk=nn.Linear(20, WIDTH), scores=nn.Linear(WIDTH, 4), offset=nn.Linear(WIDTH, 1), end=end)
    target = classes(), torch.randn(SAMPLES, 1)
    assert severities(found(model, rows(), target, loss, "double-softmax")) == told


class Gaussian(nn.Module):
    def __init__(self, positive: nn.Module) -> None:
        super().__init__()
        self.body, self.positive = mlp(units=2), positive

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self.body(x).chunk(2, -1)
        return mean, self.positive(spread)


@pytest.mark.parametrize(("positive", "told"), [(nn.ReLU(), ["warning"]), (nn.Softplus(), [])])
def test_no_relu_gives_a_variance(positive, told) -> None:
    def loss(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        return F.gaussian_nll_loss(output[0], target, output[1])

    assert severities(found(Gaussian(positive), rows(), torch.randn(SAMPLES, 1), loss, "target-range")) == told


def latent(factor: float, *, cut: bool) -> nn.Module:
    def call(own: Calls, x: Tensor) -> Tensor:
        mean, spread = own.into(x).chunk(2, -1)
        spread = spread.relu() if cut else spread
        return own.back(mean + (factor * spread).exp() * torch.randn_like(mean))

    return Calls(call, into=nn.Linear(20, 16), back=nn.Linear(8, 20))


@pytest.mark.parametrize(("factor", "cut", "told"), [(0.5, True, ["warning"]), (0.5, False, []), (-1.0, True, [])])
def test_the_logarithm_of_a_spread_is_cut_off_nowhere_unless_it_is_a_decay(factor, cut, told) -> None:
    inputs = rows()
    assert severities(found(latent(factor, cut=cut), inputs, inputs, F.mse_loss, "target-range")) == told


# ---- softmaxes ----


class Tagger(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.table, self.steps, self.head = (
            nn.Embedding(50, WIDTH),
            nn.GRU(WIDTH, WIDTH, batch_first=True),
            nn.Linear(WIDTH, 5),
        )
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.steps(self.table(x))[0]).log_softmax(self.axis).mT


@pytest.mark.parametrize(("axis", "told"), [(0, ["error"]), (1, ["error"]), (-1, [])])
def test_a_likelihood_wants_the_softmax_along_the_classes(axis, told) -> None:
    words, tags = torch.randint(0, 50, (16, 9)), torch.randint(0, 5, (16, 9))
    assert severities(found(Tagger(axis), words, tags, F.nll_loss, "softmax-axis")) == told
    assert not found(Tagger(axis), words, tags, F.nll_loss, "missing-softmax")


@pytest.mark.parametrize(("between", "told"), [(nn.Softmax(-1), ["warning"]), (nn.ReLU(), [])])
def test_the_scores_of_classes_are_made_of_no_softmax(between, told) -> None:
    model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), between, nn.Linear(128, 4))
    assert severities(found(model, rows(), classes(), F.cross_entropy, "vanishing-gradient")) == told


def test_a_mixture_of_topics_is_one() -> None:
    model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 128), nn.Softmax(-1), nn.Linear(128, 20))
    inputs = rows()
    assert not found(model, inputs, inputs, F.mse_loss, "vanishing-gradient")


# ---- biases ----


def test_output_biases_beside_drowned_layers_are_a_part_of_these() -> None:
    model = nn.Sequential(nn.Linear(20, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 4))
    for layer in model[::2]:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.normal_(layer.bias, 0, 10)
    batch = initium.Batch((rows(),), target=classes())
    first = initium.diagnose(model, batch, F.cross_entropy).findings[0]
    assert first.code == "large-bias"
    nn.init.zeros_(model[0].bias)
    nn.init.zeros_(model[2].bias)
    assert initium.diagnose(model, batch, F.cross_entropy).findings[0].code == "output-prior"


def test_labels_of_two_classes_are_told_as_before() -> None:
    assert severities(found(mlp(nn.Sigmoid()), rows(), coins(), nn.BCEWithLogitsLoss(), "double-softmax")) == [
        "warning"
    ]


# ---- what a loss keeps near each other before its softmax ----


def contrast(own: Calls, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return own.tower(one), own.tower(other), own.scale.exp()


def against_each_other(times: float | None):
    def loss(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
        one, other = (F.normalize(each, dim=-1) for each in output[:2])
        return F.cross_entropy(one @ other.T * (output[2] if times is None else times), target)

    return loss


@pytest.mark.parametrize(
    ("times", "told"), [(0.07, ["warning"]), (0.5, ["warning"]), (1.0, []), (2.0, []), (1 / 0.07, []), (None, [])]
)
def test_cosines_are_divided_by_a_temperature_and_not_multiplied(times, told) -> None:
    model = Calls(contrast, tower=nn.Linear(20, WIDTH), scale=nn.Parameter(torch.tensor(2.6)))
    loss = against_each_other(times)
    assert severities(found(model, (rows(), rows()), torch.arange(SAMPLES), loss, "double-softmax")) == told


@pytest.mark.parametrize(("times", "told"), [(0.1, ["warning"]), (1.0, []), (10.0, [])])
@pytest.mark.parametrize("hidden", [-1e9, -torch.inf])
def test_so_are_those_of_one_tower_where_none_is_compared_with_itself(times, told, hidden) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        units = F.normalize(output, dim=-1)
        return F.cross_entropy((units @ units.T * times).masked_fill(torch.eye(len(units)).bool(), hidden), target)

    partners = torch.arange(SAMPLES).roll(SAMPLES // 2)
    assert severities(found(mlp(units=WIDTH), rows(), partners, loss, "double-softmax")) == told


@pytest.mark.parametrize(
    ("squash", "told"), [(torch.sigmoid, ["warning"]), (lambda z: 10 * z.tanh(), []), (lambda z: z / 10, [])]
)
def test_a_loss_that_squashes_scores_itself_is_found(squash, told) -> None:
    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(squash(output), target)

    assert severities(found(mlp(units=4), rows(), classes(), loss, "double-softmax")) == told
