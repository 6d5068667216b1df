"""A scheme by name, by a call with plain values, or by itself."""

import pytest

from initium.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from initium.schemes import SCHEMES, scheme


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("textbook", "textbook"),
        (" he_normal ", "he_normal"),
        ("he_normal()", "he_normal"),
        ("he_normal(mode='fan_in')", "he_normal"),
        ('he_uniform("fan_out")', "he_uniform(mode='fan_out')"),
        ("normal(0.02)", "normal(0.02)"),
        ("normal(std=2e-2)", "normal(0.02)"),
        ("uniform( bound = .1 )", "uniform(0.1)"),
        ("orthogonal(None)", "orthogonal"),
    ],
)
def test_a_specification_names_one_scheme(spec, name):
    assert scheme(spec).name == name


def test_an_unknown_name_lists_the_known_and_the_closest():
    with pytest.raises(UnknownNameError) as caught:
        scheme("he_norml")
    assert "Did you mean 'he_normal'?" in str(caught.value)
    assert all(name in str(caught.value) for name in SCHEMES)


def test_a_name_with_hyphens_is_met_with_the_right_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'he_normal'"):
        scheme("he-normal")


@pytest.mark.parametrize("spec", ["", "normal(", "normal 0.02", "1 + 1", "normal(x)", "normal(**{})", "a.b(1)"])
def test_what_is_no_call_with_plain_values_is_refused(spec):
    with pytest.raises(ArgumentError, match="is no scheme"):
        scheme(spec)


def test_a_specification_runs_no_code():
    with pytest.raises(ArgumentError):
        scheme("normal(__import__('sys').exit())")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("normal", "takes std"),
        ("normal(0.1, 0.2)", "takes std"),
        ("normal(sigma=1)", "sigma"),
        ("textbook(1)", "takes nothing"),
        ("normal('a')", "does not fit"),
        ("normal(-1)", "std must be finite and >= 0; got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_told_from_those_that_do(spec, said):
    with pytest.raises(ArgumentError, match=said):
        scheme(spec)


def test_what_is_neither_name_nor_scheme_is_a_type_error():
    with pytest.raises(ArgumentTypeError, match="got 3 of type int"):
        scheme(3)
