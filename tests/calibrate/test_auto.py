"""The start from the predicted signal: unit pre-activations, and one rate for what is free."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

import initium
from initium.calibrate import _auto, _balance, _effects, _rates, auto
from initium.calibrate._rates import DRIVEN, FAR, FLAT, FREE, LEVEL, NEAR, SHALLOW
from initium.calibrate._scales import BESIDE, TABLE, scales_of
from initium.calibrate._streams import SHARE
from initium.calibrate._written import CLOSE, HEAD, LAYER
from initium.errors import PlanError
from initium.network import Batch, log_scales, read
from initium.records import Constant, Keep, Normal


def chain(activation, depth=50, width=128, classes=10):
    layers = [each for _ in range(depth) for each in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, classes))


class Block(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Language(nn.Module):
    """A table that is the output's weight too, around normalised branches."""

    def __init__(self, words=50, width=64):
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.blocks = nn.Sequential(*(Block(width, norm=True) for _ in range(3)))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids):
        return self.norm(self.blocks(self.table(ids))) @ self.table.weight.T


def images():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Tail(nn.Module):
    """Two plain layers behind a deep residual network and a norm."""

    def __init__(self, blocks, width=64):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, norm=True) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.tail = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))

    def forward(self, x):
        return self.tail(self.norm(self.blocks(x)))


def rates(net, batch):
    sizes = {name: parameter.numel() for name, parameter in net.named_parameters()}
    rows = initium.measure(net, batch).rows
    moving = [row for row in rows if row.weight_grad_norm > 0 and row.weight_rms > 0]
    return [math.log10(row.weight_grad_norm / (row.weight_rms * math.sqrt(sizes[row.name]))) for row in moving]


def spread(values):
    return float(torch.tensor(values).std(correction=0))


@pytest.mark.parametrize("blocks", [0, 12])
def test_a_chain_is_as_long_as_it_goes_without_a_norm(blocks):
    """And its price is that of its length: what stands before the norm makes it no dearer."""
    net, x = Tail(blocks), torch.ones(4, 64)
    lengths = _rates._lengths(scales_of(read(net, Batch((x,))), {}))
    assert (lengths["tail.0.weight"], lengths["tail.2.weight"]) == (2, 2)


@pytest.mark.parametrize("depth", [1, 5, 50])
def test_every_weight_of_a_plain_network_stands_in_one_chain(depth):
    lengths = _rates._lengths(scales_of(read(chain(nn.SiLU, depth), Batch((torch.ones(4, 128),))), {}))
    assert set(lengths.values()) == {depth + 1}


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Mish])
def test_fifty_layers_stay_flat_where_the_gain_of_one_layer_explodes(activation):
    torch.manual_seed(0)
    x, drift, uneven = torch.randn(64, 128), {}, {}
    for scheme in ("auto", "textbook"):
        net = chain(activation)
        initium.initialize(net, x, scheme, seed=3)
        rows = initium.measure(net, x).rows[:50]
        drift[scheme] = max(abs(math.log10(row.out_rms / rows[0].out_rms)) for row in rows)
        uneven[scheme] = spread(rates(net, x)) ** 2
    # 49 steps whose squares are paid for with less than the unevenness of rates at sizes of 1: that of the output alone, which
    # is what is left after, and half as much again.
    bound = math.sqrt(49 * 1.5 * uneven["auto"] / (FLAT * (51 / SHALLOW) ** 3))
    assert drift["auto"] < bound < drift["textbook"]


@pytest.mark.parametrize(("activation", "price"), [(nn.ReLU, LEVEL), (nn.Tanh, DRIVEN), (nn.SiLU, DRIVEN)])
def test_what_activations_see_is_flat_in_a_deep_network_and_near_1(activation, price, monkeypatch):
    torch.manual_seed(0)
    depth, x = 30, 3 + 2 * torch.randn(256, 128)
    net = chain(activation, depth=depth)
    with monkeypatch.context() as patch:
        patch.setattr(_rates, "NEAR", 1.0)  # nothing moves
        patch.setattr(_rates, "FAR", 1.0)
        initium.initialize(net, x, "auto", seed=0)
    assert [row.out_rms for row in initium.measure(net, x).rows[:depth]] == pytest.approx([1.0] * depth, rel=1e-4)
    uneven = spread(rates(net, x)) ** 2
    initium.initialize(net, x, "auto", seed=0)
    sizes = [math.log10(row.out_rms) for row in initium.measure(net, x).rows[:depth]]
    # No step is taken that makes unevenness and price together larger: what is paid is less than the unevenness at first.
    # Half as much again for the two ways to measure a rate.
    steps = [after - before for before, after in pairwise(sizes)]
    assert FLAT * ((depth + 1) / SHALLOW) ** 3 * sum(step**2 for step in steps) <= 1.5 * uneven
    assert price * sum(size**2 for size in sizes) / (depth + 1) <= 1.5 * uneven
    assert max(map(abs, sizes)) <= math.log10(FAR if activation is nn.ReLU else NEAR) * (1 + 1e-4)


def test_a_shallow_network_shares_the_step_down_to_its_output(monkeypatch):
    torch.manual_seed(0)
    x, found = torch.randn(256, 64), {}
    for name, far in (("shared", FAR), ("alone", 1.0)):
        monkeypatch.setattr(_rates, "FAR", far)
        net = chain(nn.ReLU, depth=3, width=64)
        initium.initialize(net, x, "auto", seed=0)
        sizes = [row.out_rms for row in initium.measure(net, x).rows]
        found[name] = (spread(rates(net, x)), sizes)
    assert found["shared"][0] < found["alone"][0] / 2
    assert found["alone"][1][:3] == pytest.approx([1, 1, 1], rel=1e-4)
    assert [sizes[3] for _, sizes in found.values()] == pytest.approx([HEAD, HEAD], rel=1e-4)
    assert all(1 / FAR <= size <= 1 for size in found["shared"][1][:3])


class Patches(nn.Module):
    """Tables beside the data, LayerScales on the branches, and an end that starts at zero."""

    def __init__(self, width=64):
        super().__init__()
        self.embed, self.places = nn.Linear(12, width), nn.Parameter(torch.randn(1, 9, width) * 0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.ups = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(4))
        self.downs = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(4))
        self.scales = nn.ParameterList(nn.Parameter(torch.full((width,), 1e-6)) for _ in range(4))
        self.side, self.silent = nn.Linear(12, width), nn.Linear(width, width)
        nn.init.zeros_(self.silent.weight)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        h = self.embed(x) + self.places + self.silent(F.relu(self.side(x)))
        for norm, up, down, scale in zip(self.norms, self.ups, self.downs, self.scales, strict=True):
            h = h + scale * down(F.gelu(up(norm(h))))
        return self.head(self.norm(h).mean(1))


def test_tables_beside_the_data_and_layer_scales_start_where_all_learn_at_one_rate():
    torch.manual_seed(0)
    net, x = Patches(), torch.randn(32, 9, 12)
    initium.initialize(net, x, "auto", seed=0)
    assert all(bool((scale == LAYER).all()) for scale in net.scales)  # 1 / 4 branches is more

    def gap():
        net.zero_grad()
        F.cross_entropy(net(x), torch.arange(32) % 10).backward()
        found = {
            name: math.log10(float(parameter.grad.norm() / parameter.detach().norm()))
            for name, parameter in net.named_parameters()
            if parameter.ndim > 1 and parameter.grad is not None and parameter.grad.any() and parameter.any()
        }
        own = found.pop("places")
        return own - sum(found.values()) / len(found)

    # So small a table as usual would learn many times as fast as the rest.
    assert float(net.places.detach().std()) > 2 * BESIDE
    found = gap()
    with torch.no_grad():
        net.places.mul_(BESIDE / net.places.std())
    assert 0 < found < gap() - math.log10(2)


def test_what_starts_at_zero_on_purpose_is_kept_and_what_is_zero_before_an_activation_is_not():
    torch.manual_seed(0)
    net, x = Patches(), torch.randn(32, 9, 12)
    nn.init.zeros_(net.ups[0].weight)
    made = initium.plan(net, x, "auto")
    assert made["silent.weight"].fill == Keep()
    assert "silent" in made["silent.weight"].reason
    assert made["ups.0.weight"].fill != Keep()


def test_a_steep_function_sees_what_its_slope_at_zero_bears():
    class Waves(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(12))
            self.out = nn.Linear(64, 3)

        def forward(self, x):
            for layer in self.layers:
                x = torch.sin(30 * layer(x))
            return self.out(x)

    torch.manual_seed(0)
    net, x = Waves(), torch.randn(128, 64)
    initium.initialize(net, x, "auto", seed=0)
    inside = [row.out_rms * 30 for row in initium.measure(net, x).rows[:12]]
    assert all(0.5 < size < 2 for size in inside)


def test_weight_norm_is_walked_as_the_weight_that_it_gives():
    torch.manual_seed(0)
    plain, x = chain(nn.ReLU, depth=6, width=64), torch.randn(256, 64)
    normed = nn.Sequential(
        *(weight_norm(each) if isinstance(each, nn.Linear) else each for each in chain(nn.ReLU, 6, 64))
    )
    sizes = []
    for net in (plain, normed):
        initium.initialize(net, x, "auto", seed=0)
        sizes.append([row.out_rms for row in initium.measure(net, x).rows])
    # A unit's norm wanders by 1 / sqrt(2 * 64) where it is drawn, and not where it is given; twelve of that at most.
    assert sizes[1] == pytest.approx(sizes[0], rel=12 / math.sqrt(128) / math.sqrt(64))


def test_what_no_weight_reads_is_an_output():
    class Rescaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside, self.out = nn.Linear(16, 64), nn.Linear(64, 4)

        def forward(self, x):
            return self.out(F.relu(self.inside(x))) * x.std(-1, keepdim=True) + x.mean(-1, keepdim=True)

    torch.manual_seed(0)
    net, x = Rescaled(), torch.randn(256, 16)
    initium.initialize(net, x, "auto", seed=0)
    assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=1e-4)


def test_an_activation_and_a_norm_before_an_output_leave_no_size_to_it():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32)), torch.randn(64, 16)
    assert "output" not in initium.plan(net, x, "auto")["0.weight"].reason
    initium.initialize(net, x, "auto", seed=0)
    assert initium.measure(net, x).rows[0].out_rms == pytest.approx(1.0, rel=1e-3)


def test_the_first_loss_is_that_of_guessing():
    torch.manual_seed(0)
    samples, classes = 2048, 10
    x, target = torch.randn(samples, 128), torch.arange(samples) % classes
    net = chain(nn.ReLU, depth=4, classes=classes)
    initium.initialize(net, x, "auto", seed=1)
    loss = float(F.cross_entropy(net(x), target).detach())
    # Half of the logits' square, which ten units scatter by sqrt(2 / 9); and a mean over samples of logits of rms HEAD.
    slack = HEAD**2 / 2 * (1 + 6 * math.sqrt(2 / 9)) + 6 * HEAD / math.sqrt(samples)
    assert abs(loss - math.log(classes)) <= slack


def test_layers_behind_a_norm_learn_at_one_rate():
    torch.manual_seed(0)
    batch, found = torch.randn(32, 3, 12, 12), {}
    for scheme in ("auto", "textbook"):
        net = images()
        initium.initialize(net, batch, scheme, seed=0)
        found[scheme] = spread(rates(net, batch)[:3])
    assert found["auto"] < found["textbook"] / 2


def test_a_tied_table_is_bound_by_the_output():
    torch.manual_seed(0)
    ids = torch.randint(0, 50, (16, 12))
    net = Language()
    initium.initialize(net, ids, "auto", seed=0)
    size = float(net(ids).detach().square().mean().sqrt())
    assert abs(size / HEAD - 1) <= 0.1  # four rounds towards a table that feeds what it is the output of


def test_a_stream_without_norms_keeps_its_size_over_a_hundred_branches():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(32, 64), *(Block(64, norm=False) for _ in range(100)), nn.Linear(64, 8))
    x = torch.randn(256, 32)
    initium.initialize(net, x, "auto", seed=0)
    stream = [x := net[0](x), *(x := block(x) for block in net[1:-1])]
    sizes = [float(each.detach().square().mean().sqrt()) for each in stream]
    # Branches add up to SHARE of what the stream began with; a branch and the stream are independent up to 1/sqrt(64) of
    # the product of their sizes, in either direction.
    assert abs(sizes[-1] ** 2 / sizes[0] ** 2 - 1 - SHARE) <= 6 * 2 * math.sqrt(1 + SHARE) * math.sqrt(SHARE / 64)


class Refined(nn.Module):
    """Pre-norm branches on a stream that goes out as it is: nothing makes up for the size of their ends."""

    def __init__(self, branches: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(branches)
        )

    def forward(self, x):
        for branch in self.branches:
            x = x + branch(x)
        return x


def test_branches_of_a_stream_that_goes_out_as_it_is_share_one_size():
    torch.manual_seed(0)
    net, x, branches = Refined(6, 64), torch.randn(256, 64), 6
    assert {facts.residual.leaves for facts in read(net, Batch((x,))).parameters if facts.residual} == {True}
    initium.initialize(net, x, "auto", seed=0)
    ends = [row.out_rms for row in initium.measure(net, x).rows if row.name.endswith("3.weight")]
    assert len(ends) == branches
    # Weights and data are those that were walked: what is left is float32's rounding of a sum over 64 inputs.
    assert all(abs(end - math.sqrt(SHARE / branches)) <= 64 * torch.finfo(torch.float32).eps for end in ends)


def test_it_works_on_meta_and_takes_the_same_sizes_for_the_same_seed():
    with torch.device("meta"):
        net, batch = Language(), torch.zeros(4, 12, dtype=torch.int64)
    one, other = (initium.plan(net, batch, "auto", seed=5) for _ in range(2))
    assert [row.fill for row in one] == [row.fill for row in other]
    assert one["blocks.0.up.weight"].reason.startswith("unit second moment into gelu")


def test_nothing_of_the_model_is_used_but_its_shape():
    torch.manual_seed(0)
    one, other, batch = images(), images(), torch.randn(8, 3, 12, 12)
    plans = [initium.plan(net, batch, "auto") for net in (one, other)]
    assert [row.fill for row in plans[0]] == [row.fill for row in plans[1]]
    assert plans[0].scheme == "auto"


def test_what_it_does_not_know_is_as_in_textbook():
    net = nn.LSTM(8, 16, batch_first=True)
    batch = torch.randn(4, 5, 8)
    found, usual = initium.plan(net, batch, "auto"), initium.plan(net, batch)
    assert [row.fill for row in found] == [row.fill for row in usual]


def test_without_a_batch_it_is_refused():
    with pytest.raises(PlanError, match="takes a batch"):
        initium.plan(images(), None, "auto")
    with pytest.raises(PlanError, match="takes a batch"):
        auto(images(), None)


def test_a_loss_of_the_model_s_own_is_walked_too():
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = chain(nn.ReLU, depth=2)

        def forward(self, x, y):
            return {"loss": F.cross_entropy(self.net(x), y)}

    batch = Batch((torch.randn(64, 128), torch.arange(64) % 10))
    model = Loss()
    initium.initialize(model, batch, "auto", seed=0)
    assert math.isfinite(float(model(*batch.args)["loss"].detach()))


class Split(nn.Module):
    """ReLU of both parts."""

    def forward(self, x):
        return torch.complex(x.real.relu(), x.imag.relu())


def test_the_imaginary_part_is_walked_too():
    layer = {"dtype": torch.complex64}
    net = nn.Sequential(
        nn.Linear(64, 64, **layer), Split(), nn.Linear(64, 64, **layer), Split(), nn.Linear(64, 8, **layer)
    )
    x = torch.randn(32, 64, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    initium.initialize(net, x, "auto", seed=0)
    assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=0.01)
    assert initium.audit(net, "auto", x).findings == ()


def test_a_frozen_magnitude_of_weight_norm_leaves_the_rest_to_fit():
    net = nn.Sequential(weight_norm(nn.Linear(64, 64)), nn.ReLU(), nn.Linear(64, 8))
    size = net[0].parametrizations.weight.original0.requires_grad_(requires_grad=False).fill_(3.0)
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    initium.initialize(net, x, "auto", seed=0)
    assert bool((size == 3).all())
    assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=0.01)


class Looked(nn.Module):
    """A table that the forward pass itself writes to, or one of which a weight is composed."""

    def __init__(self, composed):
        super().__init__()
        self.table = nn.Parameter(torch.randn(64, 64, 2)) if composed else nn.Embedding(50, 64, max_norm=4.0)
        self.head = nn.Linear(64, 8)

    def forward(self, x):
        if isinstance(self.table, nn.Parameter):
            return self.head(F.gelu(((x + 0j) @ torch.view_as_complex(self.table)).real))
        return self.head(self.table(x))


@pytest.mark.parametrize("composed", [True, False])
def test_what_has_no_size_of_its_own_is_walked_by_the_law_that_it_gets(composed):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(32, 64, generator=generator) if composed else torch.arange(50)
    plans = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        net = Looked(composed)
        plans.append(initium.plan(net, x, "auto"))
        plans[-1].apply(net, seed=0)
        # A normal draw stands for the law's own.
        assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=0.1)
    assert plans[0] == plans[1]


class Tied(nn.Module):
    """A table that is the output's weight too, with no norm between."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(50, 64)

    def forward(self, ids):
        return self.table(ids).tanh() @ self.table.weight.T


def test_a_tied_table_with_no_norm_between_reaches_the_size_of_an_output():
    net, ids = Tied(), torch.arange(50)
    initium.initialize(net, ids, "auto", seed=0)
    # A third of what is missing is left by each of three rounds: log(0.25 / (0.25 / 8)^2 / 8) / 27 = 0.13.
    assert initium.measure(net, ids).rows[-1].out_rms == pytest.approx(HEAD, rel=0.2)


def test_a_running_mean_on_meta_is_the_one_that_a_norm_starts_with():
    def built():
        return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 8)).eval()

    with torch.device("meta"):
        hollow = built()
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    assert initium.plan(hollow, x, "auto") == initium.plan(built(), x, "auto")


@pytest.mark.parametrize("seed", [2**64 - 1, 2**127])
def test_every_seed_of_a_stream_is_one_of_auto_and_predict(seed):
    net, x = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), torch.ones(4, 8)
    initium.initialize(net, x, "auto", seed=seed)
    assert initium.predict(net, x, seed=seed).rows


class Gated(nn.Module):
    """Two weights whose names end as weight_norm's direction and magnitude do, and that are neither."""

    def __init__(self, end):
        super().__init__()
        for name in ("mix_v", f"mix_{end}", "out"):
            self.register_parameter(name, nn.Parameter(torch.randn(32, 32) / 32**0.5))
        self.end = f"mix_{end}"

    def forward(self, x):
        return F.relu(F.relu(x @ self.mix_v) @ self.get_parameter(self.end)) @ self.out


def test_names_alone_make_no_weight_norm():
    torch.manual_seed(0)
    x, sizes = torch.randn(64, 32), []
    for end in ("g", "w"):
        net = Gated(end)
        initium.initialize(net, x, "auto", seed=0)
        sizes.append([row.out_rms for row in initium.measure(net, x).rows])
    # Another name is another draw, of 32 columns of 32 each: six deviations of an rms over them.
    assert sizes[0][2] == pytest.approx(HEAD, rel=1e-4)
    assert sizes[0] == pytest.approx(sizes[1], rel=6 / math.sqrt(2 * 32))


class Post(nn.Module):
    """Words, places and kinds on one stream that is normalised, tied to the output or not, as in BERT."""

    def __init__(self, words=60, width=64, *, tied=True):
        super().__init__()
        self.words, self.places, self.kinds = (nn.Embedding(count, width) for count in (words, 16, 2))
        self.norm = nn.LayerNorm(width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.head = nn.Linear(width, words)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, ids):
        places = torch.arange(ids.shape[1])
        return self.head(
            self.body(self.norm(self.words(ids) + self.places(places) + self.kinds(torch.zeros_like(ids))))
        )


@pytest.mark.parametrize("tied", [True, False])
def test_no_table_drowns_the_words_that_it_is_added_to(tied):
    torch.manual_seed(0)
    net, ids = Post(tied=tied), torch.randint(0, 60, (8, 16))
    initium.initialize(net, ids, "auto", seed=0)
    sizes = {
        name: float(getattr(net, name).weight.detach().square().mean().sqrt()) for name in ("words", "places", "kinds")
    }
    # Seen apart, the rates of 2 rows and of 60 are decades apart, and would drive the sizes as far.
    assert max(sizes.values()) < 2 * sizes["words"]


def test_branches_do_not_drown_what_their_stream_begins_as():
    torch.manual_seed(0)
    net, ids, seen = Post(tied=False), torch.randint(0, 60, (8, 16)), []
    initium.initialize(net, ids, "auto", seed=0)
    for layer in net.body.layers:
        layer.self_attn.out_proj.register_forward_hook(lambda _, __, out: seen.append(out))
        layer.linear2.register_forward_hook(lambda _, __, out: seen.append(out))
    net(ids)
    rows = [row for row in initium.measure(net, ids).rows if row.name.endswith(("out_proj.weight", "linear2.weight"))]
    assert len(rows) == 6
    together = sum(row.out_rms**2 for row in rows)
    # Behind their sums stands a norm: all sizes may shrink together for little, and none of them grows to be heard.
    assert SHARE / 2 < together < SHARE * 1.01


def test_a_constant_between_a_table_and_its_stream_is_seen():
    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor, self.table = factor, nn.Embedding(60, 64)
            self.body = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
            self.head = nn.Linear(64, 60)

        def forward(self, ids):
            return self.head(self.body(self.table(ids) * self.factor))

    torch.manual_seed(0)
    ids, stds = torch.randint(0, 60, (8, 16)), []
    for factor in (1.0, 8.0):
        net = Scaled(factor)
        initium.initialize(net, ids, "auto", seed=0)
        stds.append(float(net.table.weight.detach().std()))
    # What it reads shows the size up to its draw: a sum over 64 inputs, for 64 units.
    assert stds[0] / stds[1] == pytest.approx(8.0, rel=6 / math.sqrt(2 * 64 * 64) + 0.05)


def test_a_stream_without_norms_moves_as_a_whole():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), *(Wide() for _ in range(24)), nn.Linear(64, 10))
    x = torch.randn(64, 20)
    own = spread(rates(net, x))
    initium.initialize(net, x, "auto", seed=0)
    rows = initium.measure(net, x).rows
    assert rows[0].out_rms < 0.7  # down to the output, whose rate is the fastest
    ends = [row.out_rms / rows[0].out_rms for row in rows if row.name.endswith("down.weight")]
    assert all(end == pytest.approx(math.sqrt(SHARE / 24), rel=0.3) for end in ends)
    assert spread(rates(net, x)) < 2 * own


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x):
        return x + self.down(F.relu(self.up(x)))


def test_a_weight_of_zeros_keeps_the_bias_that_it_leaves_to_speak():
    class Turned(nn.Module):
        """A spatial transformer, which starts as the identity."""

        def __init__(self):
            super().__init__()
            self.where, self.see = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6)), nn.Linear(64, 5)
            nn.init.zeros_(self.where[2].weight)
            with torch.no_grad():
                self.where[2].bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

        def forward(self, x):
            grid = F.affine_grid(self.where(x.flatten(1)).view(-1, 2, 3), x.shape, align_corners=False)
            return self.see(F.grid_sample(x, grid, align_corners=False).flatten(1))

    net, x = Turned(), torch.randn(8, 1, 8, 8)
    initium.initialize(net, x, "auto", seed=0)
    assert not net.where[2].weight.any()
    assert net.where[2].bias.tolist() == [1, 0, 0, 0, 1, 0]


def test_a_packed_weight_gets_its_size_from_all_that_it_reads():
    class Asked(nn.Module):
        """Learned queries, small beside the keys: one packed weight reads both."""

        def __init__(self):
            super().__init__()
            self.queries = nn.Parameter(torch.randn(1, 4, 64) * 0.02)
            self.attention, self.head = nn.MultiheadAttention(64, 4, batch_first=True), nn.Linear(64, 5)

        def forward(self, x):
            return self.head(self.attention(self.queries.expand(len(x), -1, -1), x, x)[0].mean(1))

    torch.manual_seed(0)
    net, x = Asked(), torch.randn(8, 20, 64)
    initium.initialize(net, x, "auto", seed=0)
    rows = [row for row in initium.measure(net, x).rows if row.name == "attention.in_proj_weight"]
    assert len(rows) > 1
    # Keys and values are ten times the queries' rows: a mean over all of them is near theirs.
    assert max(row.out_rms for row in rows) < 2


class Closed(nn.Module):
    """Two branches, a norm whose scale is ``1 + w`` or ``w``, and two outputs."""

    def __init__(self, offset):
        super().__init__()
        self.offset, self.stem = offset, nn.Linear(20, 64)
        self.blocks = nn.Sequential(Block(64, norm=True), Block(64, norm=True))
        self.scale = nn.Parameter(torch.full((64,), 1.0 - offset))
        self.head, self.value = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (self.offset + self.scale)
        return torch.cat((self.head(x), self.value(x)), -1)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_the_norm_before_the_outputs_carries_part_of_their_size(offset):
    torch.manual_seed(0)
    net, x = Closed(offset), torch.randn(64, 20)
    initium.initialize(net, x, "auto", seed=0)
    assert torch.equal(net.scale.detach(), torch.full((64,), CLOSE - offset))
    # The scale is what the outputs read: weights of so many elements have the std that makes up for it.
    for weight in (net.head.weight, net.value.weight):
        std = float(weight.detach().square().mean().sqrt())
        assert std == pytest.approx(HEAD / CLOSE / 8, rel=6 / math.sqrt(2 * weight.numel()) + 0.05)


@pytest.mark.parametrize("kept", ["head.weight", "scale"])
def test_a_norm_whose_outputs_are_given_by_others_stays_as_it_is(kept):
    torch.manual_seed(0)
    net, x = Closed(0.0), torch.randn(64, 20)
    made = initium.plan(net, x, "auto", overrides={kept: "keep"})
    assert made["scale"].fill in {Constant(1.0), Keep()}


def test_overrides_are_walked_and_the_rest_is_fitted_to_them():
    torch.manual_seed(0)
    x, sizes = torch.randn(256, 64), []
    for overrides in ({}, {"2.weight": "normal(1.0)"}, {"2.weight": "normal(0.01)", "2.bias": 3.0}):
        net = chain(nn.ReLU, depth=3, width=64)
        initium.initialize(net, x, "auto", overrides, seed=0)
        sizes.append(float(net(x).detach().square().mean().sqrt()))
    # The output is drawn and sized for its own draws; a normal law and its draw differ by what 4,096 elements do.
    assert sizes == pytest.approx([HEAD] * 3, rel=6 / math.sqrt(2 * 4096) + 0.05)


def test_a_prior_is_walked_too():
    torch.manual_seed(0)
    net, x = chain(nn.ReLU, depth=2, width=32), torch.randn(64, 128)
    net[0] = nn.Linear(128, 32)
    counts = [512, *[1] * 9]
    made = initium.plan(net, x, "auto", prior={"4.bias": counts})
    without = initium.plan(net, x, "auto")
    made.apply(net, seed=0)
    assert made["4.bias"].fill != without["4.bias"].fill
    assert torch.isfinite(net(x)).all()


def test_a_walk_that_loses_a_rate_is_taken_back(monkeypatch):
    torch.manual_seed(0)
    net, x, walked = chain(nn.ReLU, depth=4, width=64), torch.randn(64, 64), _auto.walked
    with monkeypatch.context() as patch:
        patch.setattr(_auto, "ROUNDS", 0)
        still = initium.plan(net, x, "auto")
    begun = []

    def losing(*args, before=None, **keywords):
        found = walked(*args, before=before, **keywords)
        begun.append(found)
        # A gradient that is not finite has no rate: one even rate is left, which costs nothing.
        return found if len(begun) == 1 else replace(found, rates=dict(list(found.rates.items())[:1]))

    monkeypatch.setattr(_auto, "walked", losing)
    moved = initium.plan(net, x, "auto")
    assert len(begun) == 1 + _auto.ROUNDS
    assert [row.fill for row in moved.rows] == [row.fill for row in still.rows]


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.LogSigmoid])
def test_an_activation_that_hardly_answers_to_its_size_counts_with_its_slopes(activation, monkeypatch):
    torch.manual_seed(0)
    x, found = torch.randn(64, 64), []
    monkeypatch.setattr(_auto, "ROUNDS", 1)  # later ones make up for what the slopes do not say
    for straight in (False, True):
        if straight:
            monkeypatch.setattr(_effects, "_slopes", lambda *_: _effects.Bend(1.0, 0.0))
        net = chain(activation, depth=20, width=64)
        initium.initialize(net, x, "auto", seed=0)
        found.append(spread(rates(net, x)))
    assert found[0] < 0.7 * found[1]


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Softplus])
def test_walks_tell_how_rates_follow_sizes_where_the_slopes_are_wrong(activation, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(_effects, "_slopes", lambda *_: _effects.Bend(1.0, 0.0))
    x, found = torch.randn(64, 64), []
    for deaf in (False, True):
        if deaf:
            monkeypatch.setattr(_rates.Told, "hear", lambda *_: None)
        net = chain(activation, depth=20, width=64)
        initium.initialize(net, x, "auto", seed=0)
        found.append(spread(rates(net, x)))
    assert found[0] < 0.7 * found[1]


def test_a_walk_tells_what_its_move_did_and_nothing_of_other_moves():
    torch.manual_seed(0)
    net, x = chain(nn.Tanh, depth=3, width=32), Batch((torch.randn(16, 32),))
    network = read(net, x)
    old = scales_of(network, {})
    names = old.movable
    was = _balance.Round({}, dict.fromkeys(names, 1.0), {}, {}, {}, {}, {})
    new, told = _auto._resized(old, {names[0]: 10 * old.size(names[0])}), _rates.Told()
    now = replace(was, rates={name: 10.0**place for place, name in enumerate(names)})
    expected = told.reach(network, old, names)
    told.hear(network, (old, was), (new, now))
    found = told.reach(network, old, names)
    assert found[:, 0] == pytest.approx(list(range(len(names))))
    assert (found[:, 1:] == expected[:, 1:]).all()


def test_all_free_sizes_move_together_to_where_the_output_learns(monkeypatch):
    x, found = torch.randn(64, 128), []
    for rounds in (0, _auto.ROUNDS):
        monkeypatch.setattr(_auto, "ROUNDS", rounds)
        torch.manual_seed(0)
        layers = (each for _ in range(12) for each in (nn.Linear(128, 128), nn.BatchNorm1d(128), nn.SiLU()))
        net = nn.Sequential(*layers, nn.Linear(128, 10))
        initium.initialize(net, x, "auto", seed=0)
        *body, head = map(math.log10, rates(net, x))
        found.append(head - sum(body) / len(body))
    # At the price of one, m decades take 2 m off a gap g, and (g - 2 m)^2 / n + FREE m^2 / n is least where FREE / (4 + FREE) of it
    # is left; at a price of its own for each of 12 five times as much would be. The last step goes STEP of the way.
    assert abs(found[1]) < 2 * FREE / (4 + FREE) * found[0]


class Divided(nn.Module):
    """A norm that is written out with its scale before the division, as in the annotated Transformer."""

    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return self.a * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) + self.b


def test_a_norm_before_the_outputs_is_seen_with_its_scale_before_the_division():
    net, x = nn.Sequential(nn.Linear(8, 32), Divided(32), nn.Linear(32, 4)), torch.randn(16, 8)
    assert read(net, Batch((x,))).facts("1.a").closes == ("2.weight",)


class Demodulated(nn.Module):
    """StyleGAN2: a weight that a style scales, and that is divided by its own norm afterwards."""

    def __init__(self):
        super().__init__()
        self.style, self.weight = nn.Linear(8, 16), nn.Parameter(torch.randn(1, 32, 16))

    def forward(self, x, z):
        weight = self.weight * self.style(z)[:, None]
        weight = weight * torch.rsqrt(weight.pow(2).sum(-1, keepdim=True) + 1e-8)
        return torch.einsum("boi,bi->bo", weight, x)


def test_what_is_divided_by_its_own_norm_is_no_scale_of_a_norm():
    net = Demodulated()
    assert read(net, Batch((torch.randn(4, 16), torch.randn(4, 8)))).facts("weight").role != "scale"


class Surely(nn.Module):
    """Gives its loss, by way of the log of a sum of exponentials, as libraries write it that mask some classes."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(16, 64), nn.ReLU()), nn.Linear(64, 40)

    def forward(self, x, y):
        logits = self.head(self.body(x))
        chosen = logits.gather(-1, y[:, None])
        others = (logits - chosen).masked_fill(F.one_hot(y, 40).bool(), -math.inf)
        return F.softplus(torch.logsumexp(others, -1)).mean()


class Nearest(nn.Module):
    """Gives its loss too: the square of what is left of a target that is far from its answers."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(16, 64), nn.Tanh()), nn.Linear(64, 4)

    def forward(self, x, y):
        return (self.head(self.body(x)) - y).square().mean()


@pytest.mark.parametrize(
    ("model", "y"), [(Surely, torch.arange(32)), (Nearest, 50 * torch.randn(32, 4))], ids=["classes", "values"]
)
def test_what_a_loss_makes_of_an_answer_is_not_its_size(model, y):
    torch.manual_seed(0)
    net, x = model(), torch.randn(32, 16)
    initium.initialize(net, (x, y), "auto", seed=0)
    head = next(row for row in initium.measure(net, (x, y)).rows if row.name == "head.weight")
    assert head.out_rms == pytest.approx(HEAD, rel=6 / math.sqrt(2 * 64))


def test_a_table_is_as_large_as_its_rows_are_to_be_behind_a_constant():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(60, 64)
            self.body = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True, norm_first=True)
            self.head = nn.Linear(64, 60)

        def forward(self, ids):
            return self.head(self.body(F.dropout(self.table(ids) * math.sqrt(64), 0.0)))

    net, ids = Words(), torch.randint(0, 60, (8, 16))
    network = read(net, Batch((ids,)))
    assert [use.factor for use in network.uses if use.name == "table.weight"] == [8.0]
    scales = scales_of(network, {})
    assert scales.size("table.weight") == pytest.approx(TABLE / 8)
    # A stream that is normalised before it is read: its branches add to it in proportion to what it is, not to the table.
    assert scales.size("body.linear2.weight") == pytest.approx(TABLE * math.sqrt(SHARE / 2))


@pytest.mark.parametrize("factor", [0.0, 1e-19, 1e-5, 1e12])
def test_a_constant_that_no_table_makes_up_for_is_none(factor):
    class Faint(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.body, self.head = nn.Embedding(20, 16), nn.Linear(16, 16), nn.Linear(16, 4)

        def forward(self, ids):
            return self.head(F.relu(self.body(self.table(ids) * factor)).mean(1))

    network = read(Faint(), Batch((torch.randint(0, 20, (4, 6)),)))
    assert network.uses[0].factor == 1.0
    assert scales_of(network, {}).size("table.weight") == TABLE


def test_a_log_of_a_sum_inside_of_a_network_is_no_answer():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)

        def forward(self, x):
            return self.head(F.relu(torch.logsumexp(self.second(F.relu(self.first(x))), 1)))

    network = read(Pooled(), Batch((torch.randn(4, 6, 16),)))
    assert [use.after.kind for use in network.uses][1] == "activation"


def test_a_norm_is_seen_through_the_activation_behind_it():
    layers = nn.Linear(8, 16), nn.LayerNorm(16), nn.SiLU(), nn.Linear(16, 16), nn.SiLU(), nn.Linear(16, 4)
    network = read(nn.Sequential(*layers), Batch((torch.randn(4, 8),)))
    first, second, third = network.uses
    assert second.sources == {first.node}
    assert second.met == frozenset()
    assert third.met == {second.node}


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_constant_factor_of_a_branch_counts(factor):
    class Scaled(Block):
        def forward(self, x):
            return x + factor * self.down(F.gelu(self.up(self.norm(x))))

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(32, 64), *(Scaled(64, norm=False) for _ in range(12)), nn.Linear(64, 8))
    x = torch.randn(256, 32)
    initium.initialize(net, x, "auto", seed=0)
    rows = initium.measure(net, x).rows
    added = sum((factor * row.out_rms) ** 2 for row in rows if row.name.endswith("down.weight"))
    # Each is sized by its own draw on this very batch; how its stream has moved, all its branches have.
    assert added / rows[0].out_rms ** 2 == pytest.approx(SHARE, rel=0.05)


@pytest.mark.parametrize("count", [1, 4, 16])
def test_what_is_added_before_an_activation_shares_its_size(count, monkeypatch):
    class Summed(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(32, 32) for _ in range(count))
            self.head = nn.Linear(32, 4)

        def forward(self, x):
            return self.head(torch.tanh(sum(part(x) for part in self.parts)))

    monkeypatch.setattr(_auto, "ROUNDS", 0)  # where it starts, before rates are looked at
    torch.manual_seed(0)
    net, x = Summed(), torch.randn(256, 32)
    initium.initialize(net, x, "auto", seed=0)
    seen = float(sum(part(x) for part in net.parts).detach().square().mean().sqrt())
    # Sums of `count` independent draws over 32 units: their cross terms scatter by sqrt(2 / 32) of the square at most.
    assert seen == pytest.approx(1.0, rel=3 * math.sqrt(2 / 32) if count > NEAR**2 else 0.1)


def test_a_weight_that_only_zeros_reach_says_so():
    net = chain(nn.ReLU, depth=2, width=16)
    made = initium.plan(net, torch.zeros(4, 16), "auto")
    assert "nothing but zeros" in made["0.weight"].reason


class Attending(nn.Module):
    """A graph attention's last layer: its values are weighed by what another weight makes of them, and go out."""

    def __init__(self):
        super().__init__()
        self.first, self.values, self.scores = nn.Linear(32, 64), nn.Linear(64, 10), nn.Linear(10, 1)

    def forward(self, x):
        values = self.values(F.relu(self.first(x)))
        return torch.softmax(self.scores(values) + self.scores(values).T, -1) @ values


class Cached(nn.Module):
    """Gives out its keys and values too, as a cache."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(32, 32) for _ in range(4))

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        return self.out(F.scaled_dot_product_attention(q, k, v)), (k, v)


def test_what_goes_out_is_of_an_output_s_size_whoever_else_reads_it():
    torch.manual_seed(0)
    x, sizes = torch.randn(64, 32), {}
    net = Attending()
    initium.initialize(net, x, "auto", seed=0)
    sizes = {row.name: row.out_rms for row in initium.measure(net, x).rows}
    assert sizes["values.weight"] == pytest.approx(HEAD, rel=0.01)  # sized by its own draw


def test_keys_and_values_that_a_cache_gives_out_are_no_outputs():
    torch.manual_seed(0)
    made = initium.plan(Cached(), torch.randn(4, 6, 32), "auto")
    assert not any("goes out" in row.reason for row in made.rows)


class Tempered(nn.Module):
    """A head whose answer is made another size before it goes out."""

    def __init__(self, temper):
        super().__init__()
        self.body, self.head = nn.Sequential(nn.Linear(64, 64), nn.ReLU()), nn.Linear(64, 10)
        self.scale, self.temper = nn.Parameter(torch.tensor(math.log(1 / 0.07))), temper

    def forward(self, x):
        return self.temper(self, self.head(self.body(x)))


@pytest.mark.parametrize(
    "temper",
    [
        lambda _, z: 10 * z,
        lambda _, z: z / 0.07,
        lambda self, z: z * self.scale.exp(),
        lambda _, z: 2 * z + 1,
    ],
    ids=["factor", "temperature", "learned temperature", "shift"],
)
def test_what_goes_out_has_the_size_of_an_output_whatever_stands_behind_the_head(temper):
    model = Tempered(temper)
    initium.initialize(model, x := torch.randn(256, 64), "auto", seed=0)
    # Small against the sampling of 64 x 10 weights: 4 standard deviations of a relative 1 / sqrt(2 * 640).
    assert model(x).std().item() == pytest.approx(HEAD, rel=4 / math.sqrt(2 * 640))


def test_a_mean_of_answers_has_the_size_of_an_output_too():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(16, 64), nn.Linear(64, 10)

        def forward(self, x):
            return self.head(F.relu(self.body(x))).mean(1)

    initium.initialize(model := Mean(), x := torch.randn(64, 30, 16), "auto", seed=0)
    assert model(x).square().mean().sqrt().item() == pytest.approx(HEAD, rel=4 / math.sqrt(2 * 640))


def test_a_prior_is_no_part_of_the_size_of_an_output():
    made = {}
    for prior in (None, {"head.bias": [1000, *[1] * 9]}):
        model = Tempered(lambda _, z: 10 * z)
        initium.initialize(model, torch.randn(256, 64), "auto", prior=prior, seed=0)
        made[prior is None] = model.head.weight.std().item()
    assert made[True] == pytest.approx(made[False], rel=0.1)


class Standardised(nn.Conv2d):
    """A convolution whose kernels are brought to mean 0 and variance 2 / fan_in at every use."""

    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, (1, 2, 3), keepdim=True)
        gain = math.sqrt(2 / self.weight[0].numel())
        return F.conv2d(x, gain * (self.weight - mean) * torch.rsqrt(variance + 1e-6), self.bias, padding=1)


def test_an_output_that_a_norm_rescales_is_of_a_size_to_learn_like_the_rest():
    torch.manual_seed(0)
    layers = [part for _ in range(4) for part in (nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())]
    net, x = (
        nn.Sequential(nn.Conv2d(3, 8, 1), *layers, nn.Conv2d(8, 2, 1), nn.BatchNorm2d(2)),
        torch.randn(8, 3, 12, 12),
    )
    plan = initium.plan(net, x, "auto", seed=0)
    plan.apply(net, seed=0)
    found = rates(net, x)
    assert abs(found[-1] - sum(found[:-1]) / len(found[:-1])) < 0.25
    assert "scale-free" in next(row.reason for row in plan.rows if row.name == "13.weight")


class Memory(nn.Module):
    """Hops over a memory, each by tables of its own; the last one's is the output's weight, and no norm stands anywhere."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(60, 24) for _ in range(4))

    def forward(self, memory, question):
        state = self.tables[0](question).sum(1)
        for keys, values in pairwise(self.tables):
            found = (keys(memory).sum(2) @ state[:, :, None]).softmax(1)
            state = state + (found * values(memory).sum(2)).sum(1)
        return state @ self.tables[-1].weight.T


def test_a_table_that_is_the_output_s_weight_keeps_its_output_s_size_while_rates_are_evened():
    torch.manual_seed(0)
    net, given = Memory(), (torch.randint(60, (8, 8, 6)), torch.randint(60, (8, 5)))
    initium.initialize(net, given, "auto", seed=0)
    assert initium.measure(net, given).rows[-1].out_rms == pytest.approx(HEAD, rel=_auto._APART)


class Recurrent(nn.Module):
    """One score of a state that is driven by the same input at every step: its size is that of one draw."""

    def __init__(self):
        super().__init__()
        self.state, self.score = nn.LSTM(4, 24, batch_first=True), nn.Linear(24, 1)

    def forward(self, x):
        return self.score(self.state(x)[0][:, -1])


@pytest.mark.parametrize("seed", range(3))
def test_gates_and_states_are_walked_as_they_will_be_written(seed):
    net, x = Recurrent(), torch.ones(8, 6, 4)
    initium.initialize(net, x, "auto", seed=seed)
    assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=0.02)


class Masked(nn.Linear):
    """A layer of an autoregressive network: an output sees some of the inputs only."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("mask", torch.ones(outputs, inputs).tril())

    def forward(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class Ternary(nn.Linear):
    """Three values on a scale of the weight's own, with the gradient of the weight itself."""

    def forward(self, x):
        step = self.weight.abs().mean().clamp(min=1e-5)
        return F.linear(x, self.weight + ((self.weight / step).round().clamp(-1, 1) * step - self.weight).detach())


@pytest.mark.parametrize("layer", [Masked, Ternary])
def test_a_weight_that_is_masked_or_quantised_has_the_size_that_its_output_needs(layer):
    net = nn.Sequential(layer(48, 48), nn.ReLU(), layer(48, 48), nn.ReLU(), layer(48, 10))
    x = torch.randn(64, 48, generator=torch.Generator().manual_seed(0))
    initium.initialize(net, x, "auto", seed=0)
    rows = initium.measure(net, x).rows
    # An output's size is that of a softmax near guessing; under a textbook's law a mask takes half of it, or more.
    assert rows[-1].out_rms == pytest.approx(0.25, rel=0.02)
    assert max(row.out_rms for row in rows[:-1]) < 4


def test_a_weight_whose_size_is_divided_out_takes_the_size_at_which_it_learns_like_the_rest():
    torch.manual_seed(0)
    layers = [Standardised(3, 16, 3), *(each for _ in range(4) for each in (nn.ReLU(), Standardised(16, 16, 3)))]
    net, x = nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 10)), torch.randn(8, 3, 8, 8)
    initium.initialize(net, x, "textbook", seed=0)
    before = rates(net, x)
    plan = initium.plan(net, x, "auto")
    plan.apply(net, seed=0)
    after = rates(net, x)
    assert spread(after) < spread(before)
    assert spread(after[:-1]) < spread(before[:-1]) / 2
    assert "divided out" in next(row.reason for row in plan.rows if row.name == "2.weight")


class Excited(nn.Module):
    """A gate made of the mean of each map, behind a norm that takes every mean away: what reaches it is rounding."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3), nn.InstanceNorm2d(16, affine=True)
        self.squeeze, self.excite, self.out = nn.Linear(16, 4), nn.Linear(4, 16), nn.Linear(16, 5)

    def forward(self, x):
        maps = self.norm(self.first(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(maps.mean((2, 3))))))
        return self.out(F.relu(maps * gate[..., None, None]).mean((2, 3)))


def test_the_rounding_of_what_a_norm_took_away_is_no_signal_to_be_made_large():
    torch.manual_seed(0)
    made = initium.plan(Excited(), torch.randn(8, 3, 18, 18), "auto")
    for name, fan_in in (("squeeze.weight", 16), ("excite.weight", 4)):
        assert "nothing but zeros" in made[name].reason
        assert made[name].fill.std == pytest.approx(fan_in**-0.5)
    assert "output of rms" in made["out.weight"].law


class Reversed(nn.Module):
    """RevIN: a series is normalised with a scale of its own, and the forecast divided by that again."""

    def __init__(self):
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))
        self.up, self.down = nn.Linear(48, 64), nn.Linear(64, 12)

    def forward(self, x):
        mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-5
        made = self.down(F.gelu(self.up(((x - mean) / std * self.scale + self.shift).mT))).mT
        return (made - self.shift) / (self.scale + 1e-10) * std + mean


def test_a_scale_that_is_divided_by_again_is_no_layer_scale():
    torch.manual_seed(0)
    net, x = Reversed(), torch.randn(8, 48, 3).cumsum(1)
    assert not any(use.residual and "scale" in use.residual.multipliers for use in read(net, Batch((x,))).uses)
    assert initium.plan(net, x, "auto")["scale"].fill == Constant(1.0)


class Attended(nn.Module):
    """One attention on a stream, written out or in one operation; where it looks beside may start at zero."""

    def __init__(self, *, written):
        super().__init__()
        self.norm, self.written = nn.LayerNorm(32), written
        self.q, self.k, self.v, self.out = (nn.Linear(32, 32) for _ in range(4))
        self.up, self.down, self.head = nn.Linear(32, 64), nn.Linear(64, 32), nn.Linear(32, 5)

    def forward(self, x):
        read = self.norm(x)
        q, k, v = (each(read).unflatten(-1, (4, 8)).transpose(1, 2) for each in (self.q, self.k, self.v))
        if self.written:
            made = torch.softmax(q @ k.mT / math.sqrt(8), -1) @ v
        else:
            made = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(made.transpose(1, 2).flatten(2))
        return self.head(x + self.down(F.relu(self.up(x))))


def test_queries_and_keys_do_not_move_however_their_attention_is_written():
    x, found = torch.randn(8, 12, 32, generator=torch.Generator().manual_seed(0)), []
    for written in (True, False):
        torch.manual_seed(0)
        made = initium.plan(Attended(written=written), x, "auto")
        found.append({row.name: row.fill.std for row in made.rows if isinstance(row.fill, Normal)})
        assert all(made[f"{name}.weight"].law == "normal, output of rms 1" for name in "qk")
    written, fused = found
    assert written == pytest.approx(fused, rel=1e-3)


def test_what_a_softmax_weighs_evenly_on_purpose_stays_so():
    class Sampled(nn.Module):
        """Deformable attention's weights: made of the query alone, and zero at the start, with their bias."""

        def __init__(self):
            super().__init__()
            self.weigh, self.values, self.head = nn.Linear(32, 8), nn.Linear(32, 32), nn.Linear(32, 5)
            nn.init.zeros_(self.weigh.weight)
            nn.init.zeros_(self.weigh.bias)

        def forward(self, x, beside):
            weights = torch.softmax(self.weigh(x).unflatten(-1, (2, 4)), -1)
            values = self.values(beside).unflatten(-1, (2, 16)).permute(0, 2, 3, 1)
            return self.head((values * weights[:, :, None]).sum(-1).flatten(1))

    net = Sampled()
    initium.initialize(net, (torch.randn(64, 32), torch.randn(64, 4, 32)), "auto", seed=0)
    assert not net.weigh.weight.any()


class Renewed(nn.Module):
    """Branches behind whose sums norms stand, on the way to an answer."""

    def __init__(self, depth=12):
        super().__init__()
        self.first, self.head = nn.Linear(20, 64), nn.Linear(64, 10)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64)) for _ in range(depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(depth))

    def forward(self, x):
        x = self.first(x)
        for branch, norm in zip(self.branches, self.norms, strict=True):
            x = norm(x + branch(x))
        return self.head(x)


def test_ends_of_branches_behind_which_a_norm_stands_move_to_learn_like_the_rest(monkeypatch):
    found = {}
    for price in (_rates.ANCHOR, 1e6):
        monkeypatch.setattr(_rates, "ANCHOR", price)
        torch.manual_seed(0)
        net, x = Renewed(), torch.randn(64, 20)
        initium.initialize(net, x, "auto", seed=0)
        found[price] = spread(rates(net, x))
    moving, still = found.values()
    assert moving < still


@pytest.mark.parametrize("norm", [True, False])
def test_the_first_loss_stays_as_near_to_guessing_whatever_the_rates_ask_for(norm):
    torch.manual_seed(0)
    layers = (each for _ in range(6) for each in (nn.Linear(64, 64), *([nn.LayerNorm(64)] if norm else []), nn.SiLU()))
    net, x = nn.Sequential(nn.Linear(20, 64), *layers, nn.Linear(64, 10)), torch.randn(256, 20)
    initium.initialize(net, x, "auto", seed=0)
    assert initium.measure(net, x).rows[-1].out_rms == pytest.approx(HEAD, rel=1e-3)


class Silenced(nn.Module):
    """NAFNet: factors of its branches that start at zero, one a channel."""

    def __init__(self, value):
        super().__init__()
        self.stem, self.head = nn.Linear(16, 32), nn.Linear(32, 4)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.beta = nn.Parameter(torch.full((32,), value))

    def forward(self, x):
        x = self.stem(x)
        return self.head(x + self.beta * self.down(F.gelu(self.up(F.layer_norm(x, (32,))))))


@pytest.mark.parametrize("function", [torch.exp, torch.sigmoid, lambda beta: 1 + beta])
def test_a_factor_that_is_a_function_of_a_parameter_at_zero_silences_nothing(function):
    class Open(Silenced):
        def forward(self, x):
            x = self.stem(x)
            return self.head(x + function(self.beta) * self.down(F.gelu(self.up(F.layer_norm(x, (32,))))))

    assert "silent" not in initium.plan(Open(0.0), torch.randn(32, 16), "auto")["beta"].reason


@pytest.mark.parametrize(("value", "wanted"), [(0.0, 0.0), (1e-6, LAYER)])
def test_a_factor_that_starts_its_branch_silent_stays_at_zero(value, wanted):
    net, x = Silenced(value), torch.randn(32, 16)
    row = initium.plan(net, x, "auto")["beta"]
    initium.initialize(net, x, "auto", seed=0)
    assert net.beta.detach() == pytest.approx([wanted] * 32)
    assert ("silent" in row.reason) == (wanted == 0)
    # What it multiplies is as large as if it were heard: in a step or two it is.
    sizes = {row.name: row.out_rms for row in initium.measure(net, x).rows}
    assert sizes["down.weight"] > 0.05


class Graph(nn.Module):
    """LightGCN: users and things in one table that a graph mixes; a score is a product of rows, and a penalty looks them up again."""

    def __init__(self):
        super().__init__()
        self.users, self.things = nn.Embedding(30, 16), nn.Embedding(40, 16)
        ends = torch.stack((torch.arange(70), torch.arange(70).roll(1)))
        self.mixing = torch.sparse_coo_tensor(ends, torch.full((70,), 0.5), (70, 70), check_invariants=True)

    def forward(self, user, thing):
        rows = torch.cat((self.users.weight, self.things.weight))
        users, things = ((rows + torch.sparse.mm(self.mixing, rows)) / 2).split((30, 40))
        penalty = self.users(user).square().mean() + self.things(thing).square().mean()
        return (users[user] * things[thing]).sum(-1), penalty


def test_tables_that_a_sparse_graph_mixes_get_one_size():
    torch.manual_seed(0)
    net, batch = Graph(), (torch.randint(0, 30, (64,)), torch.randint(0, 40, (64,)))
    initium.initialize(net, batch, "auto", seed=0)
    users, things = (float(each.weight.detach().std()) for each in (net.users, net.things))
    assert users == pytest.approx(things, rel=6 / math.sqrt(2 * 30 * 16))


class Forecast(nn.Module):
    """Scaled back by the mean and the std that were taken out of what it reads, or added to what it reads."""

    def __init__(self, figures):
        super().__init__()
        self.a, self.b, self.c, self.figures = nn.Linear(16, 64), nn.Linear(64, 64), nn.Linear(64, 16), figures

    def forward(self, x):
        mean, std = x.mean(1, keepdim=True), x.std(1, keepdim=True)
        y = F.relu(self.a((x - mean) / std))
        return self.c(F.layer_norm(y + self.b(y), (64,))) * std + (mean if self.figures else x)


@pytest.mark.parametrize("figures", [True, False])
def test_an_answer_that_is_added_to_figures_of_the_data_is_one_and_a_branch_is_none(figures):
    heads = {facts.name: facts.head for facts in read(Forecast(figures), Batch((torch.randn(8, 16),))).parameters}
    assert bool(heads["c.weight"]) == figures
    assert not heads["b.weight"]


@pytest.mark.parametrize("seed", range(8))
def test_sizes_between_bounds_are_those_of_bounded_least_squares(seed):
    optimize = pytest.importorskip("scipy.optimize")
    drawn = np.random.default_rng(seed)
    reach, rates_, pulls = drawn.normal(size=(30, 12)), drawn.normal(size=30), 0.1 * np.eye(12)
    lower, upper = -drawn.uniform(0.0, 0.3, 12), drawn.uniform(0.0, 0.3, 12)
    found = _rates._within(reach, rates_, pulls, lower, upper)
    system = np.concatenate(((reach - reach.mean(0)) / math.sqrt(30), pulls))
    wanted = np.concatenate((-(rates_ - rates_.mean()) / math.sqrt(30), np.zeros(12)))
    best = optimize.lsq_linear(system, wanted, (lower - 1e-12, upper + 1e-12), tol=1e-12).x
    assert found == pytest.approx(best, abs=_rates.STILL)


class Mixing(nn.Module):
    """Convolution, GELU, BatchNorm, one after the other; the answer reads the mean over places."""

    def __init__(self, width=32, depth=5):
        super().__init__()
        self.stem, self.blocks, self.head = nn.Conv2d(3, width, 2, 2), nn.ModuleList(), nn.Linear(width, 10)
        for _ in range(depth):
            self.blocks.append(
                nn.Sequential(nn.Conv2d(width, width, 3, padding=1, groups=width), nn.GELU(), nn.BatchNorm2d(width))
            )
            self.blocks.append(nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width)))

    def forward(self, x):
        x = self.stem(x)
        for across, along in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            x = along(x + across(x))
        return self.head(x.mean((2, 3)))


def mixing():
    torch.manual_seed(0)
    return Mixing(), torch.randn(16, 3, 16, 16)


def test_what_stands_before_an_activation_and_a_norm_learns_like_the_rest():
    net, x = mixing()
    known = {facts.name: facts for facts in read(net, Batch((x,))).parameters}
    assert all(known[f"blocks.{block}.0.weight"].renewed for block in range(10))
    assert not known["stem.weight"].renewed
    assert not known["head.weight"].renewed
    own = spread(rates(net, x))
    initium.initialize(net, x, "auto", seed=0)
    assert spread(rates(net, x)) < 0.5 * own


def test_the_norm_before_a_mean_that_an_answer_reads_opens_as_far_as_its_rate_asks(monkeypatch):
    found = {}
    for closed in (False, True):
        if closed:
            monkeypatch.setattr(_rates, "CLOSE", 1.0)  # no room to open
        net, x = mixing()
        initium.initialize(net, x, "auto", seed=0)
        closing = {float(each) for each in net.blocks[-1][2].weight.detach()}
        assert len(closing) == 1
        found[closed] = closing.pop(), spread(rates(net, x))
    assert found[True][0] == pytest.approx(CLOSE)
    assert CLOSE < found[False][0] <= 1
    assert found[False][1] < found[True][1]


def test_queries_and_keys_beside_values_move_within_bounds(monkeypatch):
    found = []
    for scored in (True, False):
        if not scored:
            monkeypatch.setattr("initium.calibrate._bindings._packs_values", lambda _: False)
        torch.manual_seed(0)
        net, ids = Post(tied=False), torch.randint(0, 60, (8, 16))
        initium.initialize(net, ids, "auto", seed=0)
        rows = {row.name: row.out_rms for row in initium.measure(net, ids).rows}
        sizes = [size for name, size in rows.items() if name.endswith("in_proj_weight")]
        assert all(1 / NEAR <= size <= _rates.MOST for size in sizes)
        found.append((sizes, spread(rates(net, ids))))
    assert all(size < 0.9 for size in found[0][0])
    assert found[1][0] == pytest.approx([1.0] * 3, rel=1e-3)
    assert found[0][1] < found[1][1]


class Coupling(nn.Module):
    """x exp(s) + t, as in RealNVP; the log of the determinant goes out too."""

    def __init__(self, width=32):
        super().__init__()
        self.up, self.down = nn.Linear(8, width), nn.Linear(width, 16)

    def forward(self, x):
        kept, changed = x.chunk(2, -1)
        s, t = self.down(F.relu(self.up(kept))).chunk(2, -1)
        s = s.tanh()
        return torch.cat((changed * s.exp() + t, kept), -1), s.sum(-1)


class Flow(nn.Module):
    def __init__(self, depth=8):
        super().__init__()
        self.couplings = nn.ModuleList(Coupling() for _ in range(depth))

    def forward(self, x):
        size = 0.0
        for each in self.couplings:
            x, more = each(x)
            size = size + more
        return x, size


def test_the_log_of_a_factor_starts_near_nothing():
    torch.manual_seed(0)
    net, x = Flow(), torch.randn(64, 16)
    initium.initialize(net, x, "auto", seed=0)
    logs = [row for row in initium.measure(net, x).rows if row.name.endswith("down.weight")]
    # As large or smaller: 32 units of 16 draws each show a size to within 0.3 of it.
    assert max(row.out_rms for row in logs) < 1.3 * HEAD
    assert min(row.out_rms for row in logs) > HEAD / 4
    assert net(x)[0].std() < 2


class Averaged(nn.Module):
    """Weights of an average, which are exponentials too."""

    def __init__(self):
        super().__init__()
        self.score, self.value, self.head = nn.Linear(8, 1), nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        weights = self.score(x).exp()
        return self.head((weights * self.value(x)).sum(1) / weights.sum(1))


def test_the_weights_of_an_average_are_no_logs_of_factors():
    assert log_scales(read(Averaged(), Batch((torch.randn(4, 6, 8),)))) == frozenset()
    assert log_scales(read(Flow(2), Batch((torch.randn(4, 16),)))) == {
        "couplings.0.down.weight",
        "couplings.1.down.weight",
    }


class Forecasts(nn.Module):
    """The sum of two answers, of a series and of its running mean, which is a third of its size."""

    def __init__(self):
        super().__init__()
        self.season, self.trend = nn.Linear(48, 12), nn.Linear(48, 12)

    def forward(self, x):
        trend = F.avg_pool1d(x[:, None], 9, 1, 4)[:, 0]
        return self.season(x - trend) + self.trend(trend)


def test_terms_of_an_answer_learn_at_one_rate():
    torch.manual_seed(0)
    net, x = Forecasts(), torch.randn(64, 48)
    initium.initialize(net, x, "auto", seed=0)
    sizes = [row.out_rms for row in initium.measure(net, x).rows]
    share = HEAD / 2**0.5  # a tenth is left as it is
    assert 0.9 * share < sizes[0] <= 1.1 * share
    assert sizes[1] < 0.8 * sizes[0]
    assert net(x).std() < 1.1 * HEAD


class Pooled(nn.Module):
    """A norm, and an answer that reads the sum over forty places."""

    def __init__(self, width=32):
        super().__init__()
        self.body, self.norm = nn.Sequential(nn.Linear(16, width), Block(width, norm=True)), nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.norm(self.body(x)).sum(1))


def test_a_norm_before_a_sum_that_an_answer_reads_closes_further(monkeypatch):
    found = []
    for far in (FAR, 1.0):
        monkeypatch.setattr(_rates, "FAR", far)
        torch.manual_seed(0)
        net, x = Pooled(), torch.randn(32, 40, 16)
        initium.initialize(net, x, "auto", seed=0)
        found.append((float(net.norm.weight.detach()[0]), spread(rates(net, x))))
    assert found[0][0] < found[1][0]
    assert found[0][1] < found[1][1]
