"""A plan into a model."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import weight_norm as old_weight_norm

import initium
from initium.errors import ArgumentError, ArgumentTypeError, PlanError
from initium.planning import expected_std
from initium.records import Keep, Normal, Orthogonal, Packed, Uniform

TOKENS = torch.arange(14).reshape(2, 7)
KURTOSIS = {Normal: 3.0, Uniform: 1.8}


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def assert_same_weights(one, other):
    assert [name for name in one if name in other and not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    "scheme",
    ["textbook", "zeros", "normal(0.02)", "uniform(0.1)", "glorot_uniform", "he_normal", "lecun_normal", "orthogonal"],
)
def test_every_weight_has_the_std_that_the_plan_says(mixed, plan_of, scheme):
    made = plan_of(mixed, scheme, batch=TOKENS)
    receipt = made.apply(mixed, seed=3)
    parameters = dict(mixed.named_parameters())
    for row, done in zip(made, receipt.rows, strict=True):
        values = parameters[row.name].detach().double()
        if isinstance(row.fill, Orthogonal | Packed):
            # Exact in float64, then each of n elements rounded to float32: 2^-24 relative.
            assert values.square().mean().sqrt().item() == pytest.approx(expected_std(row.fill, row.shape), rel=2**-23)
        elif not isinstance(row.fill, Keep):
            std = expected_std(row.fill, row.shape)
            bound = 6 * std * math.sqrt((KURTOSIS.get(type(row.fill), 1.0) - 1) / (4 * values.numel()))
            # The mean is taken out as measured: at most 6 standard errors of it, squared.
            assert abs(values.std(correction=0).item() - std) <= bound + 18 * std / values.numel()
            assert done.after == pytest.approx(values.std(correction=0).item(), rel=1e-4)


def test_a_signal_keeps_its_second_moment_through_the_textbooks_layers(plan_of):
    model = nn.Sequential(
        *[layer for sizes in [(64, 256), *[(256, 256)] * 5] for layer in (nn.Linear(*sizes), nn.ReLU())]
    )
    x = torch.randn(512, 64, generator=torch.Generator().manual_seed(0))
    plan_of(model, batch=x).apply(model)
    with torch.no_grad():
        after = model(x).square().mean().item()
    # One layer: the ratio has variance about 5 / width (Hanin & Rolnick 2018, theorem 5); E[relu^2] is half of E[z^2].
    assert abs(math.log(2 * after)) < 6 * math.sqrt(5 * 6 / 256)


def test_each_gate_is_orthogonal(mixed, plan_of):
    plan_of(mixed, batch=TOKENS).apply(mixed)
    for gate in mixed.memory.weight_hh_l0.detach().double().chunk(4):
        # float32 rounding of 12 products.
        assert torch.allclose(gate @ gate.T, torch.eye(12, dtype=torch.float64), atol=12 * 2**-23)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(mixed, plan_of):
    other, third = copy.deepcopy(mixed), copy.deepcopy(mixed)
    made = plan_of(mixed, batch=TOKENS)
    made.apply(mixed, seed=5)
    made.apply(other, seed=5)
    made.apply(third, seed=6)
    assert_same_weights(weights(mixed), weights(other))
    assert not torch.equal(mixed.wide.weight, third.wide.weight)


def test_the_default_seed_is_0(mlp, plan_of):
    other = copy.deepcopy(mlp)
    assert plan_of(mlp).apply(mlp).seed == 0
    plan_of(other).apply(other, seed=0)
    assert_same_weights(weights(mlp), weights(other))


def test_another_layer_changes_no_other_weight(plan_of):
    small = nn.ModuleDict({"a": nn.Linear(5, 7), "c": nn.Linear(7, 3)})
    large = nn.ModuleDict({"z": nn.Linear(9, 9), "a": nn.Linear(5, 7), "b": nn.LSTM(3, 3), "c": nn.Linear(7, 3)})
    plan_of(small, "orthogonal").apply(small, seed=1)
    plan_of(large, "orthogonal").apply(large, seed=1)
    assert_same_weights(weights(small), weights(large))


def test_the_order_of_registration_changes_no_weight(plan_of):
    one = nn.ModuleDict({"a": nn.Linear(5, 7), "b": nn.Linear(7, 3)})
    other = nn.ModuleDict({"b": nn.Linear(7, 3), "a": nn.Linear(5, 7)})
    plan_of(one, "he_normal").apply(one)
    plan_of(other, "he_normal").apply(other)
    assert_same_weights(weights(one), weights(other))


def test_a_tied_parameter_is_written_once_under_its_first_name(mixed, plan_of):
    receipt = plan_of(mixed, batch=TOKENS).apply(mixed)
    assert mixed.head.weight is mixed.tokens.weight
    assert [row.name for row in receipt.rows].count("tokens.weight") == 1
    assert "head.weight" not in [row.name for row in receipt.rows]


def test_nothing_but_the_values_changes(mixed, plan_of, state):
    mixed(TOKENS).sum().backward()
    mixed.memory.eval()
    mixed.wide.register_forward_hook(lambda *_: None)
    made, before = plan_of(mixed, batch=TOKENS), state(mixed)
    made.apply(mixed)
    after = state(mixed)
    for key in ("trained", "modes", "hooks", "places"):
        assert after[key] == before[key]
    assert torch.equal(after["generator"], before["generator"])
    assert all(torch.equal(a, b) for a, b in zip(after["gradients"], before["gradients"], strict=True) if b is not None)


def test_the_receipt_says_what_was_done_and_what_was_kept(mixed, plan_of):
    old = mixed.wide.weight.detach().std(correction=0).item()
    receipt = plan_of(mixed, batch=TOKENS).apply(mixed, seed=2)
    rows = {row.name: row for row in receipt.rows}
    assert (receipt.action, receipt.seed) == ("apply textbook", 2)
    assert rows["wide.weight"].before == old
    assert rows["wide.weight"].note == "He normal, fan_in"
    assert rows["wide.weight"].factor is None
    assert rows["amount"].before == rows["amount"].after
    assert any("`amount`" in note and "role other" in note for note in receipt.notes)
    assert len(receipt.rows) == len(list(mixed.parameters()))


def test_a_kept_parameter_keeps_its_bytes(mlp, plan_of):
    old = weights(mlp)
    plan_of(mlp, overrides={"0.*": "keep"}).apply(mlp)
    assert torch.equal(mlp[0].weight, old["0.weight"])
    assert torch.equal(mlp[0].bias, old["0.bias"])
    assert not torch.equal(mlp[2].weight, old["2.weight"])


def test_a_plan_from_meta_is_applied_to_the_model_with_memory(plan_of):
    with torch.device("meta"):
        model = nn.Linear(6, 5)
    made = plan_of(model, "he_normal")
    made.apply(model.to_empty(device="cpu"))
    other = nn.Linear(6, 5)
    made.apply(other)
    assert torch.equal(model.weight, other.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_one_seed_gives_the_same_weights_in_every_dtype_up_to_rounding(mlp, plan_of, dtype):
    other = copy.deepcopy(mlp).to(dtype)
    plan_of(mlp).apply(mlp)
    plan_of(other).apply(other)
    assert_same_weights(weights(mlp.to(dtype)), weights(other))


def test_a_model_under_no_grad_or_inference_mode_is_written_all_the_same(mlp, plan_of):
    other, third = copy.deepcopy(mlp), copy.deepcopy(mlp)
    made = plan_of(mlp)
    made.apply(mlp)
    with torch.no_grad():
        made.apply(other)
    with torch.inference_mode():
        made.apply(third)
    assert_same_weights(weights(mlp), weights(other))
    assert_same_weights(weights(mlp), weights(third))
    assert third[0].weight.requires_grad


# ---- what may not be written ----


def refused(plan, model, state, assert_unchanged, *said):
    before = state(model)
    with pytest.raises(PlanError) as caught:
        plan.apply(model)
    assert [words for words in said if words not in str(caught.value)] == []
    assert_unchanged(model, before)


def test_a_parameter_on_meta_is_refused(plan_of, state, assert_unchanged):
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, device="meta"))
    refused(plan_of(model), model, state, assert_unchanged, "`1.weight` (Linear)", "meta", "to_empty")


def test_a_frozen_parameter_is_refused_where_an_override_fills_it(mlp, plan_of, state, assert_unchanged):
    mlp[2].weight.requires_grad_(requires_grad=False)
    made = plan_of(mlp, overrides={"2.weight": 0.1})
    said = ("`2.weight`", "frozen", "requires_grad_(True)", 'overrides={"2.weight": "keep"}', "initium.schemes.frozen")
    refused(made, mlp, state, assert_unchanged, *said)
    assert any("`2.weight`" in note and "frozen" in note for note in made.notes)


def test_a_parameter_frozen_after_planning_is_refused_too(mlp, plan_of, state, assert_unchanged):
    made = plan_of(mlp)
    mlp[0].bias.requires_grad_(requires_grad=False)
    refused(made, mlp, state, assert_unchanged, "`0.bias`", "frozen")


def test_a_frozen_parameter_is_kept_and_noted(mlp, plan_of):
    mlp[2].weight.requires_grad_(requires_grad=False)
    old, made = mlp[2].weight.clone(), plan_of(mlp)
    made.apply(mlp)
    assert torch.equal(mlp[2].weight, old)
    assert not mlp[2].weight.requires_grad
    assert any("`2.weight`: left alone" in note and "frozen weight" in note for note in made.notes)


def test_a_frozen_bias_is_kept_unless_an_override_asks_for_it(mlp, plan_of, state, assert_unchanged):
    mlp[2].bias.requires_grad_(requires_grad=False)
    old, made = mlp[2].bias.clone(), plan_of(mlp)
    made.apply(mlp)
    assert torch.equal(mlp[2].bias, old)
    assert any("`2.bias`" in note and "frozen bias" in note for note in made.notes)
    refused(plan_of(mlp, overrides={"2.bias": 0.0}), mlp, state, assert_unchanged, "`2.bias`", "frozen")


def test_a_frozen_table_is_kept_and_the_rest_is_written(plan_of):
    table = nn.Embedding.from_pretrained(torch.randn(9, 4), freeze=True)
    model = nn.Sequential(table, nn.Linear(4, 3))
    old, weight = table.weight.clone(), model[1].weight.detach().clone()
    made = plan_of(model)
    made.apply(model)
    assert torch.equal(table.weight, old)
    assert not torch.equal(model[1].weight, weight)
    assert any("`0.weight`" in note and "frozen embedding" in note for note in made.notes)


class Frequencies(nn.Module):
    """Frozen random frequencies of sines and cosines, and codes that are compared with and looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.waves = nn.Parameter(torch.randn(4, 8), requires_grad=False)
        self.mixed = nn.Linear(16, 6)
        self.codes = nn.Embedding(9, 6).requires_grad_(requires_grad=False)
        self.nothing = nn.Parameter(torch.empty(0, 6))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        angles = x @ self.waves
        h = self.mixed(torch.cat([angles.cos(), angles.sin()], -1))
        nearest = self.codes((h @ self.codes.weight.T).argmax(-1))
        return self.head(torch.cat([h + (nearest - h).detach(), self.nothing]))


@pytest.mark.parametrize("scheme", ["textbook", "auto"])
def test_frozen_frequencies_and_codes_are_kept_and_so_is_what_has_no_element(scheme):
    model, batch = Frequencies(), torch.randn(20, 4)
    made = initium.plan(model, batch, scheme)
    kept = {row.name: row.reason for row in made.rows if isinstance(row.fill, Keep)}
    old = {name: model.get_parameter(name).clone() for name in kept}
    made.apply(model, seed=0)
    assert kept.keys() == {"waves", "codes.weight", "nothing"}
    assert all("on purpose" in kept[name] for name in ("waves", "codes.weight"))
    assert all(torch.equal(model.get_parameter(name), value) for name, value in old.items())


@pytest.mark.parametrize(
    ("parametrise", "way"),
    [
        (parametrizations.spectral_norm, "spectral_norm"),
        (parametrizations.orthogonal, "orthogonal"),
        (lambda module: prune.random_unstructured(module, "weight", 0.5), "RandomUnstructured"),
    ],
    ids=["spectral_norm", "orthogonal", "pruning"],
)
def test_a_parametrised_weight_is_kept_and_noted_and_refused_by_override(
    mlp, plan_of, state, assert_unchanged, *, parametrise, way
):
    with torch.random.fork_rng(devices=[]):
        parametrise(mlp[2])
    said = (way, "initialise before", "remove_parametrizations", '"keep"')
    source = next(name for name, _ in mlp.named_parameters() if "weight_orig" in name or "original" in name)
    refused(plan_of(mlp, overrides={source: 0.1}), mlp, state, assert_unchanged, *said)
    old, made = mlp.get_parameter(source).detach().clone(), plan_of(mlp)
    made.apply(mlp)
    assert torch.equal(mlp.get_parameter(source), old)
    assert any(f"`{source}`: left alone: {way}" in note for note in made.notes)


@pytest.mark.parametrize("parametrise", [parametrizations.weight_norm, old_weight_norm], ids=["new", "old"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
def test_weight_norm_is_written_whole(plan_of, parametrise):
    model = nn.Sequential(parametrise(nn.Linear(40, 30)), nn.ReLU(), parametrise(nn.Linear(30, 20)), nn.ReLU())
    made = plan_of(model, "he_normal")
    made.apply(model)
    model(torch.zeros(1, 40))  # the older one computes its weight before a call
    for layer in (model[0], model[2]):
        std = math.sqrt(2 / layer.in_features)
        # Each unit has the very norm of its law, so that the rms is exact and the std within the mean's error.
        torch.testing.assert_close(
            layer.weight.norm(dim=1), torch.full((layer.out_features,), std * layer.in_features**0.5)
        )
    assert made[next(row.name for row in made.rows if row.name.endswith(("original0", "weight_g")))].fill.value > 0


def test_the_magnitude_of_weight_norm_is_the_overrides_where_one_says_so(mlp, plan_of):
    parametrizations.weight_norm(mlp[2])
    plan_of(mlp, overrides={"2.parametrizations.weight.original0": 3.0}).apply(mlp)
    torch.testing.assert_close(mlp[2].weight.norm(dim=1), torch.full((30,), 3.0))


def test_a_parametrised_weight_may_be_kept_and_the_rest_written(mlp, plan_of):
    parametrizations.weight_norm(mlp[2])
    old = mlp[2].weight.detach().clone()
    plan_of(mlp, overrides={"2.parametrizations.*": "keep"}).apply(mlp)
    assert parametrize.is_parametrized(mlp[2])
    assert torch.equal(mlp[2].weight, old)
    assert not mlp[2].bias.any()


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool])
def test_a_weight_that_holds_no_floating_numbers_is_refused(mlp, plan_of, state, assert_unchanged, dtype):
    mlp[2].weight = nn.Parameter(torch.ones(30, 50, dtype=dtype), requires_grad=False)
    said = ("`2.weight`", str(dtype).removeprefix("torch."), "floating", '"keep"')
    refused(plan_of(mlp, overrides={"2.weight": 0.1}), mlp, state, assert_unchanged, *said)
    plan_of(mlp).apply(mlp)
    assert bool((mlp[2].weight == 1).all())


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_weight_with_no_elements_is_refused_when_planned_and_when_applied(plan_of, state, assert_unchanged):
    with pytest.raises(PlanError, match=r"`0\.weight` has shape \(3, 0\)"):
        plan_of(nn.Sequential(nn.Linear(0, 3)), "he_normal")
    model = nn.Sequential(nn.Linear(3, 0))
    refused(plan_of(model, "he_normal"), model, state, assert_unchanged, "`0.weight`", "no elements", "(0, 3)")


def test_a_lazy_parameter_is_refused(plan_of):
    made = plan_of(nn.Sequential(nn.Linear(3, 4)))
    with pytest.raises(PlanError, match="lazy"):
        made.apply(nn.Sequential(nn.LazyLinear(4)))


def test_a_parameter_of_inference_mode_is_refused(mlp, plan_of):
    with torch.inference_mode():
        mlp[2].weight = nn.Parameter(torch.ones(30, 50))
    with pytest.raises(PlanError, match="inference_mode"):
        plan_of(mlp).apply(mlp)


def test_two_parameters_on_one_memory_are_refused(plan_of, state, assert_unchanged):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = nn.Parameter(model[0].weight.data)
    refused(plan_of(model), model, state, assert_unchanged, "`0.weight` and `1.weight`", "Tie them")


@pytest.mark.parametrize(("first", "second", "apart"), [((0, 64), (32, 96), False), ((0, 48), (48, 96), True)])
def test_parameters_that_overlap_are_refused_and_those_side_by_side_are_written(
    plan_of, state, assert_unchanged, *, first, second, apart
):
    memory = torch.randn(96)
    model = nn.ParameterDict({"a": memory[slice(*first)].view(8, -1), "b": memory[slice(*second)].view(8, -1)})
    made = plan_of(model, overrides={"*": Normal(1.0)})
    if apart:
        assert made.apply(model).rows[1].after > 0.5
    else:
        refused(made, model, state, assert_unchanged, "`a` and `b`", "one piece of memory")


def test_another_shape_is_refused(plan_of, state, assert_unchanged):
    model = nn.Sequential(nn.Linear(4, 3))
    said = ("`0.weight`", "(4, 4)", "(3, 4)", "`0.bias`")
    refused(plan_of(nn.Sequential(nn.Linear(4, 4))), model, state, assert_unchanged, *said)


def test_a_name_that_the_model_lacks_is_refused(mlp, plan_of, state, assert_unchanged):
    made = plan_of(mlp)
    shorter = mlp[:3]
    refused(made, shorter, state, assert_unchanged, "Sequential has no `4.weight`, `4.bias`")


def test_a_parameter_that_the_plan_does_not_name_is_refused(mlp, plan_of, state, assert_unchanged):
    refused(plan_of(mlp[:3]), mlp, state, assert_unchanged, "does not name `4.weight`, `4.bias`")


def test_ties_that_differ_are_refused(plan_of, state, assert_unchanged):
    tied, free = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)]), nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    tied[1].weight = tied[0].weight
    refused(plan_of(tied), free, state, assert_unchanged, "1.weight")
    refused(plan_of(free), tied, state, assert_unchanged, "1.weight")


def test_many_refusals_are_listed_in_few_lines(plan_of):
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(10)]).requires_grad_(requires_grad=False)
    with pytest.raises(PlanError) as caught:
        plan_of(model, overrides={"*": 0.0}).apply(model)
    assert str(caught.value).count("\n") == 6
    assert "5 more" in str(caught.value)


@pytest.mark.parametrize(("seed", "error"), [(-1, ArgumentError), (1.5, ArgumentTypeError), (True, ArgumentTypeError)])
def test_a_bad_seed_is_refused_and_nothing_changes(mlp, plan_of, state, assert_unchanged, *, seed, error):
    before = state(mlp)
    with pytest.raises(error, match="seed"):
        plan_of(mlp).apply(mlp, seed=seed)
    assert_unchanged(mlp, before)


def test_what_is_no_module_is_refused(mlp, plan_of):
    with pytest.raises(ArgumentTypeError, match=r"torch\.nn\.Module; got dict"):
        plan_of(mlp).apply(mlp.state_dict().__class__.__base__())


@pytest.mark.parametrize("scheme", ["zeros", "textbook"])
def test_a_weight_of_weight_norm_is_zero_by_its_magnitude(mlp, plan_of, scheme):
    parametrizations.weight_norm(mlp[2])
    overrides = {"2.parametrizations.weight.original1": 0.0} if scheme == "textbook" else None
    plan_of(mlp, scheme, overrides=overrides).apply(mlp)
    assert not mlp[2].weight.any()  # and no NaN, which zeros over their norm would be
    assert mlp[2].parametrizations.weight.original1.any()


def test_a_constant_weight_of_weight_norm_has_its_value(mlp, plan_of):
    parametrizations.weight_norm(mlp[2])
    plan_of(mlp, overrides={"2.parametrizations.weight.original1": -0.5}).apply(mlp)
    torch.testing.assert_close(mlp[2].weight, torch.full((30, 50), -0.5))


def test_a_magnitude_of_weight_norm_is_kept_where_it_is_frozen_or_asked_for(mlp, plan_of):
    name = "2.parametrizations.weight.original0"
    parametrizations.weight_norm(mlp[2])
    old = mlp.get_parameter(name).detach().clone()
    plan_of(mlp, overrides={name: "keep"}).apply(mlp)
    assert torch.equal(mlp.get_parameter(name), old)
    mlp.get_parameter(name).requires_grad_(requires_grad=False)
    plan_of(mlp).apply(mlp)
    assert torch.equal(mlp.get_parameter(name), old)
