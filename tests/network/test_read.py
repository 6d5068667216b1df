"""What a network knows of its parameters, read off the data flow."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

import initium
from initium.errors import TraceError
from initium.gains import Activation, gain
from initium.network import as_batch, read


class Flow(nn.Module):
    """A module around a function, so that nothing but the data flow tells what happens."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


def between(function):
    """Two weights with a function between them."""
    return Flow(lambda self, x: self.b(function(self.a(x))), a=nn.Linear(4, 8), b=nn.Linear(8, 3))


WRITTEN = [
    (F.relu, "relu"),
    (lambda x: x.relu_(), "relu"),
    (lambda x: x.clamp(min=0), "relu"),
    (lambda x: torch.maximum(x, torch.zeros_like(x)), "relu"),
    (lambda x: x * (x > 0), "relu"),
    (lambda x: x.masked_fill(x < 0, 0.0), "relu"),
    (lambda x: torch.where(x > 0, x, 0.2 * x), "leaky_relu(0.2)"),
    (lambda x: F.leaky_relu(x, 0.3), "leaky_relu(0.3)"),
    (nn.PReLU(8, 0.1), "leaky_relu(0.1)"),
    (nn.RReLU(0.1, 0.3), "rrelu(0.1, 0.3)"),
    (torch.tanh, "tanh"),
    (lambda x: x.sigmoid_(), "sigmoid"),
    (nn.SELU(), "selu"),
    (nn.ELU(2.0), "elu(2)"),
    (F.gelu, "gelu"),
    (nn.GELU("tanh"), "gelu_tanh"),
    (lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), "gelu_tanh"),
    (lambda x: x * torch.sigmoid(1.702 * x), "quick_gelu"),
    (lambda x: x * torch.sigmoid(x), "silu"),
    (lambda x: x * torch.tanh(F.softplus(x)), "mish"),
    (lambda x: F.relu(x) ** 2, "squared_relu"),
    (lambda x: F.dropout(F.relu(x), 0.5).view(-1, 8), "relu"),
    (lambda x: F.max_pool1d(F.relu(x)[None], 1)[0], "relu"),
    (lambda x: torch.cat([F.relu(x[:, :4]), F.relu(x[:, 4:])], 1), "relu"),
    (lambda x: 2 * x + 1, "linear"),
    (nn.Identity(), "linear"),
    (lambda x: F.softmax(x, -1), "softmax"),
]


@pytest.mark.parametrize(("function", "name"), WRITTEN, ids=[f"{i}-{name}" for i, (_, name) in enumerate(WRITTEN)])
def test_an_activation_is_recognised_however_it_is_written(function, name):
    module = function if isinstance(function, nn.Module) else None
    net = between(function)
    if module is not None:
        net.module = module
    network = read(net, as_batch(torch.randn(5, 4)))
    assert str(network.facts("a.weight").after) == name
    assert str(network.facts("b.weight").before) == name


def test_a_pointwise_function_without_a_name_can_be_evaluated():
    after = read(between(lambda x: x.abs().sqrt()), as_batch(torch.randn(5, 4))).facts("a.weight").after
    points = torch.linspace(-3, 3, 7, dtype=torch.float64)
    assert not isinstance(after.activation, Activation)
    assert torch.equal(after.activation(points), points.abs().sqrt())


def test_what_follows_is_seen_through_a_normalisation_and_the_weight_is_then_scale_free():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    network = read(net, as_batch(torch.randn(2, 3, 8, 8)))
    first, last = network.facts("0.weight"), network.facts("3.weight")
    assert (str(first.after), first.normalised) == ("relu", True)
    assert (str(last.before), str(last.after), last.normalised) == ("relu", "output", False)


def test_a_normalisation_written_out_is_one():
    def norm(self, x):
        x = self.a(x)
        centred = x - x.mean(-1, keepdim=True)
        return self.b(F.relu(centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * self.g + self.s))

    parts = {"g": nn.Parameter(torch.ones(8)), "s": nn.Parameter(torch.zeros(8))}
    network = read(Flow(norm, a=nn.Linear(4, 8), b=nn.Linear(8, 3), **parts), as_batch(torch.randn(5, 4)))
    assert (str(network.facts("a.weight").after), network.facts("a.weight").normalised) == ("relu", True)
    assert [network.facts(name).role for name in ("g", "s")] == ["scale", "shift"]


@pytest.mark.parametrize("others", [lambda self, x: self.b(x)[None], lambda _, x: x[:3].mean()])
def test_a_cosine_divides_out_the_size_of_what_it_compares(others):
    def compared(self, x):
        return F.cosine_similarity(self.a(x)[:, None], others(self, x), dim=-1) / 0.1

    network = read(Flow(compared, a=nn.Linear(8, 6), b=nn.Linear(8, 6)), as_batch(torch.randn(5, 8)))
    used = [facts for facts in network.parameters if facts.role == "weight" and facts.uses]
    assert {facts.normalised for facts in used} == {True}


def test_a_normalised_sum_does_not_make_its_terms_scale_free():
    net = Flow(lambda self, x: self.n(x + self.a(x)), a=nn.Linear(8, 8), n=nn.LayerNorm(8))
    assert not read(net, as_batch(torch.randn(5, 8))).facts("a.weight").normalised


FANS = [
    (nn.Linear(3, 5), (2, 3), 3, 5),
    (nn.Conv2d(4, 6, 3), (2, 4, 8, 8), 36, 54),
    (nn.Conv2d(4, 6, 3, stride=2), (2, 4, 8, 8), 36, 13.5),
    (nn.Conv2d(4, 8, 3, groups=4), (2, 4, 8, 8), 9, 18),
    (nn.Conv1d(4, 4, 5, groups=4, padding="same"), (2, 4, 8), 5, 5),
    (nn.ConvTranspose2d(6, 4, 4, stride=2), (2, 6, 8, 8), 24, 64),
    (nn.ConvTranspose1d(8, 4, 4, stride=4, groups=2), (2, 8, 6), 4, 8),
]


@pytest.mark.parametrize(("layer", "shape", "fan_in", "fan_out"), FANS, ids=[str(row[0]) for row in FANS])
def test_fans_are_those_of_the_operation(layer, shape, fan_in, fan_out):
    """fan_in * var(w) is the output's variance and fan_out * var(w) the input gradient's, for unit-variance values."""
    facts = read(layer, as_batch(torch.randn(shape))).facts("weight")
    assert (facts.fan_in, facts.fan_out) == (fan_in, fan_out)
    assert (facts.fan_in, facts.fan_out) == (read(layer).facts("weight").fan_in, read(layer).facts("weight").fan_out)


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(8, 16, 3, stride=2), (4, 8, 65, 65)),
        (nn.Conv2d(8, 32, 3, groups=8), (4, 8, 64, 64)),
        (nn.ConvTranspose2d(16, 8, 4, stride=2), (4, 16, 40, 40)),
    ],
    ids=str,
)
def test_fans_agree_with_the_moments_that_a_real_layer_gives(layer, size):
    """The interior of a layer, away from its borders, against the fans; the bound is six standard errors.

    With w drawn anew for each of r repetitions, the mean square of the output is a mean over r draws of a quadratic
    form in the weights of relative variance at most 2 / fan (one output unit), so its standard error is at most
    sqrt(2 / fan / r) (units average only further).
    """
    facts = read(layer, as_batch(torch.randn(size))).facts("weight")
    generator = torch.Generator().manual_seed(0)
    ahead, back, repetitions = [], [], 60
    for _ in range(repetitions):
        with torch.no_grad():
            layer.weight.normal_(generator=generator)
            layer.bias.zero_()
        x = torch.randn(size, generator=generator).requires_grad_()
        y = layer(x)
        y.backward(torch.randn(y.shape, generator=generator))
        ahead.append(y[..., 4:-4, 4:-4].square().mean().item())
        back.append(x.grad[..., 4:-4, 4:-4].square().mean().item())
    for values, fan in ((ahead, facts.fan_in), (back, facts.fan_out)):
        bound = 6 * math.sqrt(2 / fan / repetitions)
        assert abs(sum(values) / repetitions / fan - 1) < bound


def test_a_fused_query_key_value_weight_is_three_matrices():
    network = read(nn.MultiheadAttention(8, 2, batch_first=True), as_batch(tuple(torch.randn(3, 2, 5, 8))))
    facts = network.facts("in_proj_weight")
    assert (facts.parts, facts.axis, facts.fan_in, facts.fan_out) == (3, 0, 8, 8)


def test_a_gate_and_up_weight_stored_as_in_out_is_two_matrices_along_its_second_axis():
    def gated(self, x):
        gate, up = (x @ self.w).chunk(2, -1)
        return F.silu(gate) * up

    facts = read(Flow(gated, w=nn.Parameter(torch.randn(6, 20))), as_batch(torch.randn(3, 6))).facts("w")
    assert (facts.layout, facts.parts, facts.axis, facts.fan_in, facts.fan_out) == ("in_out", 2, 1, 6, 10)


def test_gates_of_a_recurrent_network_are_packed_and_the_state_matrix_is_recurrent():
    network = read(nn.LSTM(5, 7, 2, bidirectional=True), as_batch(torch.randn(4, 3, 5)))
    states = [facts for facts in network.parameters if facts.role == "recurrent"]
    assert len(states) == 4
    assert all((facts.parts, facts.fan_in, facts.fan_out) == (4, 7, 7) for facts in states)
    assert network.facts("weight_ih_l1").fan_in == 14
    assert network.facts("bias_hh_l1_reverse").role == "bias"


def test_gates_before_a_normalisation_are_not_scale_free():
    net = Flow(lambda self, x: self.n(self.r(x)[0]), r=nn.GRU(4, 6), n=nn.LayerNorm(6))
    network = read(net, as_batch(torch.randn(5, 3, 4)))
    assert not any(facts.normalised for facts in network.parameters)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_sequence_that_looks_at_itself_is_read(kind):
    def looked(self, x):
        seen, _ = self.r(x)
        return torch.softmax(seen @ seen.transpose(1, 2), -1) @ seen

    network = read(Flow(looked, r=kind(3, 6, batch_first=True)), as_batch(torch.randn(4, 5, 3)))
    assert [facts.parts for facts in network.parameters if facts.role == "recurrent"] == [
        {"LSTM": 4, "GRU": 3}.get(kind.__name__, 1)
    ]
    assert {use.attention for use in network.uses} == {(("qkv", 6),)}


@pytest.mark.parametrize("gates", [("GRU", 3), ("RNN", 1)])
def test_recurrent_networks_without_bias_keep_their_matrices_apart(gates):
    network = read(getattr(nn, gates[0])(5, 7, 2, bias=False), as_batch(torch.randn(4, 3, 5)))
    roles = [(facts.name, facts.role, facts.parts) for facts in network.parameters]
    assert roles == [
        (f"weight_{kind}_l{layer}", role, gates[1])
        for layer in (0, 1)
        for kind, role in (("ih", "weight"), ("hh", "recurrent"))
    ]


def test_a_stack_of_experts_has_the_fans_of_one():
    net = Flow(lambda self, x: torch.einsum("bi,eio->beo", x, self.w), w=nn.Parameter(torch.randn(4, 6, 10)))
    facts = read(net, as_batch(torch.randn(3, 6))).facts("w")
    assert (facts.layout, facts.parts, facts.axis, facts.fan_in) == ("batched", 4, 0, 6)


def test_a_tied_embedding_is_one_parameter_with_both_names_and_the_head_s_law():
    net = Flow(lambda self, i: self.head(self.e(i)), e=nn.Embedding(10, 4), head=nn.Linear(4, 10, bias=False))
    net.head.weight = net.e.weight
    network = read(net, as_batch(torch.randint(0, 10, (3, 5))))
    (facts,) = network.parameters
    assert facts.names == ("e.weight", "head.weight")
    assert (facts.role, facts.uses, facts.fan_in) == ("weight", 2, 4)
    assert [use.op for use in network.uses] == ["embedding", "linear"]


def test_uses_come_in_execution_order_whatever_the_order_of_registration():
    net = Flow(lambda self, x: self.b(torch.tanh(self.a(torch.tanh(self.c(x))))), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    net.c = nn.Linear(4, 4)
    network = read(net, as_batch(torch.randn(2, 4)))
    assert [use.name for use in network.uses] == ["c.weight", "a.weight", "b.weight"]


def test_every_further_use_of_a_weight_is_counted():
    net = Flow(lambda self, x: self.a(torch.tanh(self.a(x))), a=nn.Linear(4, 4))
    network = read(net, as_batch(torch.randn(2, 4)))
    assert [(use.name, use.index) for use in network.uses] == [("a.weight", 0), ("a.weight", 1)]
    assert network.facts("a.weight").uses == 2


def test_parameters_that_are_no_weights_have_their_roles():
    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return x + self.alpha * (self.gamma * self.a(x))

    net = Flow(forward, a=nn.Linear(4, 4), unused=nn.Linear(2, 2))
    net.token = nn.Parameter(torch.zeros(1, 1, 4))
    net.position = nn.Parameter(torch.zeros(1, 7, 4))
    net.alpha, net.gamma = nn.Parameter(torch.zeros(())), nn.Parameter(torch.ones(4))
    network = read(net, as_batch(torch.randn(3, 6, 4)))
    assert [(network.facts(n).role, network.facts(n).layout) for n in ("token", "position")] == [
        ("embedding", "added")
    ] * 2
    assert [network.facts(name).role for name in ("alpha", "gamma", "a.bias")] == ["other", "other", "bias"]
    assert network.facts("unused.weight").uses == 0
    assert "not used" in network.facts("unused.weight").notes[0]


def test_a_low_rank_update_is_no_data():
    def forward(self, x):
        return F.linear(x, self.base.weight + self.up @ self.down)

    net = Flow(forward, base=nn.Linear(8, 8, bias=False))
    net.up, net.down = nn.Parameter(torch.zeros(8, 2)), nn.Parameter(torch.randn(2, 8))
    network = read(net, as_batch(torch.randn(3, 8)))
    assert [use.name for use in network.uses] == ["base.weight"]
    assert "through" in network.facts("up").notes[0]


def test_a_parametrised_weight_names_its_parametrisation():
    net = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 5)), parametrizations.spectral_norm(nn.Linear(5, 6)))
    network = read(net, as_batch(torch.randn(3, 4)))
    computed = {facts.name: facts.computed_by for facts in network.parameters}
    assert computed["0.parametrizations.weight.original1"] == "weight_norm"
    assert computed["1.parametrizations.weight.original"] == "spectral_norm"
    assert computed["0.bias"] == ""


def test_an_operation_without_a_rule_is_listed():
    net = between(lambda x: torch.fft.hfft(x, 8).real)
    network = read(net, as_batch(torch.randn(5, 4)))
    assert any("hfft" in name for name in network.unknown)
    assert network.facts("a.weight").assumed


def test_what_is_counted_or_compared_carries_no_signal():
    def forward(self, x):
        scores = self.a(x)
        counts = torch.histc(scores.argmax(-1).float(), bins=8, min=0, max=7)
        return self.b(F.relu(scores) * (counts > 0))

    network = read(Flow(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 3)), as_batch(torch.randn(5, 4)))
    assert network.unknown == ()
    assert str(network.facts("a.weight").after) == "relu"


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_reading_does_not_depend_on_the_default_device(device):
    net, batch = nn.MultiheadAttention(8, 2, batch_first=True), as_batch(tuple(torch.randn(3, 2, 5, 8)))
    with torch.device(device):
        assert read(net, batch).parameters == read(copy.deepcopy(net), batch).parameters
        assert read(net, batch).facts("in_proj_weight").parts == 3


@pytest.mark.parametrize("question", [torch.Tensor.item, torch.Tensor.nonzero, bool, torch.Tensor.tolist])
def test_a_question_without_values_is_a_trace_error_and_not_the_fault_of_the_batch(question):
    net = Flow(lambda self, x: (question(x.sum()), self.a(x))[1], a=nn.Linear(4, 3))
    read(net, as_batch(torch.randn(5, 4)))
    with pytest.raises(TraceError, match="no values on meta"):
        read(net.to("meta"), as_batch(torch.randn(5, 4)))


def test_a_model_on_meta_is_read_as_one_with_memory():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.Flatten(), nn.Linear(288, 10))
    batch = as_batch(torch.randn(2, 3, 8, 8))
    real, fake = read(net, batch), read(net.to("meta"), batch)
    for one, other in zip(real.parameters, fake.parameters, strict=True):
        assert (one.role, one.fan_in, one.fan_out, str(one.before), str(one.after), one.normalised) == (
            other.role,
            other.fan_in,
            other.fan_out,
            str(other.before),
            str(other.after),
            other.normalised,
        )


def test_without_a_batch_every_fact_is_a_guess_and_says_so():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.Dropout(), nn.Flatten(), nn.Linear(8, 2)
    )
    network = read(net)
    first, last = network.facts("0.weight"), network.facts("5.weight")
    assert network.assumed
    assert all(facts.assumed for facts in network.parameters)
    assert (str(first.before), str(first.after), first.normalised) == ("input", "leaky_relu(0.2)", True)
    assert (str(last.before), str(last.after)) == ("leaky_relu(0.2)", "output")
    assert [network.facts(name).role for name in ("1.weight", "1.bias", "5.bias")] == ["scale", "shift", "bias"]


EINSUMS = [
    ("td,dhk->thk", (6, 2, 5), "in_out", 6, 10),
    ("thk,hkd->td", (2, 5, 6), "in_out", 10, 6),
    ("ti,oi->to", (7, 6), "out_in", 6, 7),
    ("bti,tio->bto", (3, 6, 4), "batched", 6, 4),
    ("bi,eio->beo", (4, 6, 10), "batched", 6, 40),
]


@pytest.mark.parametrize(("equation", "shape", "layout", "fan_in", "fan_out"), EINSUMS)
def test_the_letters_of_an_einsum_say_what_is_summed(equation, shape, layout, fan_in, fan_out):
    left = equation.split(",", maxsplit=1)[0]
    letters = dict(zip(equation.split(",")[1].split("->", maxsplit=1)[0], shape, strict=True))
    net = Flow(lambda self, x: torch.einsum(equation, x, self.w), w=nn.Parameter(torch.randn(shape)))
    facts = read(net, as_batch(torch.randn([letters.get(letter, 5) for letter in left]))).facts("w")
    assert (facts.layout, facts.fan_in, facts.fan_out) == (layout, fan_in, fan_out)


@pytest.mark.parametrize(
    ("equation", "count", "unit_axis"),
    [("bi,ij", 1, -1), ("ji,bi", 1, -1), ("...i,ij->...j", 1, -1), ("b...i,ij->bj...", 1, 1), ("bi,bi,ij->bj", 2, -1)],
)
def test_an_einsum_may_leave_its_output_out_or_hold_an_ellipsis_or_further_operands(equation, count, unit_axis):
    def product(self, x):
        operands = [self.w, x] if equation == "ji,bi" else [*[x] * count, self.w]
        return torch.einsum(equation, *operands)

    shape = (5, 6) if equation == "ji,bi" else (6, 5)
    (use,) = read(Flow(product, w=nn.Parameter(torch.randn(shape))), as_batch(torch.randn(3, 6))).uses
    assert (use.fan_in, use.fan_out, use.unit_axis) == (6, 5, unit_axis if equation != "ji,bi" else -1)


TENSORDOTS = [
    (lambda x, w: torch.tensordot(x, w, dims=([1], [1])), (5, 6), "out_in", 6, 5),
    (lambda x, w: torch.tensordot(x, w, dims=1), (6, 2, 4), "in_out", 6, 8),
    (lambda x, w: torch.tensordot(w, x, dims=([0], [1])), (6, 7), "in_out", 6, 7),
    (lambda x, w: torch.tensordot(x.view(3, 2, 3), w, dims=2), (2, 3, 4), "in_out", 6, 4),
]


@pytest.mark.parametrize(("product", "shape", "layout", "fan_in", "fan_out"), TENSORDOTS)
def test_the_axes_of_a_tensordot_say_what_is_summed(product, shape, layout, fan_in, fan_out):
    net = Flow(lambda self, x: F.relu(product(x, self.w)), w=nn.Parameter(torch.randn(shape)))
    network = read(net, as_batch(torch.randn(3, 6)))
    facts, (use,) = network.facts("w"), network.uses
    assert (facts.layout, facts.fan_in, facts.fan_out, str(facts.after)) == (layout, fan_in, fan_out, "relu")
    assert product(torch.randn(3, 6), net.w).shape[use.unit_axis] in shape


def test_a_table_read_at_fixed_places_is_added_and_one_read_at_given_places_is_looked_up():
    def forward(self, i):
        return self.e(i) + self.p(torch.arange(i.shape[1]))

    network = read(Flow(forward, e=nn.Embedding(9, 4), p=nn.Embedding(7, 4)), as_batch(torch.randint(0, 9, (3, 5))))
    assert [network.facts(name).layout for name in ("e.weight", "p.weight")] == ["lookup", "added"]


def test_a_lazy_module_is_refused_with_the_cure():
    with pytest.raises(TraceError, match=r"`0\.weight` is lazy.*Call the model once"):
        read(nn.Sequential(nn.LazyLinear(3)))


def test_without_a_batch_a_bare_parameter_is_not_taken_for_a_weight():
    net = Flow(None, a=nn.Linear(2, 2))
    net.position, net.mixing = nn.Parameter(torch.zeros(1, 7, 4)), nn.Parameter(torch.zeros(3, 4))
    network = read(net)
    assert [network.facts(name).role for name in ("position", "mixing", "a.weight")] == ["embedding", "other", "weight"]


def test_an_activation_takes_the_value_with_its_bias():
    net = Flow(lambda self, x: F.relu(x @ self.w + self.b), w=nn.Parameter(torch.randn(4, 8)))
    net.b = nn.Parameter(torch.zeros(8))
    (use,) = read(net, as_batch(torch.randn(5, 4))).uses
    assert (use.node, use.activated, str(use.after)) == ("matmul", "add", "relu")


def filled(self, x):
    out = torch.zeros(5, 16)
    out[:, :8] = self.a(x)
    return self.b(F.relu(out))


def changed_whole(self, x):
    h = self.a(x)
    h.view(-1).relu_()
    return self.b(h)


def changed_in_part(self, x):
    h = self.a(x)
    h[:, :4].relu_()
    return self.b(h)


def collected(self, x):
    outs, h = torch.zeros(3, 5, 8), self.a(x)
    for step in range(3):
        h = torch.relu(h)
        outs[step] = h
    return self.b(outs)


@pytest.mark.parametrize(
    ("forward", "width", "before"),
    [(filled, 16, "relu"), (changed_whole, 8, "relu"), (changed_in_part, 8, "linear | relu"), (collected, 8, "relu")],
)
def test_what_is_written_through_a_view_is_seen_by_the_readers_of_the_whole(forward, width, before):
    network = read(Flow(forward, a=nn.Linear(4, 8), b=nn.Linear(width, 3)), as_batch(torch.randn(5, 4)))
    assert str(network.facts("a.weight").after) == "relu"
    assert str(network.facts("b.weight").before) == before


@pytest.mark.parametrize(
    ("function", "value", "name"),
    [
        (lambda h, p: h * torch.sigmoid(p * h), 1.0, "silu"),
        (lambda h, p: h * torch.sigmoid(p * h), 1.702, "quick_gelu"),
        (lambda h, p: p * F.gelu(h), 1e-5, "gelu"),
        (lambda h, p: torch.tanh(p * h), 0.5, "tanh"),
        (lambda h, p: torch.tanh(h + p), 0.5, "tanh"),
    ],
)
@pytest.mark.parametrize("shape", [(), (8,)])
def test_a_learned_number_counts_inside_an_activation_and_not_around_it(function, value, name, shape):
    net = Flow(
        lambda self, x: self.b(function(self.a(x), self.p)),
        a=nn.Linear(4, 8),
        b=nn.Linear(8, 3),
        p=nn.Parameter(torch.full(shape, value)),
    )
    assert str(read(net, as_batch(torch.randn(5, 4))).facts("a.weight").after) == name


def test_the_rate_of_a_gate_changes_its_moments():
    def swish(self, x):
        h = self.a(x)
        return h * torch.sigmoid(self.rate * h)

    net = Flow(swish, a=nn.Linear(4, 8), rate=nn.Parameter(torch.tensor(30.0)))
    after = read(net, as_batch(torch.randn(5, 4))).facts("a.weight").after
    assert gain(after.activation) == pytest.approx(gain(lambda x: x * torch.sigmoid(30.0 * x)), rel=1e-6)


def test_an_inner_product_sums_over_the_last_axes():
    for product, axis in ((lambda self, x: torch.inner(x, self.w), -1), (lambda self, x: torch.inner(self.w, x), -2)):
        (use,) = read(Flow(product, w=nn.Parameter(torch.randn(7, 4))), as_batch(torch.randn(5, 4))).uses
        assert (use.fan_in, use.fan_out, use.layout, use.unit_axis) == (4, 7, "out_in", axis)


def test_a_weight_that_is_cut_to_a_triangle_is_not_used_as_it_is_filled():
    network = read(
        Flow(lambda self, x: x @ self.w.tril(), w=nn.Parameter(torch.randn(4, 4))), as_batch(torch.randn(5, 4))
    )
    assert network.facts("w").assumed
    assert not network.uses[0].direct


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: torch.einsum("bi,bio->bo", x, w),
        lambda x, w: torch.bmm(x[:, None], w).squeeze(1),
        lambda x, w: torch.bmm(w.transpose(1, 2), x[:, :, None]).squeeze(2),
    ],
)
def test_matrices_picked_for_each_sample_are_weights_and_no_table(product):
    net = Flow(lambda self, x, i: F.relu(product(x, self.w[i])), w=nn.Parameter(torch.randn(3, 6, 10)))
    network = read(net, as_batch((torch.randn(5, 6), torch.tensor([0, 2, 1, 1, 0]))))
    facts = network.facts("w")
    assert (facts.role, facts.layout, facts.fan_in, facts.fan_out, facts.parts) == ("weight", "batched", 6, 10, 3)
    assert (str(facts.before), str(facts.after)) == ("input", "relu")


def test_a_stack_that_is_picked_from_and_added_is_a_table():
    net = Flow(lambda self, x, i: x + self.w[i].sum(-1), w=nn.Parameter(torch.randn(3, 6, 10)))
    assert read(net, as_batch((torch.randn(5, 6), torch.arange(5) % 3))).facts("w").role == "embedding"


def cell(self, x):
    i, f, g, o = (self.a(x) + self.b(x)).chunk(4, -1)
    return o.sigmoid() * (f.sigmoid() * x + i.sigmoid() * g.tanh()).tanh()


@pytest.mark.parametrize(
    ("forward", "parts"),
    [
        (cell, 4),
        (lambda self, x: F.glu(self.a(x)) + self.b(x).sum(), 2),
        (lambda self, x: F.scaled_dot_product_attention(*(self.a(x) + self.s).chunk(4, -1)[:3]) + self.b(x)[:, :8], 1),
        (lambda self, x: torch.cat(self.n(self.a(x)).split(8, -1), 0) + self.b(x)[:1, :8], 4),
        (lambda self, x: torch.cat(F.relu(self.a(x)).split(8, -1), 0) + self.b(x)[:1, :8], 1),
    ],
    ids=["gates", "glu", "one part unused", "norm between", "an activation between"],
)
def test_packed_matrices_are_found_behind_a_bias_a_sum_of_gates_and_a_norm(forward, parts):
    net = Flow(forward, a=nn.Linear(8, 32), b=nn.Linear(8, 32), n=nn.LayerNorm(32), s=nn.Parameter(torch.zeros(32)))
    facts = read(net, as_batch(torch.randn(5, 8))).facts("a.weight")
    assert (facts.parts, facts.fan_out) == (parts, 32 / parts)


def test_matrices_of_unequal_sizes_in_one_weight_are_said_to_be():
    net = Flow(lambda self, x: sum(each.sum() for each in self.a(x).split([6, 2, 2], -1)), a=nn.Linear(4, 10))
    facts = read(net, as_batch(torch.randn(5, 4))).facts("a.weight")
    assert (facts.parts, facts.fan_out) == (1, 10)
    assert facts.notes == ("packs matrices of [6, 2, 2] outputs, taken as one",)


@pytest.mark.parametrize(
    ("groups", "split", "fan_out", "parts"),
    [(24, 3, 3, 24), (24, 1, 3, 24), (8, 2, 9, 8), (3, 6, 12, 6), (1, 3, 24, 3)],
)
def test_a_split_parts_only_what_the_groups_do_not(groups, split, fan_out, parts):
    model = Flow(
        lambda self, x: sum(torch.tanh(part) for part in self.c(x).chunk(split, 1)),
        c=nn.Conv1d(24, 24, 3, groups=groups),
    )
    (use,) = read(model, as_batch(torch.randn(2, 24, 9))).uses
    assert (use.fan_out, use.parts) == (fan_out, parts)


def test_the_groups_of_a_convolution_are_matrices_of_their_own():
    layers = [
        (nn.Conv2d(8, 12, 3, groups=4), 4, 0),
        (nn.Conv1d(6, 6, 5, groups=6), 6, 0),
        (nn.ConvTranspose2d(8, 12, 3, groups=4), 4, 0),
        (nn.ConvTranspose2d(8, 12, 3), 1, 1),
    ]
    for layer, parts, axis in layers:
        batch = as_batch(torch.randn(2, layer.in_channels, *[9] * len(layer.kernel_size)))
        for facts in (read(layer, batch).facts("weight"), read(layer).facts("weight")):
            assert (facts.parts, facts.axis) == (parts, axis), layer


def flat(self, x):
    hidden = F.relu(F.linear(x, self.f[:32].view(8, 4), self.f[32:40]))
    return F.linear(hidden, self.f[40:64].view(3, 8), self.f[64:])


@pytest.mark.parametrize(
    ("forward", "shape", "said"),
    [
        (flat, (67,), "parts of it are a weight and others a bias"),
        (lambda self, x: F.linear(F.linear(x, self.f), self.f.t()), (8, 4), "differ in their fans (4 to 8, 8 to 4)"),
        (lambda self, x: F.linear(F.relu(F.linear(x, self.f)), self.f), (4, 4), ""),
    ],
)
def test_a_parameter_that_is_several_things_is_a_guess_and_says_so(forward, shape, said):
    facts = read(Flow(forward, f=nn.Parameter(torch.randn(shape))), as_batch(torch.randn(5, 4))).facts("f")
    assert facts.assumed == bool(said)
    assert said in " ".join(facts.notes)


def rms(x, scale):
    return (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6) * scale.float()).type_as(x)


@pytest.mark.parametrize(
    ("scale", "neutral"),
    [
        (lambda w: w, 1.0),
        (lambda w: 1.0 + w, 0.0),
        (lambda w: w.exp(), 0.0),
        (lambda w: (1 + w.view(1, 1, 8)).to(torch.float64), 0.0),
        (lambda w: w.cumsum(0), None),
        (lambda w: torch.where(torch.zeros(1).bool(), torch.ones(1), w), 1.0),
    ],
)
def test_the_value_at_which_a_scale_is_the_identity_is_read_off_its_use(scale, neutral):
    net = Flow(
        lambda self, x: self.b(F.relu(rms(self.a(x), scale(self.w)))),
        a=nn.Linear(4, 8),
        b=nn.Linear(8, 3),
        w=nn.Parameter(torch.zeros(8)),
    )
    network = read(net, as_batch(torch.randn(2, 5, 4)))
    facts = network.facts("w")
    assert (facts.role, facts.neutral, facts.assumed) == ("scale", neutral, neutral is None)
    assert (str(network.facts("a.weight").after), network.facts("a.weight").normalised) == ("relu", True)
    assert str(network.facts("b.weight").before) == "relu"


def test_an_activation_under_a_constant_condition_is_what_it_is():
    def chosen(h):
        return torch.where(torch.ones((), dtype=torch.bool), F.relu(h), h)

    net = Flow(lambda self, x: self.b(chosen(self.a(x))), a=nn.Linear(4, 8), b=nn.Linear(8, 3))
    assert str(read(net, as_batch(torch.randn(5, 4))).facts("a.weight").after) == "relu"


def test_the_norm_of_a_learned_table_is_a_norm():
    net = Flow(lambda self, x: self.n(self.q).expand(len(x), -1, -1) + x[:, None], n=nn.LayerNorm(4))
    net.q = nn.Parameter(torch.randn(1, 5, 4))
    network = read(net, as_batch(torch.randn(3, 4)))
    assert [network.facts(name).role for name in ("n.weight", "n.bias", "q")] == ["scale", "shift", "embedding"]


def test_an_activation_of_a_mean_is_recognised():
    def pooled(self, x):
        h = self.a(x).mean(1)
        return self.b(h * torch.sigmoid(h))

    network = read(Flow(pooled, a=nn.Linear(4, 8), b=nn.Linear(8, 3)), as_batch(torch.randn(2, 5, 4)))
    assert (str(network.facts("a.weight").after), str(network.facts("b.weight").before)) == ("silu", "silu")


def test_a_use_knows_the_uses_and_the_inputs_that_it_reads():
    def forward(self, x):
        first = F.relu(self.a(x))
        second = self.b(first)
        return self.d(torch.cat([first, self.c(second.tanh() + x)], -1))

    net = Flow(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 4), c=nn.Linear(4, 8), d=nn.Linear(16, 3))
    uses = read(net, as_batch(torch.randn(5, 4))).uses
    nodes = {use.node: use.name[0] for use in uses}
    read_by = [{nodes.get(source, "x") for source in use.sources} for use in uses]
    assert read_by == [{"x"}, {"a"}, {"b", "x"}, {"a", "c"}]


def test_reading_draws_nothing_of_noise_that_is_written_out():
    def noisy(self, x):
        h = self.a(x)
        mask = torch.empty_like(h).bernoulli_(0.9) * torch.empty_like(self.s).bernoulli_(0.9)
        return self.b(F.relu(h * mask) + torch.randn_like(h) * self.s)

    net = Flow(noisy, a=nn.Linear(4, 8), b=nn.Linear(8, 3), s=nn.Parameter(torch.ones(8)))
    before = torch.get_rng_state()
    network = read(net, as_batch(torch.randn(5, 4, generator=torch.Generator())))
    assert torch.equal(torch.get_rng_state(), before)
    assert str(network.facts("a.weight").after) in {"relu", "product"}


def decayed(self, x):
    """A state that starts at zero and decays (RWKV)."""
    state = self.start
    for _ in range(3):
        state = torch.exp(-torch.exp(self.p)) * state + self.a(x)
    return self.b(state)


def peeped(self, x):
    """A gate that looks at the state (the peephole of a ConvLSTM), written in two ways."""
    state = torch.zeros(len(x), 8)
    for _ in range(2):
        state = state + torch.sigmoid(torch.addcmul(self.a(x), self.q, state) + self.p * state)
    return self.b(state)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (decayed, {"p": nn.Parameter(torch.zeros(8)), "start": 0}),
        (decayed, {"p": nn.Parameter(torch.zeros(8)), "start": torch.zeros(4, 8)}),
        (decayed, {"p": nn.Parameter(torch.zeros(4, 8)), "start": torch.zeros(4, 8)}),
        (peeped, {"p": nn.Parameter(torch.zeros(4, 8)), "q": nn.Parameter(torch.zeros(4, 8))}),
    ],
)
def test_what_multiplies_a_state_that_starts_at_zero_is_no_table(function, parts):
    model = Flow(function, a=nn.Linear(5, 8), b=nn.Linear(8, 2), **parts)
    found = read(model, as_batch(torch.randn(4, 5)))
    roles = {facts.name: facts.role for facts in found.parameters}
    assert {roles[name] for name in ("p", "q") if name in roles} == {"other"}
    assert roles["a.weight"] == "weight"


class Distances(nn.Module):
    """Ends in distances and angles, and lays values out on the way."""

    def __init__(self):
        super().__init__()
        self.embed, self.grow = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x, y):
        a, b = self.embed(x), self.embed(y)
        near = torch.cdist(a, b)
        turned = torch.linalg.cross(self.grow(a), self.grow(b))
        return near, F.cosine_similarity(a, b, dim=-1), turned, self.grow(a).exp().cumprod(-1)


def test_distances_angles_and_running_products_are_products():
    network = read(Distances(), as_batch((torch.randn(5, 6), torch.randn(5, 6))))
    assert network.unknown == ()
    assert {use.after.kind for use in network.uses if use.name == "embed.weight"} == {"product"}


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.b(self.a(x) + self.codes[torch.cdist(self.a(x), self.codes).argmin(-1)]),
        lambda self, x: self.b(F.relu(self.a(x))) * torch.outer(x[:, 0], torch.arange(3.0)).cos(),
        lambda self, x: self.b(torch.nn.utils.rnn.pad_sequence(list(self.a(x).split([2, 3])), batch_first=True)),
    ],
    ids=["distances to codes", "angles of positions", "padded sequences"],
)
def test_distances_outer_products_and_padding_are_known(forward):
    net = Flow(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 3), codes=nn.Parameter(torch.randn(9, 8)))
    network = read(net, as_batch(torch.randn(5, 4)))
    assert network.unknown == ()
    assert network.facts("a.weight").after.kind in {"activation", "linear"}


class Streams(nn.Module):
    """Two copies of a stream, mixed by an identity that the data shift a little, and a branch that is weighed likewise."""

    def __init__(self, *, soft: bool) -> None:
        super().__init__()
        self.soft = soft
        self.shift, self.weigh = nn.Linear(8, 4, bias=False), nn.Linear(8, 2, bias=False)
        self.mix, self.gates, self.sent = nn.Parameter(torch.eye(2)), nn.Parameter(torch.ones(2)), nn.Linear(8, 8)

    def forward(self, x):
        streams = torch.stack([x, x], 1)
        mix = 0.01 * self.shift(x).tanh().view(-1, 2, 2) + self.mix
        gates = 0.01 * self.weigh(x).tanh() + self.gates
        mix = mix.softmax(-1) if self.soft else mix
        return torch.einsum("bij,bjd->bid", mix, streams) + gates[..., None] * self.sent(x)[:, None]


@pytest.mark.parametrize("soft", [False, True])
def test_what_streams_are_mixed_by_is_left_as_it_was_written_out(*, soft):
    net, x = Streams(soft=soft), torch.randn(5, 8)
    network = read(net, as_batch(x))
    assert {network.facts(name).role for name in ("mix", "gates")} == {"other"}
    nn.init.normal_(net.mix, 0.0, 0.02)
    assert read(net, as_batch(x)).facts("mix").role == "embedding"


def test_a_sparse_parameter_is_read():
    class Sparse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weigh, self.shift = nn.Linear(4, 8), nn.Parameter(torch.eye(8)[0].to_sparse())

        def forward(self, x):
            return self.weigh(x) + self.shift.to_dense()

    assert read(Sparse(), as_batch(torch.randn(5, 4))).facts("shift").role == "bias"


class Mixed(nn.Module):
    """What is normalised, weighed against what was there one step before: a mixing weight, and no scale of the norm."""

    def __init__(self):
        super().__init__()
        self.norm, self.mix, self.out = nn.LayerNorm(8), nn.Parameter(torch.rand(8)), nn.Linear(8, 3)

    def forward(self, x):
        x = self.norm(x)
        return self.out(x * self.mix + x.roll(1, 1) * (1 - self.mix))


class Thrice(Mixed):
    """The same, with one more use: what it is does not hang on how many there are."""

    def forward(self, x):
        x = self.norm(x)
        return self.out(x * self.mix + x.roll(1, 1) * (1 - self.mix) + x.roll(2, 1) * self.mix)


class Kernel(nn.Module):
    """What is normalised, multiplied by a kernel that several parameters make."""

    def __init__(self):
        super().__init__()
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, 3)
        self.decay, self.read = nn.Parameter(torch.rand(8)), nn.Parameter(torch.randn(8))

    def forward(self, x):
        return self.out(self.norm(x) * (self.read * torch.exp(-self.decay)))


@pytest.mark.parametrize("built", [Mixed, Thrice, Kernel])
def test_what_multiplies_behind_a_norm_and_is_no_scale_of_it_is_left_alone(built):
    torch.manual_seed(0)
    net, x = built(), torch.randn(2, 4, 8)
    names = [name for name in dict(net.named_parameters()) if name in {"mix", "decay", "read"}]
    before = {name: net.get_parameter(name).detach().clone() for name in names}
    assert {read(net, as_batch(x)).facts(name).role for name in names} == {"other"}
    initium.initialize(net, x, "auto", seed=0)
    assert all(torch.equal(net.get_parameter(name), before[name]) for name in names)
