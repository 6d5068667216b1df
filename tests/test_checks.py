"""What every fill checks before it writes."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
