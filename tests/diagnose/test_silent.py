"""Faults that change no size: what does nothing, sees nothing or reads the wrong numbers is found, its twin is not."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from initium.records import Finding

CODES = {
    "attention-collapse",
    "batch-axis",
    "degenerate-batchnorm",
    "frozen-weight",
    "missing-activation",
    "softmax-axis",
    "target-range",
    "unused-parameter",
    "vanishing-gradient",
    "vanishing-signal",
}


pytestmark = pytest.mark.usefixtures("drawn_alike")


def found(model: nn.Module, given: object, target: Tensor, loss=F.cross_entropy) -> list[Finding]:
    arguments = given if isinstance(given, tuple) else (given,)
    report = initium.diagnose(model, initium.Batch(arguments, target=target), loss)
    return [each for each in report.at_least("warning") if each.code in CODES]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.severity, each.code) for each in findings]


def classes(samples: int = 64, count: int = 4) -> Tensor:
    return torch.arange(samples) % count


# ---- what does nothing ----


@pytest.mark.parametrize(
    ("idle", "bent"),
    [
        (nn.LeakyReLU(1.0), nn.LeakyReLU(0.9)),
        (nn.Hardtanh(-1e9, 1e9), nn.Hardtanh(-1.0, 1.0)),
    ],
    ids=["leaky ReLU", "clamp"],
)
def test_an_activation_that_bends_nothing_is_none(idle: nn.Module, bent: nn.Module) -> None:
    def model(activation: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Linear(20, 64), activation, nn.Linear(64, 64), activation, nn.Linear(64, 4))

    assert told(found(model(idle), torch.randn(64, 20), classes())) == [("warning", "missing-activation")]
    assert found(model(bent), torch.randn(64, 20), classes()) == []


class Branches(nn.Module):
    def __init__(self, factor: float | Tensor) -> None:
        super().__init__()
        self.one, self.other, self.head = nn.Linear(20, 64), nn.Linear(20, 64), nn.Linear(64, 4)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.one(x).relu() + self.factor * self.other(x).relu())


def test_a_branch_times_a_written_zero_never_learns() -> None:
    (finding,) = found(Branches(0.0), torch.randn(64, 20), classes())
    assert (finding.severity, finding.code, finding.layers) == ("warning", "unused-parameter", ("other.weight",))
    assert found(Branches(0.5), torch.randn(64, 20), classes()) == []


def test_a_zero_that_learns_is_no_written_zero() -> None:
    assert found(Branches(nn.Parameter(torch.zeros(()))), torch.randn(64, 20), classes()) == []


class Listed(nn.Module):
    def __init__(self, keep) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(20, 32), nn.Linear(32, 4)
        self.hidden = keep([nn.Linear(32, 32) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        for layer in self.hidden:
            x = layer(x).relu()
        return self.head(x)


def test_layers_in_a_plain_list_are_nobodys() -> None:
    assert told(found(Listed(list), torch.randn(64, 20), classes())) == [("warning", "unused-parameter")]
    assert found(Listed(nn.ModuleList), torch.randn(64, 20), classes()) == []
    held = Listed(list)
    for layer in held.hidden:
        layer.requires_grad_(requires_grad=False)  # a teacher that is kept from the optimizer on purpose
    assert found(held, torch.randn(64, 20), classes()) == []


class Passed(nn.Module):
    """An encoder whose last state is the decoder's first."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self.read, self.write = nn.GRU(8, 32, batch_first=True), nn.GRU(8, 32, batch_first=True)
        self.head, self.cut = nn.Linear(32, 4), cut

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        state = self.read(x)[1]
        return self.head(self.write(y, state.detach() if self.cut else state)[0][:, -1])


def test_an_encoder_whose_state_is_detached_is_cut_off() -> None:
    given = torch.randn(64, 12, 8), torch.randn(64, 6, 8)
    (finding,) = found(Passed(cut=True), given, classes())
    assert (finding.severity, finding.code) == ("warning", "unused-parameter")
    assert set(finding.layers) == {"read.weight_ih_l0", "read.weight_hh_l0"}
    assert found(Passed(cut=False), given, classes()) == []


# ---- what was never trained ----


def backbone(*, trained: bool, frozen: bool = True) -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    for layer in (body[0], body[2]):
        strong = torch.linspace(0.2, 1.8, len(layer.weight)) if trained else torch.ones(len(layer.weight))
        layer.weight.data *= strong[:, None, None, None]
    body.requires_grad_(requires_grad=not frozen)
    return nn.Sequential(body, nn.Flatten(), nn.Linear(64, 4))


def test_a_frozen_backbone_as_it_was_drawn_was_never_loaded() -> None:
    given = torch.randn(16, 3, 12, 12), classes(16)
    (finding,) = found(backbone(trained=False), *given)
    assert (finding.severity, finding.code, finding.layers) == (
        "warning",
        "frozen-weight",
        ("0.0.weight", "0.2.weight"),
    )
    assert found(backbone(trained=True), *given) == []
    assert found(backbone(trained=False, frozen=False), *given) == []


@pytest.mark.parametrize(
    "draw", [nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.trunc_normal_, nn.init.orthogonal_]
)
def test_every_law_of_the_field_is_known_for_a_draw(draw) -> None:
    model = backbone(trained=False)
    for layer in (model[0][0], model[0][2]):
        draw(layer.weight)
    assert ("warning", "frozen-weight") in told(found(model, torch.randn(16, 3, 12, 12), classes(16)))


def test_stored_statistics_of_nobody_are_a_warning_where_a_loss_is_given() -> None:
    model = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
    assert told(found(model.eval(), torch.randn(64, 20), classes())) == [("warning", "degenerate-batchnorm")]
    assert found(model.train(), torch.randn(64, 20), classes()) == []


# ---- what is not seen ----


class Tokens(nn.Module):
    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.head, self.turned = nn.Linear(32, 4), turned

    def forward(self, ids: Tensor) -> Tensor:
        hidden = ids != 0 if self.turned else ids == 0
        return self.head(self.layer(self.table(ids), src_key_padding_mask=hidden)[:, 0])


def padded() -> Tensor:
    ids, lengths = torch.randint(1, 50, (32, 12)), torch.randint(3, 11, (32, 1))
    return ids.masked_fill(torch.arange(12) >= lengths, 0)


def test_a_mask_that_shows_padding_alone_is_the_wrong_way_round() -> None:
    (finding,) = found(Tokens(turned=True), padded(), classes(32))
    assert (finding.severity, finding.code) == ("error", "attention-collapse")
    assert found(Tokens(turned=False), padded(), classes(32)) == []


class Vectors(nn.Module):
    """An attention that is written out, with a large negative number for a mask."""

    def __init__(self, *, turned: bool) -> None:
        super().__init__()
        self.query, self.key, self.value, self.head = (nn.Linear(32, units) for units in (32, 32, 32, 4))
        self.turned = turned

    def forward(self, x: Tensor) -> Tensor:
        nothing = (x == 0).all(-1)
        hidden = ~nothing if self.turned else nothing
        scores = self.query(x) @ self.key(x).mT / 32**0.5
        weights = scores.masked_fill(hidden[:, None], -1e9).softmax(-1)
        return self.head((weights @ self.value(x)).relu()[:, 0])


def test_so_it_is_where_padding_is_the_zero_vector() -> None:
    given = torch.randn(32, 12, 32) * (padded() != 0)[..., None]
    assert told(found(Vectors(turned=True), given, classes(32)))[:1] == [("error", "attention-collapse")]
    assert found(Vectors(turned=False), given, classes(32)) == []


class Hops(nn.Module):
    """A graph network: each layer averages what it reads over neighbours."""

    def __init__(self, count: int) -> None:
        super().__init__()
        near = (torch.rand(100, 100) < 0.08) | torch.eye(100).bool()
        near = (near | near.T).float()
        root = near.sum(1).rsqrt()  # nodes of many neighbours keep a larger size, and point the same way
        self.register_buffer("near", near * root * root[:, None])
        widths = [20, *[64] * count]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.head = nn.Linear(64, 4)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = (self.near @ layer(x)).relu()
        return self.head(x)


def test_nodes_that_are_averaged_again_and_again_grow_alike() -> None:
    assert told(found(Hops(16), torch.randn(100, 20), classes(100))) == [("error", "vanishing-signal")]
    assert found(Hops(2), torch.randn(100, 20), classes(100)) == []


class Steps(nn.Module):
    def __init__(self, *, orthogonal: bool, last: bool = True) -> None:
        super().__init__()
        self.steps, self.head, self.last = nn.RNN(4, 64, batch_first=True), nn.Linear(64, 4), last
        if orthogonal:
            nn.init.orthogonal_(self.steps.weight_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        states = self.steps(x)[0]
        return self.head(states[:, -1] if self.last else states.mean(1))


def test_a_plain_recurrent_layer_that_forgets_half_of_its_steps_is_found() -> None:
    long = torch.randn(32, 100, 4)
    (finding,) = found(Steps(orthogonal=False), long, classes(32))
    assert (finding.severity, finding.code) == ("warning", "vanishing-gradient")
    assert found(Steps(orthogonal=True), long, classes(32)) == []
    assert found(Steps(orthogonal=False, last=False), long, classes(32)) == []
    assert found(Steps(orthogonal=False), long[:, :28], classes(32)) == []


# ---- what is read of the wrong numbers ----


class Both(nn.Module):
    def __init__(self, cut) -> None:
        super().__init__()
        self.steps = nn.GRU(8, 24, batch_first=True, bidirectional=True)
        self.head, self.cut = nn.Linear(48, 4), cut

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cut(self.steps(x)[1], len(x)))


def test_states_of_two_directions_are_not_cut_by_a_view() -> None:
    given = torch.randn(32, 12, 8)
    (finding,) = found(Both(lambda h, n: h.reshape(n, -1)), given, classes(32))
    assert (finding.severity, finding.code, finding.layers) == ("error", "batch-axis", ("head.weight",))
    assert found(Both(lambda h, n: h.transpose(0, 1).reshape(n, -1)), given, classes(32)) == []
    assert found(Both(lambda h, _: torch.cat([h[0], h[1]], -1)), given, classes(32)) == []


class Pooled(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.steps, self.score, self.head = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 1), nn.Linear(32, 4)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        states = self.steps(x)[0]
        return self.head((self.score(states).softmax(self.axis) * states).sum(1))


def test_a_softmax_over_samples_is_followed_from_the_batch() -> None:
    given = torch.randn(32, 12, 8)
    assert told(found(Pooled(0), given, classes(32))) == [("error", "softmax-axis")]
    assert found(Pooled(1), given, classes(32)) == []


def test_a_view_is_no_transposition() -> None:
    class Turned(nn.Sequential):
        turn = staticmethod(lambda x: x.reshape(-1, 3, 16, 16))

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(self.turn(x))

    model = Turned(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    given = torch.randn(32, 16, 16, 3)
    assert told(found(model, given, classes(32))) == [("warning", "batch-axis")]
    Turned.turn = staticmethod(lambda x: x.permute(0, 3, 1, 2))
    assert found(model, given, classes(32)) == []


def test_several_ones_under_the_softmax_of_the_loss_exclude_each_other() -> None:
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 6))
    several = (torch.rand(64, 6) < 0.4).float()
    assert told(found(model, torch.randn(64, 20), several)) == [("warning", "target-range")]
    assert found(model, torch.randn(64, 20), several, F.binary_cross_entropy_with_logits) == []
    assert found(model, torch.randn(64, 20), torch.rand(64, 6).softmax(1)) == []
