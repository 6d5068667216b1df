"""What every scheme keeps; a new one joins by one line of the table."""

import math
from dataclasses import replace

import pytest

from initium.network import Neighbour
from initium.planning import expected_std
from initium.records import Constant, Keep, Normal, Orthogonal, Packed, Uniform
from initium.schemes import SCHEMES, rows, scheme

# What to ask for, the kind of fill, and the std of a weight from its fans; what follows is linear.
TABLE = {
    "textbook": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "zeros": (Constant, lambda _in, _out: 0.0),
    "normal(0.02)": (Normal, lambda _in, _out: 0.02),
    "uniform(bound=0.3)": (Uniform, lambda _in, _out: 0.3 / math.sqrt(3)),
    "glorot_uniform": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "glorot_uniform(gain=1.5)": (Uniform, lambda fan_in, fan_out: 1.5 * math.sqrt(2 / (fan_in + fan_out))),
    "glorot_normal": (Normal, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "he_uniform": (Uniform, lambda fan_in, _out: math.sqrt(2 / fan_in)),
    "he_normal": (Normal, lambda fan_in, _out: math.sqrt(2 / fan_in)),
    "he_normal(mode='fan_out')": (Normal, lambda _in, fan_out: math.sqrt(2 / fan_out)),
    "he_uniform('fan_out')": (Uniform, lambda _in, fan_out: math.sqrt(2 / fan_out)),
    "lecun_uniform": (Uniform, lambda fan_in, _out: math.sqrt(1 / fan_in)),
    "lecun_normal": (Normal, lambda fan_in, _out: math.sqrt(1 / fan_in)),
    "gpt2": (Normal, lambda _in, _out: 0.02),
    "gpt2(0.05)": (Normal, lambda _in, _out: 0.05),
    "depth_scaled": (Normal, lambda _in, _out: 0.02),
    "zero_residual": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "fixup": (Normal, lambda fan_in, _out: math.sqrt(2 / fan_in)),
    "fixup(scalars=False)": (Normal, lambda fan_in, _out: math.sqrt(2 / fan_in)),
    "t_fixup": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "deepnorm": (Normal, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "subln": (Normal, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "orthogonal": (Orthogonal, lambda fan_in, fan_out: 1 / math.sqrt(max(fan_in, fan_out))),
    "delta_orthogonal": (Orthogonal, lambda fan_in, fan_out: 1 / math.sqrt(max(fan_in, fan_out))),
    "delta_orthogonal(2)": (Orthogonal, lambda fan_in, fan_out: 2 / math.sqrt(max(fan_in, fan_out))),
    "mimetic": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "mimetic(0.5, beta_vo=0.1)": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "rnn": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "rnn(t_max=50, split=True)": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "siren": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "siren(omega=12.5)": (Uniform, lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "dks": (Orthogonal, lambda fan_in, _out: 1 / math.sqrt(fan_in)),
    "tat": (Orthogonal, lambda fan_in, _out: 1 / math.sqrt(fan_in)),
    "orthogonal(2)": (Orthogonal, lambda fan_in, fan_out: 2 / math.sqrt(max(fan_in, fan_out))),
}
every = pytest.mark.parametrize("spec", TABLE)


@pytest.fixture
def everything(request, everything, network):
    """One parameter of each kind; with no activations for the schemes that refuse all but their own."""
    if request.getfixturevalue("spec") not in {"dks", "tat"}:
        return everything
    output = Neighbour("output", "output")
    return network(
        *(replace(f, after=output if f.after.kind == "activation" else f.after) for f in everything.parameters)
    )


def test_every_named_scheme_is_in_the_table():
    assert {spec.partition("(")[0] for spec in TABLE} == set(SCHEMES)


@every
def test_every_parameter_has_one_row_in_the_networks_order(spec, everything):
    assert [row.name for row in rows(everything, scheme(spec))] == [each.name for each in everything.parameters]


@every
def test_every_row_says_why(spec, everything):
    assert all(row.law and row.reason for row in rows(everything, scheme(spec)))


@every
def test_biases_and_shifts_start_at_zero_and_scales_at_one(spec, everything):
    fills = {row.role: row.fill for row in rows(everything, scheme(spec))}
    assert (fills["bias"], fills["shift"], fills["scale"]) == (Constant(0.0), Constant(0.0), Constant(1.0))


@every
def test_what_no_rule_wants_is_kept_and_said(spec, everything):
    row = next(row for row in rows(everything, scheme(spec)) if row.role == "other")
    assert row.fill == Keep()
    assert "role other" in row.reason
    assert "used by mul" in row.reason


@every
@pytest.mark.parametrize("shape", [(24, 6), (6, 24), (5, 5)])
def test_a_weights_std_is_the_formulas(spec, shape, facts, network):
    kind, formula = TABLE[spec]
    (row,) = rows(network(facts(shape=shape)), scheme(spec))
    assert isinstance(row.fill, kind)
    assert expected_std(row.fill, row.shape) == pytest.approx(formula(shape[1], shape[0]), rel=1e-14)


@every
def test_the_name_of_a_scheme_asks_for_the_same_scheme(spec, everything):
    made = scheme(spec)
    assert rows(everything, scheme(made.name)) == rows(everything, made)
    assert scheme(made.name).name == made.name
    assert scheme(made) is made
    assert made.source


@every
def test_facts_are_passed_through(spec, facts, network):
    given = facts(name="a.weight", names=("a.weight", "b.weight"), owner=dict, before="norm", assumed=True)
    (row,) = rows(network(given), scheme(spec))
    assert (row.name, row.names, row.shape, row.role, row.module) == (
        given.name,
        given.names,
        (24, 6),
        "weight",
        "dict",
    )
    assert (row.fan_in, row.fan_out, row.before, row.after, row.assumed) == (6, 24, "norm", "output", True)


@every
def test_packed_matrices_are_orthogonal_each_and_otherwise_one_draw(spec, everything):
    fills = {row.name: row.fill for row in rows(everything, scheme(spec))}
    orthogonal = "orthogonal" in spec or spec in {"dks", "tat"}
    assert isinstance(fills["state"], Packed) == (
        orthogonal or spec.startswith(("textbook", "rnn", "zero_residual", "mimetic"))
    )
    assert isinstance(fills["fused"], Packed) == orthogonal
    assert isinstance(fills["experts"], Packed) == orthogonal
    if orthogonal:
        assert (fills["fused"].axis, fills["fused"].parts, fills["experts"].parts) == (0, 3, 4)


@pytest.mark.parametrize("spec", ["he_normal"])
def test_a_weight_without_fans_is_kept_by_a_scheme_that_needs_them(spec, everything):
    lost = {row.name: row for row in rows(everything, scheme(spec))}["lost"]
    assert lost.fill == Keep()
    assert "without a fan" in lost.reason
