"""A prediction knows laws and moments, and comes to what would be measured."""

import copy
import gc
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.errors import ArgumentError
from initium.network import Batch, read
from initium.random import Stream
from initium.signal import Law, measure, predict
from initium.signal import _laws as weights
from initium.signal import _predicting as predicting
from initium.signal._likeness import likeness
from initium.signal._products import SEEN, Product, RandomProduct

STREAM = Stream(0).child("x")
DRAWS = 4


def block(width=64):
    # Not nn.TransformerEncoder, whose layers are copies of one: their weights are not independent.
    layers = (nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True) for _ in range(2))
    return nn.Sequential(*layers)


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(48, 96, 3, stride=2, padding=1, groups=4), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 64),
    )  # fmt: skip


class Gated(nn.Module):
    """A gated unit on bare parameters, and a table."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 96)
        self.up = nn.Parameter(torch.randn(96, 256) / 96**0.5)
        self.down = nn.Parameter(torch.randn(128, 96) / 128**0.5)

    def forward(self, ids):
        x = self.table(ids)
        value, gate = (x @ self.up).chunk(2, -1)
        return x + (F.silu(gate) * value) @ self.down


NETS = {
    "transformer": (block, lambda: torch.randn(8, 16, 64)),
    "convolutional": (convolutional, lambda: torch.randn(8, 3, 16, 16)),
    "gated": (Gated, lambda: torch.randint(0, 50, (8, 16))),
    "recurrent": (lambda: nn.LSTM(32, 48, batch_first=True), lambda: torch.randn(8, 12, 32)),
}


@pytest.mark.parametrize("name", NETS)
def test_what_is_predicted_is_what_networks_of_that_law_measure(name):
    made, data = NETS[name]
    measured, count = [], 8
    for seed in range(count):
        torch.manual_seed(seed)
        net, batch = made(), data()
        measured.append(measure(net, batch).rows)
    signal = predict(net, batch, draws=DRAWS)
    assert signal.source == "predicted"
    for place, row in enumerate(signal.rows):
        for field in ("out_rms", "grad_rms", "weight_grad_norm"):
            logs = torch.tensor([math.log(getattr(rows[place], field)) for rows in measured])
            # Student's t with 7 degrees of freedom is beyond 9 once in 40,000; what is compared are two means.
            slack = 9 * float(logs.std()) * math.sqrt(1 / count + 1 / DRAWS)
            assert abs(math.log(getattr(row, field)) - float(logs.mean())) <= slack, (row.name, field)


def test_on_meta_a_wide_network_falls_as_the_recursion_says():
    width, depth = 8192, 6
    with torch.device("meta"):
        layers = [each for _ in range(depth) for each in (nn.Linear(width, width, bias=False), nn.ReLU())]
        net = nn.Sequential(*layers)
    signal = predict(net, torch.empty(4, width, device="meta"), {f"{2 * i}.weight": width**-0.5 for i in range(depth)})
    for place, row in enumerate(signal.rows):
        # E[y^2] = 2^-l; a layer adds 5 / width to the variance of log E[y^2], which is twice log rms.
        slack = 6 * 0.5 * math.sqrt(5 * (place + 1) / width)
        assert abs(math.log(row.out_rms) + place * math.log(2) / 2) <= slack
    assert all(row.weight_grad_norm > 0 for row in signal.rows)


@pytest.mark.parametrize("positions", [6, SEEN + 88])
def test_a_product_that_is_drawn_has_the_covariance_of_its_law(positions):
    units, inputs, std = 20_000, 2 * positions, 0.3
    torch.manual_seed(0)
    x = torch.randn(positions, inputs).requires_grad_()
    norms = {}
    product = Product((positions, units), std, inputs, units, exact=True, stream=STREAM, name="w", norms=norms)
    y = RandomProduct.apply(x, torch.zeros((), requires_grad=True), product)
    wanted = std**2 * x.detach() @ x.detach().T
    found = y.detach() @ y.detach().T / units
    own = wanted.diagonal()
    # An entry of a Wishart matrix; where rows are projected first, each of SEEN projections adds as much again.
    seen = 1 / units + (1 / SEEN if positions > SEEN else 0)
    slack = 6 * ((own[:, None] * own[None, :] + wanted**2) * seen).sqrt()
    assert bool(((found - wanted).abs() <= slack).all())
    g = torch.randn(positions, units)
    y.backward(g)
    size = float(x.grad.square().mean())
    # A sum of `inputs` independent columns, or, through projections, of as many more.
    assert abs(size / (std**2 * units) - 1) <= 6 * math.sqrt(
        2 * (1 / inputs + 1 / units + (1 / SEEN if positions > SEEN else 0))
    )
    exact = float((g.T @ x.detach()).norm())
    assert abs(norms["w"] / exact - 1) <= (1e-4 if positions <= SEEN else 6 / math.sqrt(positions))


def test_positions_that_are_alike_get_one_product_with_a_weight_that_is_not_drawn():
    torch.manual_seed(0)
    x = torch.randn(3, 40)[[0, 1, 2, 1, 0]].requires_grad_()
    product = Product((5, 30), 0.3, 40, 30, exact=True, stream=STREAM, name="w", norms={})
    y = RandomProduct.apply(x, torch.zeros((), requires_grad=True), product)
    # The root of covariances of rank 3 that are known to double precision.
    assert torch.allclose(y[3:], y[[1, 0]], atol=math.sqrt(2**-52) * 40)
    y.sum().backward()
    assert bool(x.grad.isfinite().all())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_input_that_is_not_finite_gives_a_product_that_is_not(bad):
    x = torch.ones(4, 40)
    x[2, 3] = bad
    product = Product((4, 30), 0.3, 40, 30, exact=True, stream=STREAM, name="w", norms={})
    assert not bool(RandomProduct.apply(x, torch.zeros((), requires_grad=True), product).isfinite().all())


@pytest.mark.parametrize("walk", [measure, predict])
def test_a_walk_leaves_no_tensor_behind(walk, monkeypatch):
    monkeypatch.setattr(weights, "LARGEST", 1000)
    net, batch = block(128), torch.randn(8, 16, 128)
    network = read(net, Batch((batch,)))
    walk(net, batch, network=network)  # what is made once
    before = held()
    walk(net, batch, network=network)
    assert held() == before


def held():
    gc.collect()
    return sum(type(each) in {torch.Tensor, nn.Parameter} for each in gc.get_objects())


def test_a_weight_that_is_too_large_is_predicted_as_one_that_is_drawn(monkeypatch):
    torch.manual_seed(0)
    net, batch = block(128), torch.randn(8, 16, 128)
    drawn = predict(net, batch, draws=8)
    monkeypatch.setattr(weights, "LARGEST", 1000)
    held = [predict(net, batch, seed=seed) for seed in range(8)]
    for place, row in enumerate(drawn.rows):
        for field in ("out_rms", "grad_rms", "weight_grad_norm"):
            logs = torch.tensor([math.log(getattr(each.rows[place], field)) for each in held])
            slack = 9 * float(logs.std()) * math.sqrt(1 / 8 + 1 / 8) + 0.05  # the same draw is not met on the way back
            assert abs(math.log(getattr(row, field)) - float(logs.mean())) <= slack, (row.name, field)


def test_nothing_is_written_and_no_state_is_spent():
    net, batch = convolutional(), torch.randn(4, 3, 16, 16)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    one, other = predict(net, batch), predict(net, batch)
    assert one == other
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_values_of_data_are_not_used_nor_those_of_weights_that_have_a_law():
    net, batch = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)), torch.randn(64, 16)
    laws = {"0.weight": 0.2, "2.weight": 0.2}
    first = predict(net, batch, laws)
    with torch.no_grad():
        net[0].weight.copy_(net[0].weight.flatten()[torch.randperm(512)].reshape(32, 16))
    again = predict(net, batch, laws)
    assert all(abs(a.out_rms / b.out_rms - 1) < 1e-5 for a, b in zip(first.rows, again.rows, strict=True))
    assert not torch.equal(likeness(batch, None, STREAM), batch)


def test_a_model_without_laws_is_predicted_on_its_own_weights():
    torch.manual_seed(0)
    # No law of independent elements knows that all of these units are one.
    net, x = (
        nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU(), nn.Linear(64, 64, bias=False)),
        torch.randn(512, 64),
    )
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.copy_(layer.weight[:1].expand_as(layer.weight).clone())
    for told, seen in zip(predict(net, x).rows, measure(net, x).rows, strict=True):
        # One unit over 512 samples, of the data and of what stands for them: its rms is known to 1 / sqrt(2 * 512) each.
        assert abs(told.out_rms / seen.out_rms - 1) <= 6 * math.sqrt(2 / (2 * 512))


def test_laws_and_moments_can_be_given():
    net = nn.Sequential(nn.Linear(256, 512, bias=False), nn.Linear(512, 512, bias=False))
    signal = predict(net, torch.randn(64, 256), {"0.weight": Law(0.0, 0.5)}, moments=(0.0, 2.0))
    # std * sqrt(fan_in) * 2, within six deviations of an rms over 64 x 256 inputs
    assert abs(signal.rows[0].out_rms / (0.5 * 16 * 2) - 1) <= 6 * math.sqrt(1 / (2 * 64 * 256) + 1 / (2 * 512))
    with pytest.raises(ArgumentError, match=r"Did you mean `0[.]weight`"):
        predict(net, torch.randn(64, 256), {"0.wieght": 1.0})


def test_a_plan_s_laws_are_those_of_its_fills():
    net = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512))
    batch = torch.randn(64, 256)
    signal = initium.predict(net, batch, initium.plan(net, batch, overrides={"2.bias": 3.0}))
    assert signal.rows[1].bias_rms == 3.0
    assert abs(signal.rows[0].out_rms / math.sqrt(2) - 1) <= 6 * math.sqrt(1 / (2 * 64 * 256) + 1 / (2 * 512))


def test_a_loss_is_predicted_with_its_target():
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    nn.init.zeros_(net[2].weight)
    nn.init.zeros_(net[2].bias)
    signal = predict(net, Batch((torch.randn(32, 64),), target=torch.arange(32) % 10), loss=F.cross_entropy)
    assert signal.loss == pytest.approx(math.log(10), rel=1e-6)  # zero logits: exact up to float32


class Levels(nn.Module):
    """A score that is divided by the size of the noise at a time."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 32), nn.Linear(32, 8)

    def forward(self, x, time):
        return self.down(F.silu(self.up(x))) / (9.0**time - 1).sqrt()[:, None]


def test_times_stay_where_a_root_of_them_is_real():
    torch.manual_seed(0)
    model, batch = Levels(), (torch.randn(64, 8), torch.rand(64) * 0.5 + 0.5)
    measured, predicted = (
        walk(model, batch, loss=lambda out: out.square().mean()) for walk in (initium.measure, initium.predict)
    )
    for one, other in zip(measured.rows, predicted.rows, strict=True):
        assert other.grad_rms == pytest.approx(one.grad_rms, rel=0.3)
    assert torch.equal(likeness(batch[1], None, STREAM), batch[1])
    assert not torch.equal(likeness(batch[1] - 0.75, None, STREAM), batch[1] - 0.75)
    assert not torch.equal(likeness(batch[1], (0.5, 0.2), STREAM), batch[1])


def test_a_likeness_has_the_second_moments_and_not_the_values():
    torch.manual_seed(0)
    waves = torch.randn(400, 1, 64).cumsum(-1)
    shared = torch.linspace(-30, 30, 64)
    x = waves - waves.mean(-1, keepdim=True) + shared
    found = likeness(x, None, STREAM)
    assert not torch.equal(found, x)
    assert float(found.square().mean()) == pytest.approx(float(x.square().mean()), rel=0.05)
    centred, own = found - found.mean(0), x - x.mean(0)
    near = [float((each[..., 1:] * each[..., :-1]).mean() / each.square().mean()) for each in (centred, own)]
    assert near[0] == pytest.approx(near[1], abs=0.05)
    assert torch.corrcoef(torch.stack((found.mean((0, 1)), shared)))[0, 1] > 0.99


@pytest.mark.parametrize("samples", [2, 3, 50, 200])
def test_a_likeness_has_the_mean_and_the_covariance_of_features_that_are_not_alike(samples):
    torch.manual_seed(0)
    x = (torch.randn(samples, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)) * 10.0 ** torch.arange(
        6
    )
    x = x + 10.0 ** torch.arange(6)
    found = likeness(x, None, STREAM)
    assert samples == 2 or not torch.isclose(found, x).any()
    torch.testing.assert_close(found.mean(0), x.mean(0), rtol=1e-12, atol=0)
    scale = x.std(0, correction=0)
    torch.testing.assert_close(
        found.T.cov(correction=0) / scale.outer(scale), x.T.cov(correction=0) / scale.outer(scale), rtol=0, atol=1e-12
    )


def test_a_batch_norm_behind_features_of_many_scales_is_predicted():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 64), nn.BatchNorm1d(64), nn.Linear(64, 64))
    x = torch.randn(100, 6) * 10.0 ** torch.arange(-1, 5)
    told, seen = predict(net, x).rows, measure(net, x).rows
    # Linear, and a function of the covariance of its inputs: what is left is rounding in float32.
    assert [row.unit_std for row in told] == pytest.approx([row.unit_std for row in seen], rel=1e-4)


def test_masks_and_indices_stay_as_they_are():
    for value in (torch.arange(6).reshape(2, 3), torch.tensor([[0.0, -torch.inf, 0.0, 0.0]]), torch.ones(2, 3)):
        assert torch.equal(likeness(value, None, STREAM), value)


def test_what_was_drawn_by_less_than_its_law_is_said(monkeypatch):
    monkeypatch.setattr(weights, "LARGEST", 100)
    signal = predict(convolutional(), torch.randn(4, 3, 16, 16))
    assert any("`0.weight` (conv2d) was drawn by its second moment alone" in note for note in signal.notes)
    assert any("by the covariances of positions" in note for note in signal.notes)
    assert {(row.op, row.by) for row in signal.rows} == {("conv2d", "moment"), ("linear", "covariances")}


def test_each_row_says_how_its_output_was_found():
    net, x = (
        nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 4)),
        torch.randn(16, 8),
    )
    assert [row.by for row in predict(net, x).rows] == ["values", "values"]
    assert [row.by for row in predict(net, x, {"2.weight": 0.1}).rows] == ["values", "draws"]
    assert {row.by for row in measure(net, x).rows} == {"measured"}


class Complex(nn.Module):
    """Complex weights around a rectifier of both parts, whose output has a mean."""

    def __init__(self, mean=0.0):
        super().__init__()
        self.first = nn.Parameter(torch.randn(128, 64, dtype=torch.cfloat) / 8)
        self.second = nn.Parameter(torch.randn(128, 128, dtype=torch.cfloat) / 128**0.5 + mean)

    def forward(self, x):
        y = F.linear(x, self.first)
        return F.linear(torch.complex(y.real.relu(), y.imag.relu()), self.second).abs()


@pytest.mark.parametrize("mean", [0.0, 0.1j])
def test_a_complex_weight_is_drawn_by_its_own_mean_and_not_by_that_of_its_magnitudes(mean):
    torch.manual_seed(0)
    net, x = Complex(mean), torch.randn(64, 64, dtype=torch.cfloat)
    for told, seen in zip(predict(net, x).rows, measure(net, x).rows, strict=True):
        assert told.out_rms == pytest.approx(seen.out_rms, rel=0.15)
        assert told.grad_rms == pytest.approx(seen.grad_rms, rel=0.15)


@pytest.mark.parametrize("normed", [nn.utils.parametrizations.spectral_norm, nn.utils.spectral_norm])
def test_a_norm_that_is_estimated_from_step_to_step_is_estimated_of_the_weight_that_it_followed(normed):
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(normed(nn.Linear(96, 96)), nn.Tanh(), normed(nn.Linear(96, 64))),
        torch.randn(64, 96),
    )
    for _ in range(100):
        net(x)
    for told, seen in zip(predict(net, x).rows, measure(net, x).rows, strict=True):
        assert told.out_rms == pytest.approx(seen.out_rms, rel=0.1)


def test_a_mean_that_chance_gave_is_kept_and_not_drawn_again():
    # One unit on inputs that are all alike shows the sum of its weights and nothing else.
    for seed in range(5):
        torch.manual_seed(seed)
        net, x = nn.Linear(64, 1, bias=False), torch.ones(16, 64) + torch.randn(16, 64) / 100
        assert predict(net, x).rows[0].out_rms == pytest.approx(measure(net, x).rows[0].out_rms, rel=0.1)


class Added(nn.Linear):
    """A linear layer beside its own input."""

    def forward(self, x):
        return x + super().forward(x)


def test_layers_that_are_copies_of_one_are_one_draw():
    # E|(1 + W)^3 x|^2 is 20 |x|^2 for one W of unit gain and 8 |x|^2 for three: a factor of 1.58 in the signal.
    torch.manual_seed(0)
    layer, x = Added(128, 128, bias=False), torch.randn(64, 128)
    nn.init.normal_(layer.weight, std=128**-0.5)
    net = nn.Sequential(*(copy.deepcopy(layer) for _ in range(3)), nn.Linear(128, 64))
    assert predict(net, x).rows[-1].out_rms == pytest.approx(measure(net, x).rows[-1].out_rms, rel=0.2)


class Experts(nn.Module):
    """Each row to the expert of its largest score, shaken; how many rows an expert gets is written into the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.router = nn.Linear(8, 64), nn.Linear(64, 3)
        self.experts, self.out = nn.ModuleList(nn.Linear(64, 64) for _ in range(3)), nn.Linear(64, 4)

    def forward(self, x):
        h = torch.relu(self.inside(x))
        scores = self.router(h)
        best, out = (scores - torch.empty_like(scores).exponential_().log()).argmax(-1), torch.zeros_like(h)
        for index, expert in enumerate(self.experts):
            rows = (best == index).nonzero()[:, 0]
            out[rows] = expert(h[rows]).view(rows.shape[0], 2, 32).flatten(1)
        return self.out(out)


@pytest.mark.parametrize("start", [None, "auto"])
def test_what_weights_and_chance_choose_is_taken_as_it_was_traced(start):
    torch.manual_seed(0)
    net, x = Experts(), torch.randn(300, 8)
    if start is not None:
        initium.initialize(net, x, start, seed=0)
    found, real = predict(net, x), measure(net, x)
    assert [row.name for row in found.rows] == [row.name for row in real.rows]
    assert any("chose" in note for note in found.notes)
    for mine, its in zip(found.rows, real.rows, strict=True):
        assert abs(math.log(mine.out_rms / its.out_rms)) < math.log(2), mine.name


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_weight_that_nobody_has_written_is_supposed_to_suit_its_role_and_said(value):
    net, x = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(50, 64)
    with torch.no_grad():
        net[2].weight[1, 3] = value
    found = predict(net, x)
    assert all(row.finite for row in found.rows)
    assert [note for note in found.notes if "2.weight" in note and "NaN" in note]
    assert not predict(net, x, {"2.weight": 0.1}).notes


@pytest.mark.parametrize(("width", "draws"), [(4, 16), (256, 4)])
def test_a_narrow_network_is_drawn_until_its_typical_figures_are_known(width, draws, monkeypatch):
    made = []

    class Counted(predicting.Predicting):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr("initium.signal._predict.Predicting", Counted)
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(*(each for _ in range(8) for each in (nn.Linear(width, width), nn.ReLU()))),
        torch.ones(64, width),
    )
    laws = {f"{place}.weight": (2 / width) ** 0.5 for place in range(0, 16, 2)}
    found = predict(net, x, laws)
    assert len(made) == draws
    assert found == predict(net, x, laws, draws=draws)


class Bags(nn.Module):
    """Sums of rows, whose bags are told by where they start."""

    def __init__(self, *, closed):
        super().__init__()
        self.rows, self.out = nn.EmbeddingBag(50, 16, mode="sum", include_last_offset=closed), nn.Linear(16, 3)

    def forward(self, indices, starts):
        return self.out(self.rows(indices, starts))


@pytest.mark.parametrize("closed", [False, True])
def test_on_meta_bags_are_of_one_size(closed):
    batch = (
        torch.zeros(40, dtype=torch.long, device="meta"),
        torch.zeros(10 + closed, dtype=torch.long, device="meta"),
    )
    with torch.device("meta"):
        model = Bags(closed=closed)
    assert "output of rms" in initium.plan(model, batch, "auto")["out.weight"].law
    # Four rows of size 1 in each bag.
    signal = predict(model, batch, {"rows.weight": 1.0, "out.weight": 0.25})
    assert signal.rows[0].out_rms == pytest.approx(2.0, rel=0.3)
