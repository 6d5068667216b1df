"""What every fill checks before it writes."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from initium import checks
from initium.errors import ArgumentError, ArgumentTypeError

AXIS = st.tuples(st.integers(0, 5), st.integers(0, 7))


@given(axes=st.lists(AXIS, max_size=4))
@settings(deadline=None)
def test_a_tensor_overlaps_where_two_indices_have_one_place(axes):
    sizes, strides = [size for size, _ in axes], [stride for _, stride in axes]
    view = torch.empty(200).as_strided(sizes, strides)
    places = [sum(map(math.prod, zip(at, strides, strict=True))) for at in itertools.product(*map(range, sizes))]
    assert checks.overlaps(view) == (len(set(places)) < len(places))


def test_one_meeting_among_a_million_places_is_found():
    memory = torch.empty(1 << 21, dtype=torch.uint8)
    # 999 steps of 1000 are 1000 steps of 999: the last column meets the last row, and with one column less none does.
    assert checks.overlaps(memory.as_strided((1000, 1001), (1000, 999)))
    assert not checks.overlaps(memory.as_strided((1000, 1000), (1000, 999)))


@pytest.mark.parametrize(
    "view",
    [
        lambda m: m.t(),
        lambda m: m[::2, ::3],
        lambda m: m.flip(0),
        lambda m: m[:1].expand(1, 6),
        lambda m: m.diagonal(),
        lambda m: m.as_strided((0, 3), (0, 0)),
        lambda m: m.view(-1).unfold(0, 4, 4),
    ],
)
def test_a_view_of_elements_that_are_each_its_own_is_writable(view):
    out = view(torch.empty(6, 6))
    assert checks.writable(out) is out


@pytest.mark.parametrize(
    "view", [lambda m: m[:1].expand(3, 6), lambda m: m.as_strided((3, 3), (1, 1)), lambda m: m.view(-1).unfold(0, 4, 1)]
)
def test_a_view_that_names_a_place_twice_is_refused(view):
    with pytest.raises(ArgumentError, match="overlapping"):
        checks.writable(view(torch.empty(6, 6)))


@pytest.mark.parametrize("name", ["float8_e8m0fnu", "float4_e2m1fn_x2"])
def test_a_dtype_without_both_signs_takes_no_random_values(name):
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip("this torch has no such dtype")
    with pytest.raises(ArgumentTypeError, match="both signs"):
        checks.destination(torch.empty(2, 2, dtype=dtype))


class Raising:
    """A number of the user's own that is none."""

    def __float__(self):
        raise ZeroDivisionError


NUMBERS = {
    "python": 0.5,
    "fraction": Fraction(1, 2),
    "decimal": Decimal("0.5"),
    "numpy": np.float16(0.5),
    "long double": np.longdouble(0.5),
    "array": np.array([0.5]),
    "tensor": torch.tensor(0.5, dtype=torch.bfloat16),
    "one element": torch.tensor([[0.5]]),
    "wants a gradient": torch.tensor(0.5, requires_grad=True),
}
NONE = {
    "true": True,
    "numpy's true": np.bool_(True),  # noqa: FBT003  a value
    "a tensor's true": torch.tensor(True),  # noqa: FBT003  a value
    "text": "0.5",
    "bytes": b"0.5",
    "numpy's text": np.array("0.5"),
    "a date": np.datetime64("2020-01-01"),
    "complex": 1 + 0j,
    "numpy's complex": np.complex64(1),
    "a complex tensor": torch.tensor(1 + 0j),
    "two": torch.tensor([0.5, 0.5]),
    "an array of two": np.array([0.5, 0.5]),
    "meta": torch.empty((), device="meta"),
    "nothing": None,
    "a list": [0.5],
    "raises": Raising(),
    "a signalling nan": Decimal("snan"),
}


@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS)
def test_every_real_number_is_a_number(value):
    assert checks.number(value, "std") == 0.5


@pytest.mark.parametrize("value", NONE.values(), ids=NONE)
def test_what_is_no_real_number_is_refused_by_name(value):
    with pytest.raises(ArgumentTypeError, match="std"):
        checks.number(value, "std")


@pytest.mark.parametrize("value", [10**400, -(10**400), Fraction(10**400), Decimal("1e400"), Decimal("1e-400")])
def test_a_number_that_no_float_holds_is_refused_and_not_rounded(value):
    with pytest.raises(ArgumentError, match=r"too (large|small) for a float"):
        checks.number(value, "std")


def test_infinity_is_a_number_and_nan_is_none():
    assert checks.number(Decimal("inf"), "low") == math.inf
    for value in (math.nan, np.float32(math.nan), torch.tensor(math.nan), Decimal("nan")):
        with pytest.raises(ArgumentError, match="nan"):
            checks.number(value, "low")


def test_a_number_inside_a_fake_mode_is_read():
    value = torch.tensor(0.5)
    with FakeTensorMode():
        assert checks.number(value, "std") == 0.5
        with pytest.raises(ArgumentTypeError, match="no value"):
            checks.number(torch.tensor(0.5), "std")


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), torch.tensor([3])])
def test_every_integer_is_an_integer(value):
    found = checks.integer(value, "groups")
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize("value", [True, np.bool_(True), 3.0, np.float64(3), Fraction(3), "3", None, (3,)])  # noqa: FBT003
def test_what_is_no_integer_is_refused_by_name(value):
    with pytest.raises(ArgumentTypeError, match="groups"):
        checks.integer(value, "groups")
