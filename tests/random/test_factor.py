"""Two sides of one product, each by itself: the same bits in any order, on any number of threads."""

import pytest
import torch

from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Stream, factor_
from torch_threads import torch_threads

STREAM = Stream(0).child("attention/qk")


def side(name, units=24, width=32, dtype=torch.float32, **more):
    return factor_(torch.empty(units, width, dtype=dtype), STREAM, name, 8, alpha=0.7, beta=0.7, **more)


def test_a_side_is_the_same_whether_the_other_was_asked_for_or_not():
    left, right = side("left"), side("right")
    assert torch.equal(side("right"), right)
    assert torch.equal(side("right"), right)
    assert torch.equal(side("left"), left)
    assert torch.equal(side("left", dtype=torch.float64).float(), left)


def test_the_bits_do_not_depend_on_the_number_of_threads():
    with torch_threads(1):
        one = side("left", 96, 128)
    with torch_threads(2):
        _ = side("left", 8)  # what is kept of the last product is of another
        assert torch.equal(side("left", 96, 128), one)


def test_rows_are_the_same_taken_alone():
    whole = side("right")
    assert torch.equal(side("right", 10, start=5), whole[5:15])


def test_each_head_has_a_product_of_its_own():
    whole = side("left")
    assert not torch.isclose(whole[:8], whole[8:16]).any()


def test_the_sign_of_a_vector_makes_its_largest_element_positive():
    left = side("left")
    assert (left.gather(1, left.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_destination_that_is_not_contiguous_is_filled_too():
    out = torch.empty(32, 24).T
    assert torch.equal(factor_(out, STREAM, "left", 8, alpha=0.7, beta=0.7), side("left"))
    assert torch.equal(out, side("left"))


def test_nothing_is_drawn_into_nothing():
    assert factor_(torch.empty(0, 8), STREAM, "left", 4).numel() == 0


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((4,), {}),
        ((4, 4), {"rank": 5}),
        ((4, 4), {"rank": 0}),
        ((4, 4), {"side": "top"}),
        ((4, 4), {"alpha": 0.0}),
        ((4, 4), {"beta": float("nan")}),
        ((4, 4), {"start": -1}),
    ],
    ids=str,
)
def test_what_is_no_factor_is_refused_and_nothing_written(shape, given):
    out = torch.ones(shape)
    with pytest.raises(ArgumentError):
        factor_(out, STREAM, **{"side": "left", "rank": 2, **given})
    assert bool((out == 1).all())


def test_whole_numbers_are_refused():
    with pytest.raises(ArgumentTypeError):
        factor_(torch.ones(4, 4, dtype=torch.int64), STREAM, "left", 2)
