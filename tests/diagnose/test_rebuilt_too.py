"""More programs rebuilt from public issues: masks, views, sums over all samples, states, layers that are one."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diagnose.programs import Calls, classes, found, rows, severities

pytestmark = pytest.mark.usefixtures("drawn_alike")


SAMPLES, STEPS, WIDTH = 16, 9, 32


# ---- what a mask fills in ----


def masked(mask: Tensor, fill: object) -> nn.Module:
    def call(own: Calls, x: Tensor) -> Tensor:
        scores = own.q(x) @ own.k(x).mT / WIDTH**0.5
        return own.head((x + scores.masked_fill(mask, fill).softmax(-1) @ own.v(x)).mean(1))

    return Calls(call, head=nn.Linear(WIDTH, 4), **{name: nn.Linear(WIDTH, WIDTH) for name in "qkv"})


CAUSAL = torch.ones(STEPS, STEPS, dtype=torch.bool).triu(1)


@pytest.mark.parametrize(
    ("fill", "told"),
    [
        (1e-9, ["warning"]),
        (0, ["warning"]),
        (torch.tensor(-1e-12), ["warning"]),
        (-1e9, []),
        (-100.0, []),
        (-math.inf, []),
    ],
)
def test_what_hides_a_key_is_far_below_the_scores(fill, told) -> None:
    batch = torch.randn(SAMPLES, STEPS, WIDTH)
    assert (
        severities(found(masked(CAUSAL, fill), batch, classes(SAMPLES), F.cross_entropy, "attention-collapse")) == told
    )


def test_a_row_that_is_hidden_whole_may_be_given_zeros() -> None:
    blind = torch.zeros(STEPS, STEPS, dtype=torch.bool)
    blind[-2:] = True
    batch = torch.randn(SAMPLES, STEPS, WIDTH)
    assert not found(masked(blind, 0.0), batch, classes(SAMPLES), F.cross_entropy, "attention-collapse")


# ---- a column against a row, inside of a loss ----


@pytest.mark.parametrize(("keeps", "told"), [(False, ["error"]), (True, [])])
def test_labels_in_a_column_do_not_multiply_distances_in_a_row(keeps, told) -> None:
    def loss(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        distance = F.pairwise_distance(*output, keepdim=keeps)
        return ((1 - target) * distance**2 + target * (2 - distance).relu() ** 2).mean()

    model = Calls(lambda own, one, other: (own.tower(one), own.tower(other)), tower=nn.Linear(20, WIDTH))
    labels = classes(64, 2)[:, None].float()
    assert severities(found(model, (rows(), rows()), labels, loss, "broadcast-target")) == told


# ---- sums over all ----


def centred(own: Calls, x: Tensor) -> Tensor:
    h = own.hidden(x).relu()
    advantage = own.advantage(h)
    return own.value(h) + advantage - (advantage.mean() if own.training else advantage.mean(1, keepdim=True))


def scaled(own: Calls, x: Tensor) -> Tensor:
    h = own.hidden(x).relu()
    return own.advantage(h / (h.norm() if own.training else h.norm(dim=-1, keepdim=True)))


@pytest.mark.parametrize("call", [centred, scaled])
def test_a_mean_or_a_norm_over_all_samples_comes_back_into_none(call) -> None:
    parts = {"hidden": nn.Linear(20, WIDTH), "advantage": nn.Linear(WIDTH, 4), "value": nn.Linear(WIDTH, 1)}
    model = Calls(call, **parts)
    assert severities(found(model, rows(), classes(64), F.cross_entropy, "batch-axis")) == ["warning"]
    assert not found(model.eval(), rows(), classes(64), F.cross_entropy, "batch-axis")


@pytest.mark.parametrize("norm", [F.layer_norm, F.rms_norm])
@pytest.mark.parametrize(("first", "told"), [(0, ["warning"]), (1, [])])
def test_a_norm_whose_shape_holds_the_samples_makes_each_depend_on_the_others(norm, first, told) -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        h = own.hidden(x).relu()
        return own.head(norm(h, h.shape[first:]))

    model = Calls(call, hidden=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    assert severities(found(model, rows(), classes(64), F.cross_entropy, "batch-axis")) == told


def test_a_norm_over_the_nodes_of_one_graph_as_a_layer_norm_is_meant() -> None:
    def call(own: Calls, x: Tensor, edges: Tensor) -> Tensor:
        h = (edges @ own.hidden(x)).relu()
        return own.head(edges @ F.layer_norm(h, h.shape))

    model = Calls(call, hidden=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    batch = rows(), torch.eye(64) + 0.1 * (torch.rand(64, 64) < 0.1)
    assert not found(model, batch, classes(64), F.cross_entropy, "batch-axis")


def test_a_norm_over_all_nodes_of_one_graph_is_meant() -> None:
    def call(own: Calls, x: Tensor, edges: Tensor) -> Tensor:
        h = (edges @ own.hidden(x)).relu()
        h = h - h.mean(0)
        return own.head(edges @ (h / h.square().mean().sqrt()))

    model = Calls(call, hidden=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    edges = (torch.rand(64, 64) < 0.1).float() + torch.eye(64)
    batch = rows(), edges / edges.sum(1, keepdim=True)
    assert not found(model, batch, classes(64), F.cross_entropy, "batch-axis")


def test_the_range_of_a_quantiser_is_one_for_all() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        h = own.hidden(x)
        step = h.abs().max() / 127
        return own.head(h + ((h / step).round() * step - h).detach())

    model = Calls(call, hidden=nn.Linear(20, WIDTH), head=nn.Linear(WIDTH, 4))
    assert not found(model, rows(), classes(64), F.cross_entropy, "batch-axis")


# ---- views ----


def as_tokens(own: Calls, x: Tensor) -> Tensor:
    maps = own.patches(x)  # samples, channels, rows, columns
    tokens = maps.reshape(len(x), -1, maps.shape[1]) if own.training else maps.flatten(2).mT
    return own.head(own.mix(tokens).relu().mean(1))


def as_maps(own: Calls, x: Tensor) -> Tensor:
    tokens = own.mix(own.patches(x).flatten(2).mT)  # samples, places, channels
    maps = tokens.reshape(len(x), -1, 8, 8) if own.training else tokens.mT.reshape(len(x), -1, 8, 8)
    return own.head(own.smooth(maps).relu().mean((2, 3)))


@pytest.mark.parametrize("call", [as_tokens, as_maps])
def test_a_view_makes_no_places_by_channels_of_an_image_nor_the_other_way_round(call) -> None:
    model = Calls(
        call,
        patches=nn.Conv2d(3, WIDTH, 4, 4),
        mix=nn.Linear(WIDTH, WIDTH),
        smooth=nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        head=nn.Linear(WIDTH, 4),
    )
    batch = torch.randn(SAMPLES, 3, 32, 32)
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "batch-axis")) == ["warning"]
    assert not found(model.eval(), batch, classes(SAMPLES), F.cross_entropy, "batch-axis")


def test_an_image_with_its_channels_last_is_viewed_as_places() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        maps = own.mix(x)  # samples, rows, columns, channels: as many as rows
        return own.head(maps.view(len(x), -1, maps.shape[-1]).relu().mean(1))

    model = Calls(call, mix=nn.Linear(3, 8), head=nn.Linear(8, 4))
    assert not found(model, torch.randn(SAMPLES, 8, 8, 3), classes(SAMPLES), F.cross_entropy, "batch-axis")


# ---- states, pairs, places of a container, towers ----


@pytest.mark.parametrize(("keeps", "told"), [(False, ["warning"]), (True, [])])
@pytest.mark.parametrize("cell", [nn.GRUCell, nn.RNNCell])
def test_a_cell_that_begins_anew_at_every_step_reads_zeros(cell, keeps, told) -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        first = state = torch.zeros(len(x), WIDTH)
        for step in range(x.shape[1]):
            state = own.cell(x[:, step], state if keeps else first)
        return own.head(state)

    model = Calls(call, cell=cell(8, WIDTH), head=nn.Linear(WIDTH, 4))
    batch = torch.randn(SAMPLES, STEPS, 8)
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "unused-parameter")) == told


def test_a_cell_that_is_called_once_may_begin_with_zeros() -> None:
    model = Calls(
        lambda own, x: own.head(own.cell(x, torch.zeros(len(x), WIDTH))),
        cell=nn.GRUCell(8, WIDTH),
        head=nn.Linear(WIDTH, 4),
    )
    assert not found(model, torch.randn(SAMPLES, 8), classes(SAMPLES), F.cross_entropy, "unused-parameter")


@pytest.mark.parametrize(("between", "told"), [(64, ["warning"]), (WIDTH, []), (2, [])])
def test_a_middle_wider_than_both_ends_is_no_factorisation(between, told) -> None:
    backbone = [part for _ in range(3) for part in (nn.Linear(WIDTH, WIDTH), nn.ReLU())]
    head = nn.Linear(WIDTH, between), nn.Linear(between, 4)
    model = nn.Sequential(*backbone, *head)
    batch = torch.randn(64, WIDTH)
    assert severities(found(model, batch, classes(64), F.cross_entropy, "missing-activation")) == told


class Towers(nn.Module):
    def __init__(self, towers: nn.ModuleList) -> None:
        super().__init__()
        self.towers, self.head = towers, nn.Linear(2 * WIDTH, 4)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        both = [self.towers[place](each).relu() for place, each in enumerate((one, other))]
        return self.head(torch.cat(both, -1))


def test_two_inputs_have_no_layer_that_is_in_a_list_twice() -> None:
    given = rows(), rows()
    one = nn.ModuleList([nn.Linear(20, WIDTH)] * 2)
    two = nn.ModuleList(nn.Linear(20, WIDTH) for _ in range(2))
    assert severities(found(Towers(one), given, classes(64), F.cross_entropy, "shared-weight")) == ["warning"]
    assert not found(Towers(two), given, classes(64), F.cross_entropy, "shared-weight")


def test_twins_that_are_one_by_name_are_meant() -> None:
    model = Calls(
        lambda own, one, other: own.head(own.twin(one).relu() * own.twin(other).relu()),
        twin=nn.Linear(20, WIDTH),
        head=nn.Linear(WIDTH, 4),
    )
    assert not found(model, (rows(), rows()), classes(64), F.cross_entropy, "shared-weight")


@pytest.mark.parametrize(("gain", "told"), [(0.01, ["warning", "warning"]), (1.0, [])])
def test_towers_are_judged_together(gain, told) -> None:
    def tower() -> nn.Module:
        layers = [nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
        for layer in layers[::2]:
            nn.init.orthogonal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(*layers)

    def call(own: Calls, x: Tensor) -> tuple[Tensor, Tensor]:
        return own.policy(own.actor(x)), own.value(own.critic(x))

    def loss(output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(output[0], target[0]) + F.mse_loss(output[1], target[1])

    model = Calls(call, actor=tower(), critic=tower(), policy=nn.Linear(64, 4), value=nn.Linear(64, 1))
    target = classes(64), torch.randn(64, 1)
    assert severities(found(model, rows(), target, loss, "gain-mismatch")) == told


# ---- zero times zero, scores of one number, weights in a row ----


class Gated(nn.Module):
    """Residual branches behind a gate; the last weight of each begins at zero."""

    def __init__(self, gate: float) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(20, WIDTH), nn.Linear(WIDTH, 4)
        self.inner, self.last = (nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3)) for _ in range(2))
        self.gates = nn.ParameterList(torch.full((1,), gate) for _ in range(3))
        for layer in self.last:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for inner, last, gate in zip(self.inner, self.last, self.gates, strict=True):
            x = x + gate * last(inner(x).relu())
        return self.head(x)


@pytest.mark.parametrize(("gate", "told"), [(0.0, ["warning"]), (1.0, [])])
def test_a_zero_gate_before_a_zero_weight_is_two_zeros(gate, told) -> None:
    assert severities(found(Gated(gate), rows(), classes(64), F.cross_entropy, "vanishing-gradient")) == told


def test_a_head_of_zeros_beside_them_begins_without_a_gradient() -> None:
    model = Gated(1.0)
    nn.init.zeros_(model.head.weight)
    assert not found(model, rows(), classes(64), F.cross_entropy, "unused-parameter")


@pytest.mark.parametrize(("axis", "told"), [(2, ["warning"]), (1, [])])
def test_scores_that_are_summed_and_keep_their_axis_are_weighed_over_the_steps(axis, told) -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        scores = (own.make(x).tanh() * own.context.weight).sum(2, keepdim=True)
        return own.head((scores.softmax(axis) * x).sum(1))

    model = Calls(call, make=nn.Linear(WIDTH, WIDTH), context=nn.Embedding(1, WIDTH), head=nn.Linear(WIDTH, 4))
    batch = torch.randn(SAMPLES, STEPS, WIDTH)
    assert severities(found(model, batch, classes(SAMPLES), F.cross_entropy, "softmax-axis")) == told


@pytest.mark.parametrize(("bend", "told"), [(torch.clone, ["warning"]), (torch.tanh, [])])
def test_additive_scores_have_their_tanh(bend, told) -> None:
    def call(own: Calls, query: Tensor, memory: Tensor) -> Tensor:
        both = torch.cat([query[:, None].expand_as(memory), memory], 2)
        shares = own.score(bend(own.mix(both))).squeeze(2).softmax(1)
        return own.head(own.out((shares[:, None] @ memory)[:, 0]).relu())

    parts = {"mix": nn.Linear(2 * WIDTH, WIDTH), "score": nn.Linear(WIDTH, 1, bias=False)}
    model = Calls(call, **parts, out=nn.Linear(WIDTH, WIDTH), head=nn.Linear(WIDTH, 4))
    given = torch.randn(SAMPLES, WIDTH), torch.randn(SAMPLES, STEPS, WIDTH)
    assert severities(found(model, given, classes(SAMPLES), F.cross_entropy, "missing-activation")) == told


@pytest.mark.parametrize(("bend", "told"), [(nn.Identity, ["warning"]), (nn.ReLU, [])])
def test_a_decoder_of_three_weights_in_a_row_is_one(bend, told) -> None:
    encoder = [part for _ in range(4) for part in (nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(0.2))]
    decoder = [part for _ in range(2) for part in (nn.Linear(WIDTH, WIDTH), bend())]
    model = nn.Sequential(*encoder, *decoder, nn.Linear(WIDTH, WIDTH), nn.Tanh())
    batch = 0.5 * torch.randn(64, WIDTH).tanh()
    assert severities(found(model, batch, batch, F.mse_loss, "missing-activation")) == told


def test_a_squared_weight_may_itself_be_what_is_too_large() -> None:
    def call(own: Calls, x: Tensor) -> Tensor:
        pairs = (x @ own.factors).square() - x.square() @ own.factors.square()  # a factorisation machine
        return torch.sigmoid(own.line(x) + pairs.sum(1, keepdim=True) / 2)

    model = Calls(call, factors=nn.Parameter(torch.randn(20, 16)), line=nn.Linear(20, 1))
    (told,) = found(model, rows(), classes(64, 2)[:, None].float(), F.binary_cross_entropy, "saturation")
    assert "factors" in told.layers
    assert "the weight itself" in told.cause
