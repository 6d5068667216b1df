"""Self-attention starts with the paper's products, in every layout; what has no such product says why."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from architectures import ARCHITECTURES
from initium.errors import ArgumentError
from initium.planning import expected_std
from initium.random import Stream, normal_
from initium.records import Blocks, Factor, Uniform
from initium.signal import measure

WIDTH, HEADS = 48, 4
SIZE = WIDTH // HEADS


class Attention(nn.Module):
    """Self-attention whose projections and products are written as asked."""

    def __init__(self, project, read, heads=HEADS, attend=F.scaled_dot_product_attention, **layers):
        super().__init__()
        self.project, self.read, self.heads, self.attend = project, read, heads, attend
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project(self, x))
        y = self.attend(q, k, v).transpose(1, 2).flatten(-2)
        return y @ self.o if isinstance(self.o, nn.Parameter) else self.o(y)

    def weights(self):
        """q, k, v as (units, in) and the output's weight as (out, units)."""
        return [each.detach().double() for each in self.read(self)]


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x):
        return self.inner(x, x, x)[0]

    def weights(self):
        packed = self.inner.in_proj_weight.detach().double()
        return [*packed.chunk(3), self.inner.out_proj.weight.detach().double()]


def linears(width=WIDTH):
    return {name: nn.Linear(width, width) for name in "qkvo"}


def apart(net, x):
    return net.q(x), net.k(x), net.v(x)


def by_hand(q, k, v):
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def by_einsum(q, k, v):
    return torch.einsum("bhqk,bhkd->bhqd", torch.einsum("bhqd,bhkd->bhqk", q, k).softmax(-1), v)


def separate(**more):
    return Attention(apart, lambda net: [getattr(net, name).weight for name in "qkvo"], **linears(), **more)


def fused():
    layers = {"qkv": nn.Linear(WIDTH, 3 * WIDTH), "o": nn.Linear(WIDTH, WIDTH)}
    return Attention(
        lambda net, x: net.qkv(x).chunk(3, -1), lambda net: [*net.qkv.weight.chunk(3), net.o.weight], **layers
    )


def in_turn():
    """q, k, v of the first head, then of the next."""
    layers = {"qkv": nn.Linear(WIDTH, 3 * WIDTH), "o": nn.Linear(WIDTH, WIDTH)}
    return Attention(
        lambda net, x: [part.flatten(-2) for part in net.qkv(x).unflatten(-1, (HEADS, 3, SIZE)).unbind(-2)],
        lambda net: [
            *(part.flatten(0, 1) for part in net.qkv.weight.unflatten(0, (HEADS, 3, SIZE)).unbind(1)),
            net.o.weight,
        ],
        **layers,
    )


def gpt2():
    """Weights as (in, out), as in GPT-2's Conv1D."""
    layers = {"qkv": nn.Parameter(torch.zeros(WIDTH, 3 * WIDTH)), "o": nn.Parameter(torch.zeros(WIDTH, WIDTH))}
    return Attention(lambda net, x: (x @ net.qkv).chunk(3, -1), lambda net: [*net.qkv.T.chunk(3), net.o.T], **layers)


LAYOUTS = {
    "MultiheadAttention": Packed,
    "fused": fused,
    "heads in turn": in_turn,
    "four weights": separate,
    "four weights, by hand": lambda: separate(attend=by_hand),
    "four weights, by einsum": lambda: separate(attend=by_einsum),
    "(in, out)": gpt2,
}
layouts = pytest.mark.parametrize("make", LAYOUTS.values(), ids=LAYOUTS)


def started(model, spec="mimetic", seed=3, width=WIDTH):
    made = initium.plan(model, torch.randn(2, 5, width), spec)
    made.apply(model, seed=seed)
    return made


def rows_of(model, spec="mimetic"):
    return {row.name: row for row in initium.plan(model, torch.randn(2, 5, WIDTH), spec)}


def factors(made):
    """Every factor of a plan."""
    for row in made:
        yield from (each for each in (row.fill.fills if isinstance(row.fill, Blocks) else (row.fill,)))


def drawn(key, head, alpha, beta, width=WIDTH):
    """``alpha Z + beta I``, told from the stream alone."""
    noise = normal_(torch.empty(width, width, dtype=torch.float64), Stream(3).child(key).child(str(head)))
    return alpha / math.sqrt(width) * noise.numpy() + beta * np.eye(width)


def keys_of(made):
    return [
        next(each.key for each in factors(made) if isinstance(each, Factor) and each.key.endswith(end))
        for end in ("/qk", "/vo")
    ]


@layouts
def test_queries_times_keys_is_the_nearest_product_of_a_heads_rank(make):
    model = make()
    key = keys_of(started(model))[0]
    q, k, _, _ = model.weights()
    for head in range(HEADS):
        units = slice(head * SIZE, (head + 1) * SIZE)
        u, s, vt = np.linalg.svd(drawn(key, head, 0.7, 0.7))
        nearest = u[:, :SIZE] * s[:SIZE] @ vt[:SIZE]
        # Both factors are rounded to float32, so a product is off by 2 * 2^-24 of the lengths of its rows: under 2.
        assert (q[units].T @ k[units]).numpy() == pytest.approx(nearest, abs=4 * 2.0**-24)


@layouts
def test_values_times_the_outputs_weight_is_the_whole_product(make):
    model = make()
    key = keys_of(started(model))[1]
    _, _, v, out = model.weights()
    assert (v.T @ out.T).numpy() == pytest.approx(drawn(key, 0, 0.4, -0.4), abs=4 * 2.0**-24)


@pytest.mark.parametrize("part", ["qk", "vo"])
def test_the_products_have_the_law_of_the_paper(part):
    """At full rank: five standard errors of the mean on the diagonal, and of the mean square of d^2 normal elements."""
    d = 96
    layers = Attention(apart, lambda net: [getattr(net, name).weight for name in "qkvo"], heads=1, **linears(d))
    started(layers, width=d)
    q, k, v, out = layers.weights()
    product, alpha, beta = (q.T @ k, 0.7, 0.7) if part == "qk" else (v.T @ out.T, 0.4, -0.4)
    assert float(product.diagonal().mean()) == pytest.approx(beta, abs=5 * alpha / d)
    noise = (product - beta * torch.eye(d, dtype=torch.float64)) * math.sqrt(d) / alpha
    assert float(noise.square().mean()) == pytest.approx(1, abs=5 * math.sqrt(2) / d)
    assert float(noise.mean()) == pytest.approx(0, abs=5 / d)


def test_the_coefficients_are_those_that_are_asked_for():
    model = separate()
    made = started(model, "mimetic(0.5, -0.3, 0.2, beta_vo=0.1)")
    assert {(each.alpha, each.beta) for each in factors(made) if isinstance(each, Factor)} == {(0.5, -0.3), (0.2, -0.1)}
    assert made.scheme == "mimetic(0.5, -0.3, 0.2, 0.1)"
    assert made["q.weight"].reason.startswith("W_q W_k^T = 0.5 Z - 0.3 I cut to rank 12, in each of 4 heads")


@layouts
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_plan_is_json_and_its_own_audit_has_no_finding(make, dtype):
    torch.manual_seed(0)
    model = make().to(dtype)
    made = initium.plan(model, torch.randn(2, 5, WIDTH, dtype=dtype), "mimetic")
    made.apply(model, seed=3)
    assert initium.Plan.from_json(made.to_json()) == made
    assert not initium.audit(model, made).at_least("warning")


@layouts
def test_an_audit_misses_a_side_that_was_scaled_or_drawn_anew(make):
    model = make()
    made = started(model)
    names = [row.name for row in made if row.law.startswith("mimetic")]
    for name in names:
        weight = model.get_parameter(name)
        for change in (lambda data: data.mul_(1.3), lambda data: nn.init.normal_(data, 0, float(data.std()))):
            made.apply(model, seed=3)
            change(weight.data)
            assert [each for each in initium.audit(model, made).at_least("warning") if name in each.layers]


def test_each_parameter_has_its_values_whatever_is_written_beside_it():
    together, alone = separate(), separate()
    started(together)
    for name in ("o", "k", "v", "q"):
        others = {f"{other}.weight": "keep" for other in "qkvo" if other != name}
        made = initium.plan(alone, torch.randn(2, 5, WIDTH), "mimetic", overrides=others)
        made.apply(alone, seed=3)
    assert all(torch.equal(one, other) for one, other in zip(together.weights(), alone.weights(), strict=True))


def test_a_seed_changes_all_of_it():
    one, other = separate(), separate()
    started(one, seed=3)
    started(other, seed=4)
    assert not any(torch.isclose(a, b).any() for a, b in zip(one.weights(), other.weights(), strict=True))


def test_a_narrow_dtype_holds_the_rounded_values():
    wide, narrow = separate(), separate().to(torch.bfloat16)
    started(wide)
    made = initium.plan(narrow, torch.randn(2, 5, WIDTH, dtype=torch.bfloat16), "mimetic")
    made.apply(narrow, seed=3)
    assert torch.equal(narrow.q.weight, wide.q.weight.bfloat16())


def test_layers_that_share_their_weights_have_the_same_heads_in_each():
    attention = separate()
    made = rows_of(nn.Sequential(attention, nn.LayerNorm(WIDTH), attention))
    assert made["0.q.weight"].law == "mimetic q"
    assert made["0.o.weight"].law == "mimetic out"


@pytest.mark.parametrize(("rank", "width"), [(64, 64), (16, 64), (32, 256)])
@pytest.mark.parametrize("beta", [0.7, -0.2])
def test_the_expected_std_is_the_root_mean_square_at_great_width(rank, width, beta):
    """A head's sum of singular values strays by alpha sqrt(2 r log(2 / p) / d), and the limit is off by 1 / d at most."""
    fill = Factor("held", "left", 0.7, beta, rank)
    held = nn.Module()
    held.weight = nn.Parameter(torch.zeros(rank, width))
    initium.plan(held, overrides={"weight": fill}).apply(held, seed=0)
    wanted = width * expected_std(fill, (rank, width)) ** 2
    stray = 0.7 * math.sqrt(2 * math.log(2e6) / (rank * width)) + 2 / width
    assert float(held.weight.detach().square().sum()) / rank == pytest.approx(wanted, abs=stray)


class Grouped(nn.Module):
    """Four heads of queries share two of keys and values."""

    def __init__(self):
        super().__init__()
        self.q, self.o = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.k, self.v = nn.Linear(WIDTH, WIDTH // 2), nn.Linear(WIDTH, WIDTH // 2)

    def forward(self, x):
        q, k, v = (part.unflatten(-1, (-1, SIZE)).transpose(1, 2) for part in apart(self, x))
        seen = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
        return self.o(seen.transpose(1, 2).flatten(-2))


class Crossed(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory, self.inner = nn.Linear(WIDTH, WIDTH), separate()

    def forward(self, x):
        y = self.memory(x)
        self.inner.project = lambda net, _: (net.q(x), net.k(y), net.v(y))
        return self.inner(x)


def interleaved():
    """The units of a head are HEADS apart."""
    layers = {"qkv": nn.Linear(WIDTH, 3 * WIDTH), "o": nn.Linear(WIDTH, WIDTH)}
    return Attention(
        lambda net, x: [
            part.transpose(-2, -1).flatten(-2) for part in net.qkv(x).unflatten(-1, (3, SIZE, HEADS)).unbind(-3)
        ],
        lambda _: [],
        **layers,
    )


def endless():
    model = separate()
    model.o = nn.Identity()
    return model


def wide():
    layers = {name: nn.Linear(WIDTH, 2 * WIDTH) for name in "qkv"}
    return Attention(apart, lambda _: [], heads=1, **layers, o=nn.Linear(2 * WIDTH, WIDTH))


def held():
    model = separate()
    model.k.weight.requires_grad_(requires_grad=False)
    return model


REFUSED = {
    "grouped q": (Grouped, "q.weight", "grouped queries: 48 units of q, 24 of k"),
    "grouped v": (Grouped, "v.weight", "24 units of v, and 48 inputs of the output's weight"),
    "cross": (Crossed, "inner.q.weight", "cross-attention: queries and keys are made of different values"),
    "cross v": (Crossed, "inner.v.weight", "cross-attention: queries and keys are made of different values"),
    "interleaved": (interleaved, "qkv.weight", "the units of a head do not lie side by side"),
    "no output": (endless, "v.weight", "no single weight is the out of this attention, or it is in several attentions"),
    "wide q": (wide, "q.weight", "heads of 96 units on 48 inputs: the product has no such rank"),
    "wide out": (wide, "o.weight", "heads of 96 units on 48 inputs: the product has no such rank"),
    "frozen": (held, "q.weight", "`k.weight` is frozen or not the parameter itself"),
}


@pytest.mark.parametrize(("make", "name", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_such_product_follows_the_textbook_and_says_why(make, name, why):
    model = make()
    row, plain = rows_of(model)[name], rows_of(model, "textbook")[name]
    assert (row.fill, row.law) == (plain.fill, plain.law)
    assert row.reason == f"{plain.reason}; not mimetic: {why}"


def test_of_a_fused_weight_what_fits_is_mimetic_and_the_rest_is_not():
    model = fused()
    model.o = nn.Identity()
    row = rows_of(model)["qkv.weight"]
    assert row.law == "mimetic q, k"
    assert isinstance(row.fill.fills[2], Uniform)
    assert "v as Glorot uniform: no single weight is the out" in row.reason


def test_where_the_order_of_units_cannot_be_seen_it_is_assumed():
    def turned(q, k, v):
        turn = torch.ones(q.shape[-2], SIZE)
        return F.scaled_dot_product_attention(q * turn + q.roll(1, -1) * turn, k * turn + k.roll(1, -1) * turn, v)

    row = rows_of(separate(attend=turned))["q.weight"]
    assert row.law == "mimetic q"
    assert row.assumed
    assert row.reason.endswith("the order of the units in a head is taken as usual")


def test_without_a_batch_an_attention_says_that_it_needs_one():
    row = initium.plan(Packed(), scheme="mimetic")["inner.in_proj_weight"]
    assert row.reason.endswith("not mimetic: only a batch tells its heads")


def test_a_learned_table_says_that_the_paper_has_a_fixed_one():
    model, batch = ARCHITECTURES["vit"]()
    made = {row.role: row for row in initium.plan(model, batch, "mimetic")}
    assert made["embedding"].reason.endswith("Trockman & Kolter 2023 train with a fixed sinusoidal one")


def test_a_small_vit_trains_and_its_signal_is_predicted():
    torch.manual_seed(0)
    model, batch = ARCHITECTURES["vit"]()
    made = initium.plan(model, batch, "mimetic")
    made.apply(model, seed=0)
    assert sum(row.law.startswith("mimetic") for row in made) >= 2
    predicted = initium.predict(model, batch, made)
    assert all(math.isfinite(row.out_rms) for row in (*predicted.rows, *measure(model, batch).rows))
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for _ in range(20):
        optimizer.zero_grad()
        out = model(batch)
        loss = F.cross_entropy(out, torch.arange(len(out)) % out.shape[-1])
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    "spec", ["mimetic(0.0)", "mimetic(alpha_vo=-1)", "mimetic(0.7, 1e999)", "mimetic(beta_vo=1e999)"]
)
def test_coefficients_that_make_no_product_are_refused(spec):
    with pytest.raises(ArgumentError):
        initium.schemes.scheme(spec)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({}, (4,)),
        ({}, (4, 8, 3)),
        ({"rank": 9}, (4, 8)),
        ({"rank": 9, "axis": 1}, (8, 4)),
    ],
)
def test_a_factor_that_does_not_fit_is_refused(given, shape):
    held = nn.Module()
    held.weight = nn.Parameter(torch.zeros(shape))
    fill = Factor(**{"key": "a", "side": "left", "alpha": 0.7, "beta": 0.7, "rank": 4, **given})
    with pytest.raises(initium.PlanError):
        initium.plan(held, overrides={"weight": fill})


@pytest.mark.parametrize(
    "given",
    [
        {"key": ""},
        {"side": "top"},
        {"alpha": 0.0},
        {"beta": math.inf},
        {"rank": 0},
        {"rank": 2.0},
        {"start": -1},
        {"axis": 2},
    ],
    ids=str,
)
def test_a_factor_checks_itself(given):
    with pytest.raises(ArgumentError):
        Factor(**{"key": "a", "side": "left", "alpha": 0.7, "beta": 0.7, "rank": 4, **given})
