"""Where a weight stands in its architecture: residual branches, attention, output; read off the data flow."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from architectures import ARCHITECTURES
from initium.network import as_batch, read

WIDTH = 8


class Flow(nn.Module):
    """A module around a function, so that nothing but the data flow tells what happens."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


def linears(names):
    return {name: nn.Linear(WIDTH, WIDTH) for name in names.split()}


def network_of(function, *inputs, **parts):
    return read(Flow(function, **parts), as_batch(inputs or (torch.randn(2, 5, WIDTH),)))


def place(network, name):
    found = network.facts(f"{name}.weight").residual
    return found and (found.place, found.index, found.branches)


def architecture(name):
    torch.manual_seed(0)
    model, batch = ARCHITECTURES[name]()
    return read(model, as_batch(batch))


def mlp(net, x):
    return net.b(F.relu(net.a(x)))


def attended(net, x):
    return net.o(F.scaled_dot_product_attention(net.q(x), net.k(x), net.v(x)))


# ---- residual branches ----


def test_a_plain_network_has_no_branches():
    network = network_of(mlp, **linears("a b"))
    assert [use.residual for use in network.uses] == [None, None]


def test_the_last_weight_of_a_branch_is_told_from_the_others():
    def net_of(net, x):
        x = net.stem(x)
        return net.head(x + F.dropout(mlp(net, x), 0.5))

    network = network_of(net_of, **linears("stem a b head"))
    assert [place(network, name)[0] for name in ("stem", "head")] == ["stream", "stream"]
    assert network.facts("stem.weight").residual.stream == network.facts("b.weight").residual.stream
    assert place(network, "a") == ("inside", 0, 1)
    assert place(network, "b") == ("last", 0, 1)
    assert network.facts("b.weight").residual.length == 2


@pytest.mark.parametrize("block", ["pre", "post", "end"])
def test_where_the_norm_stands(block):
    ways = {
        "pre": lambda net, x: net.head(net.out(x + mlp(net, net.norm(x)))),
        "post": lambda net, x: net.head(net.norm(x + mlp(net, x))),
        "end": lambda net, x: net.head(F.relu(x + net.norm(mlp(net, x)))),
    }
    network = network_of(ways[block], norm=nn.LayerNorm(WIDTH), out=nn.LayerNorm(WIDTH), **linears("a b head"))
    found = network.facts("b.weight").residual
    assert (found.norm_first, found.norm_after, found.norm_last) == (block == "pre", block == "post", block == "end")
    assert not found.norm_before_last


def test_a_norm_before_the_last_weight_is_seen():
    network = network_of(
        lambda net, x: net.head(x + net.b(net.norm(F.relu(net.a(x))))), norm=nn.LayerNorm(WIDTH), **linears("a b head")
    )
    assert network.facts("a.weight").residual.norm_before_last


@pytest.mark.parametrize("grouped", [False, True])
def test_parallel_branches_are_two_however_the_sum_is_written(grouped):
    def block(net, x):
        y = net.norm(x)
        return net.head(x + (attended(net, y) + mlp(net, y)) if grouped else x + attended(net, y) + mlp(net, y))

    network = network_of(block, norm=nn.LayerNorm(WIDTH), **linears("q k v o a b head"))
    assert place(network, "o") == ("last", 0, 2)
    assert place(network, "b") == ("last", 1, 2)
    assert place(network, "v") == ("inside", 0, 2)
    assert network.facts("b.weight").residual.norm_first


def test_a_gated_sum_is_no_branch():
    def highway(net, x):
        gate = torch.sigmoid(net.gate(x))
        return net.head(gate * F.relu(net.a(x)) + (1 - gate) * x)

    network = network_of(highway, **linears("gate a head"))
    assert all(use.residual is None for use in network.uses)


def test_concatenations_are_no_branches():
    for name in ("densenet", "unet"):
        assert all(use.residual is None for use in architecture(name).uses)


def test_a_value_that_steers_attention_alone_is_no_stream():
    """T5's distances are added to the scores of every layer."""
    network = architecture("t5")
    streams = {use.residual.stream for use in network.uses if use.residual and use.residual.in_branch}
    assert sorted((each.branches, each.crossing) for each in streams) == [(4, 0), (6, 2)]


def test_the_projection_past_a_branch_is_its_shortcut_and_no_branch():
    network = architecture("resnet")
    assert place(network, "4.conv2") == ("last", 0, 2)
    assert place(network, "5.conv1") == ("inside", 1, 2)
    assert place(network, "5.conv2") == ("last", 1, 2)
    assert place(network, "5.downsample.0") == ("shortcut", 0, 0)
    assert [place(network, name)[0] for name in ("0", "8")] == ["stream", "stream"]


def test_a_low_rank_update_beside_its_weight_is_no_branch():
    network = architecture("lora")
    assert all(use.residual is None for use in network.uses)
    idle = [facts.name for facts in network.parameters if facts.idle]
    assert idle == [facts.name for facts in network.parameters if facts.name.endswith("lora_b")]


def test_the_gate_of_a_branch_is_inside_and_the_value_is_last():
    def excited(net, x):
        y = mlp(net, x)
        return net.head(x + y * torch.sigmoid(net.up(F.relu(net.down(y.mean(1, keepdim=True))))))

    network = network_of(excited, **linears("a b down up head"))
    assert [place(network, name)[0] for name in ("a", "b", "down", "up")] == ["inside", "last", "inside", "inside"]


def test_a_gated_branch_ends_in_its_last_weight():
    network = network_of(
        lambda net, x: net.head(x + net.down(F.silu(net.gate(x)) * net.up(x))), **linears("gate up down head")
    )
    assert [place(network, name)[0] for name in ("gate", "up", "down")] == ["inside", "inside", "last"]


def test_a_scan_in_a_branch_is_no_branch_of_its_own():
    network = architecture("mamba")
    last = [use.name for use in network.uses if use.residual.place == "last"]
    assert last == ["blocks.0.out.weight", "blocks.1.out.weight"]


@pytest.mark.parametrize(("name", "count"), [("gpt2", 4), ("llama", 4), ("mixtral", 4), ("vit", 4)])
def test_branches_are_counted_over_the_whole_stream(name, count):
    network = architecture(name)
    last = [use.residual for use in network.uses if use.residual.place == "last"]
    assert sorted({each.index for each in last}) == list(range(count))
    assert {each.branches for each in last} == {count}
    assert all(each.norm_first and not each.norm_after for each in last)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_encoder_and_decoder_are_two_streams_that_know_each_other(norm_first, training):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    model = nn.Transformer(WIDTH, 2, 2, 3, 16, batch_first=True, norm_first=norm_first, custom_encoder=encoder)
    model.train(training)
    network = read(model, as_batch((torch.randn(2, 5, WIDTH), torch.randn(2, 4, WIDTH))))
    encoder = network.facts("encoder.layers.1.linear2.weight").residual
    decoder = network.facts("decoder.layers.2.linear2.weight").residual
    assert (encoder.index, encoder.branches, decoder.index, decoder.branches) == (3, 4, 8, 9)
    assert (encoder.decoder, encoder.encoder) == (decoder.stream, None)
    assert (decoder.encoder, decoder.decoder) == (encoder.stream, None)
    assert decoder.stream.crossing == 3
    for found in (encoder, decoder):
        assert (found.norm_first, found.norm_after) == (norm_first, not norm_first)


def test_joins_inside_a_longer_branch_have_a_stream_of_their_own():
    def nested(net, x):
        y = x + net.b(F.relu(net.a(x)))
        y = y + net.d(F.relu(net.c(y)))
        return net.head(x + net.e(y))

    network = network_of(nested, **linears("a b c d e head"))
    assert [place(network, name) for name in ("b", "d", "e")] == [("last", 0, 2), ("last", 1, 2), ("last", 0, 1)]
    assert network.facts("b.weight").residual.stream != network.facts("e.weight").residual.stream


# ---- factors ----


@pytest.mark.parametrize(
    ("write", "alpha", "factor"),
    [
        (lambda x, y: 1.5 * x + y, 1.5, 1.0),
        (lambda x, y: torch.add(y, x, alpha=1.5), 1.5, 1.0),
        (lambda x, y: x / 2 + 0.25 * y, 0.5, 0.25),
        (lambda x, y: x + y * torch.tensor(0.5), 1.0, 0.5),
        (lambda x, y: torch.add(x, y, alpha=0.5), 1.0, 0.5),
        (lambda x, y: x * x.std() + y, None, 1.0),
    ],
)
def test_constants_before_the_sum_are_read(write, alpha, factor):
    network = network_of(lambda net, x: net.head(write(x, mlp(net, x))), **linears("a b head"))
    found = network.facts("b.weight").residual
    assert (found.alpha, found.factor) == (alpha, factor)


@pytest.mark.parametrize("shape", [(1,), (WIDTH,)])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_a_parameter_that_multiplies_a_branch_may_be_zero_on_purpose(shape, value):
    network = network_of(
        lambda net, x: net.head(x + net.factor * mlp(net, x)),
        factor=nn.Parameter(torch.full(shape, value)),
        **linears("a b head"),
    )
    assert network.facts("b.weight").residual.multipliers == ("factor",)
    assert place(network, "b") == ("last", 0, 1)
    assert "ReZero" in network.facts("factor").idle
    assert not network.facts("b.weight").idle


def test_the_scale_of_the_norm_that_ends_a_branch_may_be_zero_on_purpose():
    network = network_of(
        lambda net, x: net.head(x + net.last(mlp(net, net.first(x)))),
        first=nn.LayerNorm(WIDTH),
        last=nn.LayerNorm(WIDTH),
        **linears("a b head"),
    )
    assert network.facts("last.weight").idle
    assert not network.facts("first.weight").idle
    assert network.facts("b.weight").residual.multipliers == ()


@pytest.mark.parametrize(
    ("end", "passes"), [(F.leaky_relu, True), (F.silu, True), (F.relu, False), (F.softplus, False)]
)
def test_a_norm_before_an_activation_may_be_zero_where_that_passes_zero_and_its_gradient(end, passes):
    network = network_of(
        lambda net, x: net.head(x + end(net.last(mlp(net, x)))), last=nn.LayerNorm(WIDTH), **linears("a b head")
    )
    assert bool(network.facts("last.weight").idle) is passes


def test_a_modulation_that_gates_a_branch_may_be_zero_on_purpose():
    def modulated(net, x, condition):
        shift, scale, gate = net.modulation(F.silu(condition)).chunk(3, -1)
        y = F.layer_norm(x, (WIDTH,)) * (1 + scale[:, None]) + shift[:, None]
        return net.head(x + gate[:, None] * mlp(net, y))

    parts = {"modulation": nn.Linear(WIDTH, 3 * WIDTH), **linears("a b head")}
    network = network_of(modulated, torch.randn(2, 5, WIDTH), torch.randn(2, WIDTH), **parts)
    assert [facts.name for facts in network.parameters if facts.idle] == ["modulation.weight", "modulation.bias"]
    assert place(network, "b") == ("last", 0, 1)
    assert place(network, "modulation") == ("inside", 0, 1)
    assert network.facts("b.weight").residual.norm_first


# ---- attention ----


def by_hand(net, x):
    scores = net.q(x) @ net.k(x).transpose(-2, -1) / math.sqrt(WIDTH)
    return net.o(F.dropout(scores.softmax(-1), 0.1) @ net.v(x))


def by_einsum(net, x):
    scores = torch.einsum("bqc,bkc->bkq", net.q(x), net.k(x))
    return net.o(torch.einsum("bkq,bkc->bqc", scores.softmax(1), net.v(x)))


@pytest.mark.parametrize("write", [attended, by_hand, by_einsum])
def test_queries_keys_values_and_the_output_are_told_apart(write):
    network = network_of(lambda net, x: net.head(write(net, net.stem(x))), **linears("stem q k v o head"))
    found = {name: network.facts(f"{name}.weight").attention for name in ("stem", "q", "k", "v", "o", "head")}
    assert found == {
        "stem": (),
        **{name: ((name, WIDTH),) for name in ("q", "k", "v")},
        "o": (("out", WIDTH),),
        "head": (),
    }


@pytest.mark.parametrize(
    ("split", "spans"),
    [
        (lambda y: y.chunk(3, -1), (("q", 8), ("k", 8), ("v", 8))),
        (lambda y: (y[..., 16:], y[..., 8:16], y[..., :8]), (("v", 8), ("k", 8), ("q", 8))),
        (
            lambda y: [part.flatten(-2) for part in y.unflatten(-1, (2, 3, 4)).unbind(-2)],
            (("q", 4), ("k", 4), ("v", 4)) * 2,
        ),
    ],
)
def test_the_parts_of_a_fused_weight_are_told_in_their_order(split, spans):
    network = network_of(
        lambda net, x: net.o(F.scaled_dot_product_attention(*split(net.qkv(x)))),
        qkv=nn.Linear(WIDTH, 3 * WIDTH),
        **linears("o"),
    )
    assert network.facts("qkv.weight").attention == spans


def test_unequal_parts_of_a_fused_weight_are_told():
    def grouped(net, x):
        q, k, v = net.qkv(x).split([8, 4, 4], -1)
        q, k, v = (part.unflatten(-1, (-1, 4)).transpose(1, 2) for part in (q, k, v))
        seen = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
        return net.o(seen.transpose(1, 2).flatten(-2))

    network = network_of(grouped, qkv=nn.Linear(WIDTH, 16), **linears("o"))
    assert network.facts("qkv.weight").attention == (("q", 8), ("k", 4), ("v", 4))


def test_parts_that_are_picked_by_number_are_told():
    def multi_query(net, x):
        heads = net.qkv(x).unflatten(-1, (4, 4))
        q, k, v = (part.transpose(1, 2) for part in (heads[..., :-2, :], heads[..., [-2], :], heads[..., [-1], :]))
        return net.o(F.scaled_dot_product_attention(q, k.expand_as(q), v.expand_as(q)).transpose(1, 2).flatten(-2))

    network = network_of(multi_query, qkv=nn.Linear(WIDTH, 16), **linears("o"))
    assert network.facts("qkv.weight").attention == (("q", 8), ("k", 4), ("v", 4))


def test_a_weight_that_cross_attention_uses_in_slices_has_all_its_parts():
    model = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
    network = read(Flow(lambda net, x, y: net.m(x, y, y)[0], m=model), as_batch((torch.randn(2, 5, WIDTH),) * 2))
    assert network.facts("m.in_proj_weight").attention == (("q", 8), ("k", 8), ("v", 8))
    assert network.facts("m.out_proj.weight").attention == (("out", 8),)


def test_a_softmax_that_is_no_attention_gives_no_roles():
    network = network_of(lambda net, x: net.a(x).softmax(-1) * net.b(x), **linears("a b"))
    assert [use.attention for use in network.uses] == [(), ()]


# ---- output ----

TARGETS = torch.zeros(2, 5, dtype=torch.long)
LOSSES = [
    (lambda y: y, "unknown"),
    (lambda y: y.softmax(-1), "softmax"),
    (lambda y: F.log_softmax(y, -1).flatten(1), "softmax"),
    (lambda y: torch.sigmoid(y / 2), "sigmoid"),
    (lambda y: F.cross_entropy(y.transpose(1, 2), TARGETS), "softmax"),
    (lambda y: F.mse_loss(y, torch.ones_like(y)), "regression"),
    (lambda y: F.binary_cross_entropy_with_logits(y, torch.ones_like(y)), "sigmoid"),
]


@pytest.mark.parametrize(("end", "loss"), LOSSES, ids=[f"{i}-{loss}" for i, (_, loss) in enumerate(LOSSES)])
def test_the_output_weight_and_its_loss_are_read(end, loss):
    network = network_of(lambda net, x: end(mlp(net, x)), **linears("a b"))
    assert (network.facts("a.weight").head, network.facts("b.weight").head) == ("", loss)


def test_a_weight_whose_output_also_goes_on_inside_is_no_head():
    network = network_of(lambda net, x: (net.b(y := net.a(x)), y), **linears("a b"))
    assert (network.facts("a.weight").head, network.facts("b.weight").head) == ("", "unknown")


def test_a_branch_that_ends_at_the_output_is_no_head():
    network = network_of(lambda net, x: x + mlp(net, x), **linears("a b"))
    assert network.facts("b.weight").head == ""


def test_a_network_read_without_a_batch_has_no_places():
    network = read(nn.Linear(3, 4))
    assert network.facts("weight").residual is None
    assert network.facts("weight").attention == ()


def scales_before(function, **parts):
    """By norm, the output weights that alone read it."""
    norms = {name: nn.LayerNorm(WIDTH) for name in ("n", "m")}
    network = network_of(function, **norms, **parts)
    return {facts.name: facts.closes for facts in network.parameters if facts.closes}


CLOSING = [
    (lambda net, x: net.b(net.n(net.a(x))), {"n.weight": ("b.weight",)}),
    (lambda net, x: net.b(F.relu(net.n(net.a(x))).mean(1)), {"n.weight": ("b.weight",)}),
    (lambda net, x: (net.a(y := net.n(x)), net.b(y[:, 0])), {"n.weight": ("a.weight", "b.weight")}),
    (lambda net, x: net.b(net.m(net.n(x))), {"m.weight": ("b.weight",)}),
    (lambda net, x: net.b(F.gelu(net.n(net.a(x)))), {}),
    (lambda net, x: (net.b(y := net.n(net.a(x))), y), {}),
    (lambda net, x: net.b(net.n(net.n(net.a(x)))), {}),
    (lambda net, x: net.b(x + net.n(net.a(x))), {}),
    (lambda net, x: net.b(F.relu(net.a(net.n(x)))), {}),
]


@pytest.mark.parametrize(("function", "closes"), CLOSING, ids=range(len(CLOSING)))
def test_a_norm_that_only_outputs_read_is_known_and_no_other(function, closes):
    assert scales_before(function, **linears("a b")) == closes


@pytest.mark.parametrize(
    "normed",
    [
        lambda x: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6),
        lambda x: F.normalize(x, dim=-1) * WIDTH**0.5,
        lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6) * 2.0,
    ],
    ids=["root", "constant", "twice"],
)
def test_a_norm_that_is_written_out_closes_too(normed):
    def function(net, x):
        return net.b(normed(x) * (1 + net.scale))

    network = network_of(function, scale=nn.Parameter(torch.zeros(WIDTH)), **linears("b"))
    facts = network.facts("scale")
    assert (facts.closes, facts.neutral) == (("b.weight",), 0.0)


LEAVING = [
    (lambda net, x: (net.b(y := net.a(x)), y), {"a", "b"}),
    (lambda net, x: torch.softmax(net.b(y := net.a(x)), -1) * y, {"a"}),
    (lambda net, x: (net.b(F.relu(y := net.a(x))), F.relu(y)), {"b"}),
    (lambda net, x: (net.b(y := net.a(x)), F.layer_norm(y, (WIDTH,))), {"b"}),
    (lambda net, x: net.b(net.a(x)), {"b"}),
]


@pytest.mark.parametrize(("function", "out"), LEAVING, ids=range(len(LEAVING)))
def test_what_goes_out_as_it_is_is_known_whoever_else_reads_it(function, out):
    network = network_of(function, **linears("a b"))
    assert {use.name[0] for use in network.uses if use.leaves} == out


@pytest.mark.parametrize("norm", [F.layer_norm, F.rms_norm])
@pytest.mark.parametrize(("offset", "neutral"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_scale_beside_a_norm_that_has_none_closes_too(norm, offset, neutral):
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma = nn.Parameter(torch.full((8,), 1.0 - offset))

        def forward(self, x):
            return norm(x, (8,)) * (self.gamma + offset if offset else self.gamma)

    network = read(nn.Sequential(nn.Linear(8, 8), Norm(), nn.Linear(8, 3)), as_batch(torch.ones(4, 8)))
    facts = network.facts("1.gamma")
    assert (facts.closes, facts.neutral) == (("2.weight",), neutral)


def test_a_codebook_that_is_compared_to_choose_is_a_table():
    def quantised(m, x):
        z = m.encode(x)
        distance = z.square().sum(1, keepdim=True) - 2 * z @ m.codes.T + m.codes.square().sum(1)
        q = F.embedding(distance.argmin(1), m.codes)
        return m.decode(z + (q - z).detach())

    torch.manual_seed(0)
    codes = nn.Parameter(torch.randn(32, 8))
    network = network_of(quantised, torch.randn(16, 6), encode=nn.Linear(6, 8), decode=nn.Linear(8, 6), codes=codes)
    assert network.facts("codes").role == "embedding"
    assert network.facts("codes").notes == ()
    # Nothing is added back to a stream: the sum within the distance only chooses.
    assert all(facts.residual is None for facts in network.parameters)


def test_a_table_that_gives_scores_beside_a_choice_is_a_weight():
    def scores(m, x):
        z = m.encode(x)
        logits = z @ m.codes.T
        return logits, F.embedding(logits.argmax(1), m.codes)

    network = network_of(scores, torch.randn(16, 6), encode=nn.Linear(6, 8), codes=nn.Parameter(torch.randn(32, 8)))
    assert network.facts("codes").role == "weight"


# ---- biases of stacked matrices ----


@pytest.mark.parametrize("shape", [(3, 1, 4), (3, 4)])
def test_the_biases_of_a_stack_of_matrices_are_biases(shape):
    def experts(m, x):
        if len(shape) == 3:
            hidden = torch.bmm(x.expand(3, *x.shape), m.w) + m.b
            return F.relu(hidden).sum(0)
        return F.relu(torch.einsum("bi,eio->beo", x, m.w) + m.b).sum(1)

    parts = {"w": nn.Parameter(torch.randn(3, 6, 4)), "b": nn.Parameter(torch.zeros(shape))}
    assert network_of(experts, torch.randn(5, 6), **parts).facts("b").role == "bias"


def test_the_biases_of_the_matrices_that_tokens_are_sent_to_are_biases():
    def routed(m, x):
        chosen = m.gate(x).argmax(1)
        return F.relu(torch.einsum("bi,bio->bo", x, m.w[chosen]) + m.b[chosen])

    parts = {"w": nn.Parameter(torch.randn(3, 6, 4)), "b": nn.Parameter(torch.zeros(3, 4)), "gate": nn.Linear(6, 3)}
    network = network_of(routed, torch.randn(5, 6), **parts)
    assert network.facts("b").role == "bias"
    assert [use.name for use in network.uses] == ["gate.weight", "w"]


def test_a_table_of_positions_or_of_classes_is_none_of_them():
    def conditioned(m, x, y):
        return F.relu(m.inner(x) + m.positions + m.classes[y][:, None])

    parts = {"inner": nn.Linear(6, 4), "positions": nn.Parameter(torch.randn(3, 4))}
    parts["classes"] = nn.Parameter(torch.randn(7, 4))
    network = network_of(conditioned, torch.randn(5, 3, 6), torch.arange(5), **parts)
    assert {network.facts(name).role for name in ("positions", "classes")} == {"embedding"}


class Jumping(nn.Module):
    """An answer of every layer, all added: no stream."""

    def __init__(self, *, read):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.answers, self.read = nn.ModuleList(nn.Linear(8, 4) for _ in range(4)), read
        self.more = nn.Linear(4, 4)

    def forward(self, x):
        out = 0
        for layer, answer in zip((*self.layers, None), self.answers, strict=True):
            out = out + F.dropout(answer(x), 0.1)
            if layer is not None:
                x = F.relu(layer(x)) + (self.more(out).sum(-1, keepdim=True) if self.read else 0)
        return out


@pytest.mark.parametrize("taken", [False, True])
def test_a_sum_of_what_weights_give_to_no_one_else_is_made_of_answers(taken):
    heads = [
        bool(facts.head)
        for facts in read(Jumping(read=taken), as_batch(torch.randn(5, 8))).parameters
        if facts.role == "weight" and "answers" in facts.name
    ]
    assert all(heads) != taken
