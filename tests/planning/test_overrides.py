"""Exceptions to a scheme: whom they reach, which wins, and what is refused."""

import pytest
import torch
from torch import nn

from initium.errors import ArgumentTypeError, PlanError, UnknownNameError
from initium.network import read
from initium.planning import plan
from initium.records import Constant, Keep, Normal, Orthogonal, Packed, Uniform
from initium.schemes import followed_by, he_normal, role

TOKENS = torch.arange(14).reshape(2, 7)


def test_a_glob_reaches_every_parameter_that_it_names(mlp, plan_of):
    made = plan_of(mlp, overrides={"*.bias": 0.1})
    assert [row.fill for row in made if row.role == "bias"] == [Constant(0.1)] * 3
    assert [row.law for row in made if row.role == "weight"] == [
        "He normal, fan_in",
        "Glorot uniform",
        "Glorot uniform",
    ]


def test_a_glob_under_a_fill_that_draws_reaches_biases_too(mlp, plan_of):
    made = plan_of(mlp, overrides={"0.*": Normal(0.3)})
    assert (made["0.weight"].fill, made["0.bias"].fill) == (Normal(0.3), Normal(0.3))


def test_a_set_of_characters_selects_layers(mlp, plan_of):
    made = plan_of(mlp, overrides={"[02].weight": Uniform(0.5)})
    assert [row.name for row in made if row.fill == Uniform(0.5)] == ["0.weight", "2.weight"]


def test_any_name_of_a_tied_parameter_counts(mixed, plan_of):
    assert plan_of(mixed, overrides={"head.*": Normal(0.02)}, batch=TOKENS)["tokens.weight"].fill == Normal(0.02)


def test_a_type_reaches_what_its_modules_hold_and_a_draw_spares_biases(mlp, plan_of):
    made = plan_of(mlp, overrides={nn.Linear: Normal(0.3)})
    assert {row.fill for row in made if row.role == "weight"} == {Normal(0.3)}
    assert {row.fill for row in made if row.role == "bias"} == {Constant(0.0)}


def test_a_type_with_a_constant_or_keep_reaches_biases_too(mlp, plan_of):
    assert {row.fill for row in plan_of(mlp, overrides={nn.Linear: 0.5})} == {Constant(0.5)}
    assert {row.fill for row in plan_of(mlp, overrides={nn.Linear: "keep"})} == {Keep()}


def test_a_type_reaches_subclasses(plan_of):
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Conv1d(2, 3, 1), nn.Linear(3, 3))
    made = plan_of(model, overrides={nn.modules.conv._ConvNd: Normal(0.3)})
    assert [row.name for row in made if row.fill == Normal(0.3)] == ["0.weight", "1.weight"]


def test_a_role_selects(mixed, plan_of):
    made = plan_of(mixed, overrides={role("scale"): 0.5, role("recurrent"): Normal(0.1)}, batch=TOKENS)
    assert made["norm.weight"].fill == Constant(0.5)
    assert made["memory.weight_hh_l0"].fill == Normal(0.1)


def test_any_selector_selects(mlp, plan_of):
    made = plan_of(mlp, overrides={followed_by("tanh"): Normal(0.1)}, batch=torch.ones(2, 20))
    assert [row.name for row in made if row.fill == Normal(0.1)] == ["2.weight"]


def test_a_scheme_decides_for_those_that_are_matched(mlp, plan_of):
    for value in ("he_normal(mode='fan_out')", he_normal("fan_out")):
        made = plan_of(mlp, "zeros", {"2.*": value})
        assert made["2.weight"].law == "He normal, fan_out"
        assert made["2.bias"].fill == made["0.weight"].fill == Constant(0.0)


def test_the_later_entry_wins(mlp, plan_of):
    made = plan_of(mlp, overrides={"*": 1.0, "*.weight": 2.0, "2.weight": "keep"})
    assert [row.fill for row in made][:4] == [Constant(2.0), Constant(1.0), Keep(), Constant(1.0)]
    made = plan_of(mlp, overrides={"2.weight": "keep", "*": 1.0})
    assert {row.fill for row in made} == {Constant(1.0)}


def test_the_reason_names_the_override(mlp, plan_of):
    assert plan_of(mlp, overrides={"*.bias": 0.1})["0.bias"].reason == "override '*.bias'"
    assert plan_of(mlp, overrides={nn.Linear: "he_normal"})["0.bias"].reason.startswith("override Linear: ")
    assert plan_of(mlp, overrides={role("bias"): 1})["0.bias"].reason == "override role(bias)"


def test_an_orthogonal_fill_goes_to_each_packed_matrix(mixed, plan_of):
    made = plan_of(mixed, overrides={"memory.weight*": Orthogonal(2.0)}, batch=TOKENS)
    assert made["memory.weight_ih_l0"].fill == Packed(0, 4, Orthogonal(2.0))


def test_the_scheme_of_the_plan_is_the_base(mlp, plan_of):
    assert plan_of(mlp, "he_normal", {"*.bias": 0.1}).scheme == "he_normal"


@pytest.mark.parametrize("overrides", [None, {}])
def test_no_override_changes_nothing(mlp, plan_of, overrides):
    assert plan_of(mlp, overrides=overrides) == plan_of(mlp)


def test_a_glob_that_matches_nothing_is_refused_with_names_nearby(mlp, plan_of):
    with pytest.raises(PlanError, match=r"'2\.wieght' matches no parameter.*`2\.weight`"):
        plan_of(mlp, overrides={"2.wieght": 0.0})


def test_a_type_that_matches_nothing_is_refused_with_the_types_there_are(mlp, plan_of):
    with pytest.raises(PlanError, match=r"Conv2d matches no parameter.*Linear"):
        plan_of(mlp, overrides={nn.Conv2d: 0.0})


def test_a_role_that_matches_nothing_is_refused_with_the_roles_there_are(mlp, plan_of):
    with pytest.raises(PlanError, match=r"role\(embedding\) matches no parameter.*weight, bias"):
        plan_of(mlp, overrides={role("embedding"): 0.0})


def test_an_override_without_effect_is_refused(plan_of):
    with pytest.raises(PlanError, match=r"LayerNorm matches 2 parameter\(s\), and Normal\(std=0\.1\) fits none"):
        plan_of(nn.LayerNorm(4), overrides={nn.LayerNorm: Normal(0.1)})


def test_an_override_that_does_not_fit_is_refused(mlp, plan_of):
    with pytest.raises(PlanError, match=r"'0\.\*' does not fit `0\.bias` \(role bias\).*2 or more axes"):
        plan_of(mlp, overrides={"0.*": Orthogonal(1.0)})
    with pytest.raises(PlanError, match="does not divide into 7 equal blocks"):
        plan_of(mlp, overrides={"0.weight": Packed(0, 7, Orthogonal(1.0))})


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({3: 0.0}, "the key of an override is a name or glob"),
        ({int: 0.0}, "the key of an override is a name or glob"),
        ({"*": True}, "got True of type bool"),
        ({"*": None}, "got None of type NoneType"),
        ([("*", 0.0)], "overrides is a dict"),
    ],
)
def test_a_key_or_a_value_of_the_wrong_kind_is_refused(mlp, plan_of, overrides, said):
    with pytest.raises(ArgumentTypeError, match=said):
        plan_of(mlp, overrides=overrides)


def test_a_module_as_a_key_is_refused(mlp, plan_of):
    with pytest.raises(ArgumentTypeError, match="a type of module"):
        plan_of(mlp, overrides={mlp[0]: 0.0})


def test_an_unknown_scheme_as_a_value_lists_the_known(mlp, plan_of):
    with pytest.raises(UnknownNameError, match="Known: textbook"):
        plan_of(mlp, overrides={"*": "freeze"})


def test_an_unknown_scheme_lists_the_known(mlp, plan_of):
    with pytest.raises(UnknownNameError, match=r"no scheme is called 'xavier'.*Known: textbook"):
        plan_of(mlp, "xavier")


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_weight_without_elements_may_be_kept(plan_of):
    model = nn.Sequential(nn.Linear(0, 3))
    plan_of(model, "he_normal", {"0.weight": "keep"}).apply(model)
    assert not model[0].bias.any()


def test_a_plan_needs_facts_and_no_model(mlp):
    network = read(mlp)
    del mlp
    assert len(plan(network, "he_normal", {"*.bias": 0.0})) == 6
