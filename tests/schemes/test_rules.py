"""Rules and selectors, the parts that schemes are made of."""

import pytest
from torch import nn

from initium.errors import UnknownNameError
from initium.gains import Activation
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)
from initium.schemes import Choice, Scheme, always, first_of, followed_by, layout, named, on, owned_by, role, rows


def never(_):
    return None


def test_the_first_rule_that_speaks_is_heard(facts):
    rule = first_of(never, always(Normal(0.1)), always(Normal(0.2)))
    assert rule(facts()).fill == Normal(0.1)


def test_rules_that_all_pass_make_a_rule_that_passes(facts):
    assert first_of(never, never)(facts()) is None
    assert first_of()(facts()) is None


def test_on_speaks_for_what_is_selected_alone(facts):
    rule = on(role("bias"), Constant(1.0))
    assert rule(facts("bias", (3,))).fill == Constant(1.0)
    assert rule(facts()) is None


def test_a_scheme_is_an_expression_of_rules(facts, network):
    mine = Scheme("mine", first_of(on(role("weight"), Normal(0.1)), on(role("bias"), Constant(0.0))), "ours")
    assert [row.law for row in rows(network(facts(), facts("bias", (3,)), facts("other", (3,))), mine)] == [
        "normal(0.1)",
        "zeros",
        "keep",
    ]


@pytest.mark.parametrize(
    ("selector", "yes", "no"),
    [
        (role("weight", "recurrent"), {"role": "recurrent"}, {"role": "bias"}),
        (layout("conv"), {"layout": "conv"}, {"layout": "out_in"}),
        (followed_by("relu"), {"after": Activation("relu")}, {"after": Activation("gelu")}),
        (followed_by("activation"), {"after": Activation("gelu")}, {"after": "output"}),
        (followed_by("output", "relu"), {"after": "output"}, {"after": "norm"}),
        (owned_by(nn.modules.conv._ConvNd), {"owner": nn.Conv2d}, {"owner": nn.Linear}),
        (named("layers.[0-9].weight"), {"name": "layers.3.weight"}, {"name": "layers.x.weight"}),
        (named("*.bias"), {"name": "a.b.bias"}, {"name": "bias"}),
        (named("head.weight"), {"names": ("emb.weight", "head.weight")}, {"name": "head_weight"}),
        (named("odd[0].weight"), {"name": "odd[0].weight"}, {"name": "odd1.weight"}),
        (named("A.*"), {"name": "A.x"}, {"name": "a.x"}),
    ],
)
def test_a_selector_takes_its_own_and_no_other(facts, selector, yes, no):
    assert selector(facts(**yes))
    assert not selector(facts(**no))


def test_a_role_that_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match=r"'weights' is no role.*recurrent"):
        role("weights")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (Constant(0.0), "zeros"),
        (Constant(1.0), "ones"),
        (Constant(-2.5), "constant(-2.5)"),
        (Normal(0.02), "normal(0.02)"),
        (TruncatedNormal(0.1), "truncated normal(0.1, cut at 2)"),
        (Uniform(0.5), "uniform(0.5)"),
        (Packed(0, 3, Orthogonal(1.0)), "orthogonal(1), each of 3"),
        (Keep(), "keep"),
        (DeltaOrthogonal(2.0), "delta-orthogonal(2)"),
        (Factor("a/vo", "left", 0.4, -0.4, 8), "left factor of 0.4 Z - 0.4 I"),
        (Identity(0.5), "identity(0.5)"),
        (Values((1.0, 2.0)), "given values"),
        (Blocks(0, (Constant(0.0), Constant(1.0))), "zeros | ones"),
    ],
)
def test_a_fill_has_words(facts, fill, words):
    assert always(fill)(facts()) == Choice(fill, words, "")
