"""Biases that an author wrote out on purpose: auto keeps them."""

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

import initium
from initium.calibrate import _written
from initium.calibrate._written import HEAD, SEVERAL, _chance, _one_sided
from initium.network import Batch, read
from initium.records import Constant, Keep, Normal

WIDE = 64


class Leading(nn.Module):
    """A bias of its own beside a weight, what follows their sum, and a head."""

    def __init__(self, follows, values):
        super().__init__()
        self.weight, self.shift = nn.Linear(WIDE, WIDE, bias=False), nn.Parameter(values.clone())
        self.other, self.head = nn.Linear(WIDE, WIDE), nn.Linear(WIDE, 5)
        self.follows = follows

    def forward(self, x):
        return self.head(self.follows(self.weight(x) + self.shift) * self.other(x))


class Detector(nn.Sequential):
    def __init__(self, values):
        super().__init__(nn.Linear(WIDE, WIDE), nn.ReLU(), nn.Linear(WIDE, len(values)))
        with torch.no_grad():
            self[2].bias.copy_(values)


def drawn(rows=32):
    return torch.randn(rows, WIDE, generator=torch.Generator().manual_seed(0))


def rates():
    return torch.empty(WIDE).uniform_(-6, -3, generator=torch.Generator().manual_seed(1))


def normals(count=WIDE):
    return torch.randn(count, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("follows", [F.softplus, torch.sigmoid, torch.exp, lambda x: torch.exp(-torch.exp(x))])
@pytest.mark.parametrize("values", [rates(), torch.full((WIDE,), -2.0)], ids=["rates", "constant"])
def test_where_a_gate_begins_is_kept(follows, values):
    net = Leading(follows, values)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net.shift, values)
    assert not net.other.bias.any()


@pytest.mark.parametrize("follows", [torch.tanh, F.relu, F.silu, F.gelu, torch.sin])
def test_before_what_is_no_gate_a_bias_starts_at_zero(follows):
    net = Leading(follows, rates())
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net.shift.any()


def test_a_draw_about_zero_is_nothing_written_out():
    """Of 64 normals both signs lie beyond any bound that the usual start has."""
    net = Leading(torch.sigmoid, normals())
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net.shift.any()


@pytest.mark.parametrize(
    "values",
    [torch.full((9,), -4.6), torch.tensor([-3.0]), torch.tensor([0.0, 0.1, -0.1, 0.05, -4.6, 0.1])],
    ids=["constant", "one", "objectness"],
)
def test_the_prior_of_an_output_is_kept_and_is_what_it_gives(values):
    net, x = Detector(values), drawn(256)
    initium.initialize(net, x, "auto", seed=0)
    assert torch.equal(net[2].bias, values)
    assert not net[0].bias.any()
    # What the weights give is of rms HEAD over units and samples: the mean of one unit stays within five times that.
    assert torch.allclose(net(x).mean(0), values, atol=5 * HEAD)


@pytest.mark.parametrize("values", [normals(9), torch.full((9,), 0.1), torch.zeros(9)], ids=["drawn", "small", "zero"])
def test_any_other_bias_of_an_output_starts_at_zero(values):
    net = Detector(values)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net[2].bias.any()


def test_the_plan_says_why():
    rows = {row.name: row for row in initium.plan(Leading(torch.sigmoid, rates()), drawn(), "auto").rows}
    assert "sigmoid" in rows["shift"].reason
    rows = {row.name: row for row in initium.plan(Detector(torch.full((9,), -4.6)), drawn(), "auto").rows}
    assert "answer" in rows["2.bias"].reason


def test_on_meta_nothing_is_known_of_values():
    with torch.device("meta"):
        net = Detector(torch.full((9,), -4.6))
    made = initium.plan(net, torch.empty(32, WIDE, device="meta"), "auto")
    assert {row.name: row.fill for row in made.rows}["2.bias"] == Constant(0.0)


@pytest.mark.parametrize(
    ("name", "follows"), [("other.bias", "product"), ("head.bias", "output"), ("shift", "sigmoid")]
)
def test_a_bias_leads_to_what_follows_its_sum(name, follows):
    """And is no weight that something follows: who asks for those gets no bias."""
    facts = read(Leading(torch.sigmoid, rates()), Batch((drawn(),))).facts(name)
    assert (*map(str, facts.leads), str(facts.after)) == (follows, "nothing")


class Gated(nn.Module):
    """A recurrent cell written out: four packed gates, whose biases are a vector of their own or those of a layer."""

    def __init__(self, values, *, apart):
        super().__init__()
        self.apart, self.state = apart, len(values) // 4
        self.gates = nn.Linear(WIDE + self.state, len(values), bias=not apart)
        self.shift, self.head = nn.Parameter(values.clone()) if apart else None, nn.Linear(self.state, 5)
        if not apart:
            self.gates.bias.data.copy_(values)

    def forward(self, x):
        state = cell = x.new_zeros(len(x), self.state)
        for _ in range(3):
            both = self.gates(torch.cat([x, state], 1))
            write, keep, new, give = (both + self.shift if self.apart else both).chunk(4, 1)
            cell = keep.sigmoid() * cell + write.sigmoid() * new.tanh()
            state = give.sigmoid() * cell.tanh()
        return self.head(state)

    @property
    def values(self):
        return self.shift if self.apart else self.gates.bias


def packed(opening, rest=0.0, units=8):
    values = rest * torch.empty(4 * units).uniform_(-1, 1, generator=torch.Generator().manual_seed(3))
    values[units : 2 * units] = opening
    return values


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("opening", [1.0, 2.0])
def test_a_forget_gate_that_was_opened_among_packed_gates_stays_open(opening, *, apart):
    net = Gated(packed(opening), apart=apart)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net.values, packed(opening))


def test_zeros_and_ones_in_a_vector_that_gates_begin_with_are_its_bias():
    """A matrix of both is how streams are mixed; a vector is so only where it multiplies them."""
    facts = read(Gated(packed(1.0), apart=True), Batch((drawn(),))).facts("shift")
    assert (facts.role, *map(str, facts.leads)) == ("bias", "product", "sigmoid", "tanh")


def test_an_opened_gate_is_kept_where_the_others_are_as_they_are_drawn():
    values = packed(1.0, rest=(WIDE + 8) ** -0.5)
    net = Gated(values, apart=False)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net.values, values)


class Recurrent(nn.Module):
    def __init__(self, layer, inputs):
        super().__init__()
        self.layer, self.head = layer(inputs, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.layer(x)[0])


@pytest.mark.parametrize("inputs", [1, WIDE])
@pytest.mark.parametrize(("layer", "opens"), [(nn.LSTM, True), (nn.GRU, True), (nn.RNN, False)])
def test_gates_of_a_recurrent_layer_that_were_opened_stay_open(layer, inputs, *, opens):
    net = Recurrent(layer, inputs)
    opened = torch.zeros_like(net.layer.bias_ih_l0)
    opened[:8] = 1.0
    net.layer.bias_ih_l0.data.copy_(opened)
    initium.initialize(net, torch.randn(4, 6, inputs), "auto", seed=0)
    assert torch.equal(net.layer.bias_ih_l0, opened if opens else torch.zeros_like(opened))
    assert not net.layer.bias_hh_l0.any()


@pytest.mark.parametrize("inputs", [1, WIDE])
def test_gates_as_torch_draws_them_are_nothing_written_out(inputs):
    net = Recurrent(nn.LSTM, inputs)
    initium.initialize(net, torch.randn(4, 6, inputs), "auto", seed=0)
    assert not net.layer.bias_ih_l0.any()


def test_a_gated_linear_unit_that_was_closed_stays_closed():
    net = nn.Sequential(nn.Linear(WIDE, 16), nn.GLU(), nn.Linear(8, 5))
    closed = torch.cat([torch.zeros(8), torch.full((8,), -3.0)])
    net[0].bias.data.copy_(closed)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net[0].bias, closed)


def test_what_a_norm_takes_out_sets_no_gate():
    net = nn.Sequential(nn.Linear(WIDE, 16), nn.BatchNorm1d(16), nn.Sigmoid(), nn.Linear(16, 5))
    net[0].bias.data.fill_(-3.0)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert not net[0].bias.any()


@pytest.mark.parametrize("units", [2, 5, 20, 200])
@pytest.mark.parametrize("bound", [0.5, 2.0, 3.0])
def test_normals_of_any_std_seem_written_out_by_no_more_than_the_chance_that_is_allowed(units, bound):
    """Before, one of many that lay beyond the bound was enough: 0.32 of 200 units at three standard deviations."""
    draws = torch.randn(500, units, generator=torch.Generator().manual_seed(units))
    kept = sum(_one_sided(row, bound**-2) for row in draws)
    allowed = 2 * 2.0 ** (1 - SEVERAL)  # several of one sign, or one alone
    assert kept <= 500 * allowed + 6 * math.sqrt(500 * allowed)


@pytest.mark.parametrize("count", [2, 3, 6, 50, 1000])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_the_chance_of_a_share_is_bounded_from_above_and_no_further_off_than_its_root(count, share):
    """By the distribution that scipy has: between its density's ``x^-1/2`` at the share and at 1."""
    exact, bound = count * stats.beta.sf(share, 0.5, (count - 1) / 2), _chance(share, count)
    assert exact <= bound * (1 + 1e-9)
    assert bound * share**0.5 <= exact * (1 + 1e-9)


class Noisy(nn.Module):
    """A layer whose bias is drawn anew by a learned spread, and an answer likewise."""

    def __init__(self, spreads):
        super().__init__()
        self.inner, self.head = nn.Linear(WIDE, len(spreads), bias=False), nn.Linear(len(spreads), 3)
        self.mean, self.spread = nn.Parameter(torch.zeros(len(spreads))), nn.Parameter(spreads.clone())
        self.log_std = nn.Parameter(torch.full((3,), -0.5))

    def forward(self, x):
        bias = self.mean + F.softplus(self.spread) * torch.randn_like(self.mean)
        answer = self.head(F.linear(x, self.inner.weight, bias).relu())
        return answer + self.log_std.exp() * torch.randn_like(answer)


@pytest.mark.parametrize("spreads", [torch.full((9,), -3.0), rates()], ids=["constant", "drawn"])
def test_the_spreads_of_noise_are_kept(spreads):
    """At zero the noise would be as large as the signal."""
    net = Noisy(spreads)
    initium.initialize(net, drawn(), "auto", seed=0)
    assert torch.equal(net.spread, spreads)
    assert torch.equal(net.log_std, torch.full((3,), -0.5))


class Tokens(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.token, self.norm, self.head = nn.Parameter(torch.full((1, 16), value)), nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.norm(torch.cat([self.token, x])).mean(0, keepdim=True))


@pytest.mark.parametrize(("value", "kept"), [(0.0, False), (1.0, True)])
def test_a_table_beside_the_data_that_starts_at_zero_is_drawn(value, *, kept):
    net = Tokens(value)
    initium.initialize(net, torch.randn(8, 16), "auto", seed=0)
    assert bool((net.token == value).all()) == kept


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16])
def test_a_prior_is_kept_in_every_width(dtype):
    values = torch.full((9,), -4.0)
    assert _one_sided(values.to(dtype), WIDE)
    assert not _one_sided(normals(9).to(dtype), WIDE)


def test_one_function_is_looked_at_once_however_many_biases_lead_to_it(monkeypatch):
    looked = []
    monkeypatch.setattr(_written, "_never_zero", lambda function: looked.append(function) or True)
    layers = [nn.Linear(8, 8) for _ in range(6)]
    for layer in layers:
        layer.bias.data.fill_(-2.0)

    class Written(nn.Sequential):
        def forward(self, x):
            for layer in self:
                x = layer(x)
                x = (1.3 * x).exp() / (1 + x.exp())
            return x

    net = Written(*layers)
    network = read(net, Batch((torch.randn(4, 8),)))
    assert len(_written.written_out(net, network)) == len(layers)
    assert len(looked) == 1


class Decomposed(nn.Module):
    """Glow: an invertible matrix as P L (U + diag(sign exp(s))), whose determinant is the sum of s."""

    def __init__(self, width=12):
        super().__init__()
        mixing, _ = torch.linalg.qr(torch.randn(width, width))
        place, lower, upper = torch.linalg.lu(mixing)
        self.register_buffer("place", place)
        self.register_buffer("sign", upper.diag().sign())
        self.lower, self.upper = nn.Parameter(lower), nn.Parameter(upper.triu(1))
        self.size = nn.Parameter(upper.diag().abs().log())

    def forward(self, x):
        lower = self.lower.tril(-1) + torch.eye(len(self.lower))
        upper = self.upper.triu(1) + torch.diag(self.sign * self.size.exp())
        return F.linear(x, self.place @ lower @ upper), self.size.sum()


class Adapted(nn.Module):
    """LoRA: a matrix that stays, and a product of two narrow ones, the second of which begins at zero."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 12) / 12**0.5, requires_grad=False)
        self.narrow, self.wide = nn.Parameter(torch.rand(4, 12) - 0.5), nn.Parameter(torch.zeros(16, 4))

    def forward(self, x):
        return F.linear(x, self.weight + self.wide @ self.narrow)


@pytest.mark.parametrize("model", [Decomposed, Adapted])
def test_what_a_weight_is_made_of_with_other_matrices_stays_as_it_was_chosen_for_them(model):
    torch.manual_seed(0)
    net, x = model(), torch.randn(8, 12)
    made = initium.plan(net, x, "auto")
    assert {type(row.fill) for row in made.rows} == {Keep}
    assert all("other matrices" in row.reason for row in made.rows if net.get_parameter(row.name).requires_grad)


def test_a_matrix_that_others_only_scale_or_mask_is_filled():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.rates = nn.Parameter(torch.randn(16, 12)), nn.Parameter(torch.ones(16, 1))
            self.register_buffer("mask", (torch.rand(16, 12) > 0.5).float())

        def forward(self, x):
            return F.linear(x, self.weight * self.mask * self.rates)

    assert type(initium.plan(Scaled(), torch.randn(8, 12), "auto")["weight"].fill) is Normal
