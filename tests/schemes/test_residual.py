"""The schemes that go by residual branches: exact stds on whole networks, and refusals of those they were not made for."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from architectures import ARCHITECTURES
from initium.errors import PlanError
from initium.network import Residual, Stream, as_batch, read
from initium.planning import expected_std, plan
from initium.records import Blocks, Constant, Normal
from initium.schemes import rows, scheme

WIDTH, DEPTH = 16, 3
GLOROT = math.sqrt(2 / (2 * WIDTH))


def stds(network, spec):
    return {row.name: expected_std(row.fill, row.shape) for row in plan(network, spec)}


def architecture(name):
    torch.manual_seed(0)
    model, batch = ARCHITECTURES[name]()
    return read(model, as_batch(batch))


class Layer(nn.Module):
    """Attention and feed-forward, with norms wherever they are asked for."""

    def __init__(self, alpha=1.0, *, before=False, inside=False, after=False):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.alpha = alpha
        self.before = nn.ModuleList(nn.LayerNorm(WIDTH) if before else nn.Identity() for _ in range(2))
        self.inside = nn.ModuleList(nn.LayerNorm(WIDTH) if inside else nn.Identity() for _ in range(2))
        self.after = nn.ModuleList(nn.LayerNorm(WIDTH) if after else nn.Identity() for _ in range(2))

    def forward(self, x):
        y = self.before[0](x)
        y = self.inside[0](F.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y)))
        x = self.after[0](self.alpha * x + self.o(y))
        y = self.inside[1](F.relu(self.fc1(self.before[1](x))))
        return self.after[1](self.alpha * x + self.fc2(y))


def stack(**kinds):
    """Three layers between a table and a head."""
    torch.manual_seed(0)
    layers = [Layer(**kinds) for _ in range(DEPTH)]
    model = nn.Sequential(nn.Embedding(11, WIDTH), *layers, nn.Linear(WIDTH, WIDTH))
    return read(model, as_batch(torch.randint(11, (2, 5))))


class Ladder(nn.Module):
    """Residual blocks of two weights without norms; a multiplier where one is asked for."""

    def __init__(self, depth, *, scalars):
        super().__init__()
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.first = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth))
        self.second = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(depth))
        self.factors = nn.ParameterList(nn.Parameter(torch.full((1,), 0.5)) for _ in range(depth if scalars else 0))

    def forward(self, x):
        x = self.stem(x)
        for place, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            y = second(F.relu(first(x)))
            x = x + (y * self.factors[place] if len(self.factors) else y)
        return x


# ---- GPT-2, BEiT ----


def test_gpt2_is_as_published_for_every_parameter():
    network = architecture("gpt2")
    expected = {}
    for name, facts in ((each.name, each) for each in network.parameters):
        ends = name.endswith(("c_proj.weight", "c_out.weight"))
        matrix = 0.02 / math.sqrt(2 * 2) if ends else 0.02  # 2 layers of 2 branches
        expected[name] = matrix if len(facts.shape) > 1 else 0.0
    assert sum(name.endswith(("c_proj.weight", "c_out.weight")) for name in expected) == 4
    assert stds(network, "gpt2") == pytest.approx(expected, rel=1e-15)
    for row in plan(network, "gpt2"):
        assert len(row.shape) > 1 or row.fill == Constant(1.0 if row.role == "scale" else 0.0)


def test_depth_scaled_divides_by_the_root_of_twice_the_layer():
    found = stds(stack(before=True), "depth_scaled")
    for layer in range(DEPTH):
        for name in ("o", "fc2"):
            assert found[f"{layer + 1}.{name}.weight"] == pytest.approx(0.02 / math.sqrt(2 * (layer + 1)), rel=1e-15)
        assert {found[f"{layer + 1}.{name}.weight"] for name in ("q", "k", "v", "fc1")} == {0.02}


# ---- Fixup ----


def test_fixup_keeps_a_hundred_blocks_without_norms_as_they_enter():
    """Branches that are zero hand on the signal and the gradient bit by bit."""
    model, inputs = Ladder(100, scalars=True), torch.randn(8, WIDTH)
    made = plan(read(model, as_batch(inputs)), "fixup")
    made.apply(model, seed=0)
    he = math.sqrt(2 / WIDTH)
    assert expected_std(made["first.7.weight"].fill, (WIDTH, WIDTH)) == pytest.approx(he * 100**-0.5, rel=1e-14)
    assert made["second.7.weight"].fill == Constant(0.0)
    assert made["factors.7"].fill == Constant(1.0)
    assert expected_std(made["stem.weight"].fill, (WIDTH, WIDTH)) == pytest.approx(he, rel=1e-14)
    entered = model.stem(inputs)
    entered.retain_grad()
    model.stem.forward = lambda _: entered
    left = model(inputs)
    way = torch.randn_like(left)
    left.backward(way)
    assert torch.equal(left, entered)
    assert torch.equal(entered.grad, way)
    assert all(weight.weight.grad.abs().sum() > 0 for weight in model.second)


def test_fixup_starts_the_output_at_zero(facts, network):
    (row,) = rows(network(facts(head="softmax")), scheme("fixup"))
    assert row.fill == Constant(0.0)


@pytest.mark.parametrize("length", [2, 3, 5])
def test_fixup_goes_by_the_branchs_length(length, facts, network):
    place = Residual("inside", Stream(0, 16, 0, length), length=length, multipliers=("a",))
    (row,) = rows(network(facts(residual=place)), scheme("fixup"))
    assert row.fill.std == pytest.approx(math.sqrt(2 / 6) * 16 ** (-1 / (2 * length - 2)), rel=1e-14)


def test_fixup_says_what_a_model_lacks():
    bare = read(Ladder(3, scalars=False), as_batch(torch.randn(2, WIDTH)))
    with pytest.raises(PlanError, match=r"`first.0.weight` has no multiplier.*nn.Parameter\(torch.ones\(1\)\)"):
        plan(bare, "fixup")
    assert plan(bare, "fixup(scalars=False)")["second.0.weight"].fill == Constant(0.0)
    with pytest.raises(PlanError, match="is normalised"):
        plan(stack(before=True), "fixup(scalars=False)")


# ---- transformers ----


def test_t_fixup_scales_values_outputs_and_feed_forward_weights():
    network = stack()
    found, small = stds(network, "t_fixup"), 0.67 * DEPTH**-0.25
    for name in ("v", "o", "fc1", "fc2"):
        assert found[f"2.{name}.weight"] == pytest.approx(small * GLOROT, rel=1e-14)
    for name in ("2.q", "2.k", "4"):
        assert found[f"{name}.weight"] == pytest.approx(GLOROT, rel=1e-14)
    assert found["0.weight"] == pytest.approx(WIDTH**-0.5 * (9 * DEPTH) ** -0.25, rel=1e-14)


@pytest.mark.parametrize("where", ["before", "inside", "after"])
def test_t_fixup_refuses_normalised_branches(where):
    with pytest.raises(PlanError, match=r"t_fixup: the branch of `1\.\w+.weight` is normalised"):
        plan(stack(**{where: True}), "t_fixup")


ALPHA, BETA = (2 * DEPTH) ** 0.25, (8 * DEPTH) ** -0.25


@pytest.mark.parametrize("alpha", [ALPHA, round(ALPHA, 3)])
def test_deepnorm_accepts_its_alpha_and_takes_its_gain(alpha):
    found = stds(stack(alpha=alpha, after=True), "deepnorm")
    for name in ("v", "o", "fc1", "fc2"):
        assert found[f"3.{name}.weight"] == pytest.approx(BETA * GLOROT, rel=1e-14)
    for name in ("3.q", "3.k", "4"):
        assert found[f"{name}.weight"] == pytest.approx(GLOROT, rel=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 1.5, ALPHA * 1.002])
def test_deepnorm_refuses_another_alpha_and_names_its_own(alpha):
    with pytest.raises(PlanError, match=rf"multiplied by {alpha:.6g}, where 6 branches need alpha = {ALPHA:.6g}"):
        plan(stack(alpha=alpha, after=True), "deepnorm")


def test_deepnorm_refuses_a_stream_that_is_not_normalised():
    with pytest.raises(PlanError, match="not normalised"):
        plan(stack(alpha=ALPHA, before=True), "deepnorm")


def test_deepnorm_of_an_encoder_and_a_decoder_goes_by_both_depths(facts, network):
    encoder, decoder = Stream(0, 12, 0, 2), Stream(1, 9, 3, 2)  # 6 and 3 layers
    ends = [
        Residual("last", encoder, alpha=0.81 * (6**4 * 3) ** (1 / 16), norm_after=True, decoder=decoder),
        Residual("last", decoder, alpha=9**0.25, norm_after=True, encoder=encoder),
    ]
    made = rows(network(*(facts(shape=(6, 6), residual=place) for place in ends)), scheme("deepnorm"))
    glorot = math.sqrt(2 / 12)
    assert made[0].fill.std == pytest.approx(0.87 * (6**4 * 3) ** (-1 / 16) * glorot, rel=1e-14)
    assert made[1].fill.std == pytest.approx(36**-0.25 * glorot, rel=1e-14)


def test_fused_queries_keys_and_values_get_a_law_each(facts, network):
    place = Residual("inside", Stream(0, 2, 0, 2), alpha=2**0.25, norm_after=True)
    fused = facts(shape=(16, 8), fan_out=8, attention=(("q", 8), ("k", 4), ("v", 4)), residual=place)
    (row,) = rows(network(fused), scheme("deepnorm"))
    q, k, v = Normal(math.sqrt(2 / 16)), Normal(math.sqrt(2 / 12)), 8**-0.25 * math.sqrt(2 / 12)
    assert row.fill.axis == 0
    assert row.fill.fills[:3] == (q, q, k)
    assert row.fill.fills[3].std == pytest.approx(v, rel=1e-14)


def test_a_fused_weight_is_filled_part_by_part():
    layer = nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, 0.0, batch_first=True)
    layer.norm1, layer.norm2 = nn.Identity(), nn.Identity()
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), layer, nn.Linear(WIDTH, WIDTH)).train()
    made = plan(read(model, as_batch(torch.randn(2, 5, WIDTH))), "t_fixup")
    fill = made["1.self_attn.in_proj_weight"].fill
    assert isinstance(fill, Blocks)
    bounds = [each.bound for each in fill.fills]
    assert bounds == pytest.approx([math.sqrt(3) * GLOROT] * 2 + [0.67 * math.sqrt(3) * GLOROT], rel=1e-14)
    made.apply(model, seed=0)
    parts = layer.self_attn.in_proj_weight.detach().chunk(3)
    assert all(float(part.abs().max()) <= bound for part, bound in zip(parts, bounds, strict=True))
    assert float(parts[0].abs().max()) > bounds[2]


def test_subln_takes_a_gain_that_grows_with_depth():
    found = stds(stack(before=True, inside=True), "subln")
    gain = math.sqrt(math.log(2 * DEPTH))
    for name in ("v", "o", "fc1", "fc2"):
        assert found[f"1.{name}.weight"] == pytest.approx(gain * GLOROT, rel=1e-14)
    assert found["1.q.weight"] == pytest.approx(GLOROT, rel=1e-14)


@pytest.mark.parametrize(("kinds", "lacks"), [({"before": True}, "before its last"), ({"inside": True}, "start with")])
def test_subln_refuses_a_branch_that_lacks_a_norm(kinds, lacks):
    with pytest.raises(PlanError, match=lacks):
        plan(stack(**kinds), "subln")


# ---- silent branches ----


@pytest.mark.parametrize("scalars", [True, False])
def test_zero_residual_makes_every_block_the_identity_by_one_zero(scalars):
    model, inputs = Ladder(5, scalars=scalars), torch.randn(8, WIDTH)
    made = plan(read(model, as_batch(inputs)), "zero_residual")
    made.apply(model, seed=0)
    assert torch.equal(model(inputs), model.stem(inputs))
    zero = {row.name for row in made if row.role != "bias" and row.fill == Constant(0.0)}
    assert zero == {f"factors.{i}" if scalars else f"second.{i}.weight" for i in range(5)}


def test_zero_residual_takes_the_scale_of_the_norm_that_ends_a_branch():
    made = plan(architecture("resnet"), "zero_residual")
    zero = {row.name for row in made if row.role != "bias" and row.fill == Constant(0.0) and row.role != "shift"}
    assert zero == {"4.bn2.weight", "5.bn2.weight"}


@pytest.mark.parametrize("spec", ["gpt2", "depth_scaled", "fixup", "t_fixup", "deepnorm", "subln", "zero_residual"])
def test_without_branches_a_plan_is_refused_with_the_reason(spec):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with pytest.raises(PlanError, match="no batch was given"):
        plan(read(model), spec)
    with pytest.raises(PlanError, match="the graph holds no sum"):
        plan(read(model, as_batch(torch.randn(2, 3))), spec)
