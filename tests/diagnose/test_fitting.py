"""Targets, scales, tables, stacks and freezing: the faulty program is found first, its twin and its likes are not."""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium

WIDTH = 32
Made = tuple[nn.Module, Tensor, Tensor, Callable[..., Tensor]]


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def perceptron(out: int, *end: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, out), *end)


def regression(change: Callable[[Tensor], Tensor], loss: Callable[..., Tensor] = F.mse_loss, *end: nn.Module) -> Made:
    given = torch.randn(128, WIDTH)
    return perceptron(1, *end), given, change(given[:, :1]), loss


def classes(model: nn.Module, given: Tensor) -> Made:
    return model, given, torch.arange(len(given)) % 10, F.cross_entropy


def found(made: Made) -> list[tuple[str, str]]:
    model, given, target, loss = made
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using a target size")
        report = initium.diagnose(model, initium.Batch((given,), target=target), loss)
    return [(each.severity, each.code) for each in report.findings if each.severity != "info"]


def normed(scale: float | None) -> Made:
    layers = [part for _ in range(3) for part in (nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU())]
    if scale is not None:
        nn.init.constant_(layers[4].weight, scale)
    return classes(nn.Sequential(*layers, nn.Linear(WIDTH, 10)), torch.randn(64, WIDTH))


def stack(*, once: bool) -> Made:
    def layer() -> nn.Module:
        return nn.TransformerEncoderLayer(WIDTH, 4, 64, 0.0, batch_first=True)

    first = layer()
    model = nn.Sequential(
        *([first] * 3 if once else (layer() for _ in range(3))), nn.Flatten(), nn.Linear(8 * WIDTH, 10)
    )
    return classes(model, torch.randn(16, 8, WIDTH))


class Words(nn.Module):
    """Tokens and positions, and an answer of their mean."""

    def __init__(self, *, empty: int = 0, positions: float = 0.02, value: float = 0.0) -> None:
        super().__init__()
        self.tokens, self.places = (
            nn.Embedding(100, WIDTH, padding_idx=0),
            nn.Parameter(positions * torch.randn(12, WIDTH)),
        )
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.constant_(self.tokens.weight[100 - empty :], value)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.tokens(x) + self.places).mean(1))


class Choosing(nn.Module):
    """One of several tables is chosen, by argmax or softly."""

    def __init__(self, *, hard: bool) -> None:
        super().__init__()
        self.scores, self.table, self.head = nn.Linear(WIDTH, 8), nn.Embedding(8, WIDTH), nn.Linear(WIDTH, 10)
        self.hard = hard

    def forward(self, x: Tensor) -> Tensor:
        scores = self.scores(x)
        return self.head(x + (self.table(scores.argmax(-1)) if self.hard else scores.softmax(-1) @ self.table.weight))


class Leaving(nn.Module):
    """Its values leave torch on the way."""

    def __init__(self, *, leaves: bool) -> None:
        super().__init__()
        self.body, self.head, self.leaves = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 10), leaves

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x).relu()
        return self.head(torch.as_tensor(hidden.detach().numpy()) if self.leaves else hidden)


class Attention(nn.Module):
    """A softmax over an axis of choice."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.head, self.axis = nn.Linear(WIDTH, 10), axis

    def forward(self, x: Tensor) -> Tensor:
        scores = self.q(x) @ self.k(x).mT / WIDTH**0.5
        return self.head((scores.softmax(self.axis) @ self.v(x)).mean(1))


class Routed(nn.Module):
    """Experts that a softmax weighs."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.router, self.head = nn.Linear(WIDTH, 4), nn.Linear(WIDTH, 10)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) for _ in range(4))
        nn.init.normal_(self.router.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        share = self.router(x).softmax(-1)
        return self.head(sum(share[:, at : at + 1] * each(x) for at, each in enumerate(self.experts)))


class Update(nn.Module):
    """A frozen weight, and two factors beside it."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.whole = nn.Linear(WIDTH, WIDTH).requires_grad_(requires_grad=False)
        self.down, self.up = nn.Parameter(first * torch.randn(4, WIDTH)), nn.Parameter(torch.zeros(WIDTH, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.whole(x) + x @ self.down.T @ self.up.T


def updated(first: float) -> Made:
    return classes(
        nn.Sequential(Update(first), nn.ReLU(), Update(first), nn.ReLU(), nn.Linear(WIDTH, 10)), torch.randn(64, WIDTH)
    )


def frozen(*places: int) -> Made:
    model = perceptron(10)
    for place in places:
        model[place].requires_grad_(requires_grad=False)
        model[place].weight.data *= torch.linspace(
            0.5, 1.5, model[place].weight.shape[1]
        )  # strong and weak inputs, as training leaves them
    return classes(model, torch.randn(64, WIDTH))


def words(**how: Any) -> Made:
    return classes(Words(**how), torch.randint(1, 100, (32, 12)))


def pictures(scale: float) -> Made:
    class Bytes(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.float() * scale - float(scale < 1))

    body = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return classes(Bytes(*body), torch.randint(0, 256, (16, 3, 12, 12), dtype=torch.uint8))


PAIRS: dict[str, tuple[str, Callable[[], Made], Callable[[], Made]]] = {
    "targets in the thousands": (
        "target-scale",
        lambda: regression(lambda t: 300 * t + 5000),
        lambda: regression(lambda t: t),
    ),
    "targets of 1e-4": ("target-scale", lambda: regression(lambda t: 1e-4 * t), lambda: regression(lambda t: t)),
    "prices, by their distance": (
        "target-scale",
        lambda: regression(lambda t: 2e5 + 5e4 * t, F.l1_loss),
        lambda: regression(lambda t: t, F.l1_loss),
    ),
    "a column against a row": (
        "broadcast-target",
        lambda: regression(lambda t: t[:, 0]),
        lambda: regression(lambda t: t),
    ),
    "a sigmoid before a normal target": (
        "target-range",
        lambda: regression(lambda t: t, F.mse_loss, nn.Sigmoid()),
        lambda: regression(lambda t: t.sigmoid(), F.mse_loss, nn.Sigmoid()),
    ),
    "labels of -1 and 1": (
        "target-range",
        lambda: regression(lambda t: t.sign(), F.binary_cross_entropy_with_logits),
        lambda: regression(lambda t: (t > 0).float(), F.binary_cross_entropy_with_logits),
    ),
    "a norm's scale of 0": ("norm-scale", lambda: normed(0.0), lambda: normed(None)),
    "a norm's scale of 1e-4": ("norm-scale", lambda: normed(1e-4), lambda: normed(0.5)),
    "one layer three times": ("shared-weight", lambda: stack(once=True), lambda: stack(once=False)),
    "rows of zeros": ("dead-embedding", lambda: words(empty=60), lambda: words(empty=5)),
    "rows that are one row": (
        "dead-embedding",
        lambda: words(empty=99, value=0.05),
        lambda: words(empty=3, value=0.05),
    ),
    "positions that drown words": ("large-bias", lambda: words(positions=5.0), lambda: words(positions=0.1)),
    "scores behind an argmax": (
        "unused-parameter",
        lambda: classes(Choosing(hard=True), torch.randn(64, WIDTH)),
        lambda: classes(Choosing(hard=False), torch.randn(64, WIDTH)),
    ),
    "values that leave torch": (
        "unused-parameter",
        lambda: classes(Leaving(leaves=True), torch.randn(64, WIDTH)),
        lambda: classes(Leaving(leaves=False), torch.randn(64, WIDTH)),
    ),
    "a softmax over samples": (
        "softmax-axis",
        lambda: classes(Attention(0), torch.randn(16, 12, WIDTH)),
        lambda: classes(Attention(-1), torch.randn(16, 12, WIDTH)),
    ),
    "a router that has decided": (
        "saturation",
        lambda: classes(Routed(5.0), torch.randn(64, WIDTH)),
        lambda: classes(Routed(0.02), torch.randn(64, WIDTH)),
    ),
    "an update of two zeros": ("vanishing-gradient", lambda: updated(0.0), lambda: updated(0.2)),
    "a weight frozen amid others": ("frozen-weight", lambda: frozen(2), lambda: frozen(0)),
    "a model that is frozen": ("frozen-weight", lambda: frozen(0, 2, 4), lambda: frozen(0, 2)),
    "bytes of an image": ("input-scale", lambda: pictures(1.0), lambda: pictures(1 / 127.5)),
    "an input of 1e-6": (
        "input-scale",
        lambda: classes(perceptron(10), 1e-6 * torch.randn(64, WIDTH)),
        lambda: classes(perceptron(10), torch.eye(WIDTH).repeat(2, 1)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_cause_is_named_first_and_its_twin_is_healthy(name: str) -> None:
    code, sick, well = PAIRS[name]
    assert found(sick())[0][1] == code
    assert found(well()) == []


def test_a_scale_of_zero_that_ends_a_residual_branch_is_meant() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
            nn.init.zeros_(self.body[1].weight)

        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x + self.body(x))

    body = (nn.Conv2d(3, 8, 3), nn.ReLU(), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    assert found(classes(nn.Sequential(*body), torch.randn(32, 3, 12, 12))) == []


def test_a_scale_that_is_used_as_one_plus_w_may_be_zero() -> None:
    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(WIDTH))

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.w)

    assert (
        found(
            classes(
                nn.Sequential(nn.Linear(WIDTH, WIDTH), Norm(), nn.ReLU(), nn.Linear(WIDTH, 10)), torch.randn(64, WIDTH)
            )
        )
        == []
    )


def test_a_layer_that_is_called_again_under_one_name_is_meant() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = (
                nn.TransformerEncoderLayer(WIDTH, 4, 64, 0.0, batch_first=True),
                nn.Linear(WIDTH, 10),
            )

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = self.layer(x)
            return self.head(x.mean(1))

    assert found(classes(Deep(), torch.randn(16, 8, WIDTH))) == []


def test_a_model_that_answers_in_the_targets_units_is_left_alone() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = perceptron(1)

        def forward(self, x: Tensor) -> Tensor:
            return 5000 + 300 * self.body(x)

    _, given, target, loss = regression(lambda t: 300 * t + 5000)
    assert found((Scaled(), given, target, loss)) == []


def test_a_loss_of_ratios_does_not_feel_the_targets_size() -> None:
    def relative(output: Tensor, target: Tensor) -> Tensor:
        return ((output - target) / target).abs().mean()

    assert found(regression(lambda t: 5000 + 300 * t, relative)) == []


def test_a_teacher_beside_the_network_may_be_frozen() -> None:
    class Distilled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.student = perceptron(10)
            self.teacher = copy.deepcopy(self.student).requires_grad_(requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.student(x) + 0 * self.teacher(x)

    assert "frozen-weight" not in dict(map(reversed, found(classes(Distilled(), torch.randn(64, WIDTH)))))


class Counting(nn.Module):
    """A loss that remembers how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        return (output - target).square().mean()


def test_a_loss_that_is_asked_again_does_not_notice() -> None:
    loss = Counting()
    model, given, target, _ = regression(lambda t: 300 * t + 5000)
    assert found((model, given, target, loss))[0][1] == "target-scale"  # so it was asked
    assert loss.calls == 1
