"""The one function that changes a parameter: fill and stream to values."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initium.errors import ArgumentError
from initium.planning import expected_std, write
from initium.random import Stream
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)

STREAM = Stream(7).child("w")


def written(fill, shape, dtype=torch.float32, stream=STREAM):
    tensor = torch.full(shape, 9.0, dtype=dtype)
    write(tensor, fill, stream)
    return tensor


# What is filled, its kurtosis (scipy.stats: norm 3, uniform 9/5, truncnorm(-2, 2) 2.366), and its largest absolute value.
@pytest.mark.parametrize(
    ("fill", "kurtosis", "largest"),
    [
        (Normal(0.02), 3.0, math.inf),
        (Uniform(0.3), 1.8, 0.3),
        (TruncatedNormal(0.02), 2.366, 0.02 * 2 / 0.8796),
        (TruncatedNormal(1.0, cut=math.inf), 3.0, math.inf),
        (Packed(0, 4, Normal(0.5)), 3.0, math.inf),
    ],
    ids=str,
)
def test_a_drawn_fill_has_the_std_that_it_says(fill, kurtosis, largest):
    values, std = written(fill, (200, 300)).double(), expected_std(fill, (200, 300))
    n = values.numel()
    assert abs(values.std(correction=0).item() - std) < 6 * std * math.sqrt((kurtosis - 1) / (4 * n))
    assert abs(values.mean().item()) < 6 * std / math.sqrt(n)
    assert values.abs().max() <= largest


def test_a_constant_is_every_element():
    assert torch.equal(written(Constant(0.25), (2, 3)), torch.full((2, 3), 0.25))
    assert expected_std(Constant(0.25), (2, 3)) == 0.0


def test_what_is_kept_is_not_touched():
    assert torch.equal(written(Keep(), (2, 3)), torch.full((2, 3), 9.0))
    assert expected_std(Keep(), (2, 3)) is None


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (8, 4, 3, 3), (24, 24)])
def test_an_orthogonal_fill_has_exactly_the_root_mean_square_that_it_says(shape):
    rms = written(Orthogonal(1.5), shape, torch.float64).square().mean().sqrt().item()
    assert rms == pytest.approx(expected_std(Orthogonal(1.5), shape), rel=1e-13)


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    parts=st.integers(1, 6),
    data=st.data(),
    fill=st.sampled_from([Normal(0.1), Uniform(0.2), TruncatedNormal(0.3), Constant(0.5)]),
)
def test_independent_elements_are_the_same_packed_or_not(shape, parts, data, fill):
    axis = data.draw(st.integers(0, len(shape) - 1))
    shape[axis] *= parts
    assert torch.equal(written(Packed(axis, parts, fill), shape), written(fill, shape))
    assert expected_std(Packed(axis, parts, fill), tuple(shape)) == expected_std(fill, tuple(shape))


@pytest.mark.parametrize(("axis", "shape"), [(0, (12, 5)), (1, (5, 12)), (1, (5, 12, 2))])
def test_each_block_of_a_packed_orthogonal_fill_is_orthogonal_and_a_child_stream_draws_it(axis, shape):
    values = written(Packed(axis, 3, Orthogonal(2.0)), shape)
    for index, block in enumerate(values.chunk(3, axis)):
        assert torch.equal(block, written(Orthogonal(2.0), block.shape, stream=STREAM.child(str(index))))
    assert not torch.equal(*values.chunk(3, axis)[:2])


def test_a_stack_of_matrices_is_orthogonal_matrix_by_matrix():
    fill = Packed(0, 4, Orthogonal(1.0))
    values = written(fill, (4, 6, 6), torch.float64)
    # Rounded from float64 products of length 6: a few units in the last place.
    assert torch.allclose(
        values @ values.transpose(1, 2), torch.eye(6, dtype=torch.float64).expand(4, 6, 6), atol=1e-14
    )
    assert expected_std(fill, (4, 6, 6)) == pytest.approx(1 / math.sqrt(6))


def test_a_stack_of_stacks_is_orthogonal_matrix_by_matrix():
    fill = Packed(0, 2, Packed(0, 3, Orthogonal(1.0)))
    values = written(fill, (2, 3, 4, 5), torch.float64)
    assert torch.allclose(values @ values.mT, torch.eye(4, dtype=torch.float64).expand(2, 3, 4, 4), atol=1e-14)
    assert len({float(value) for value in values[..., 0, 0].flatten()}) == 6
    assert expected_std(fill, (2, 3, 4, 5)) == pytest.approx(1 / math.sqrt(5))


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (4, 4, 2), (8, 1, 3, 1, 2)])
def test_a_delta_orthogonal_fill_has_exactly_the_root_mean_square_that_it_says(shape):
    fill = DeltaOrthogonal(1.5)
    values = written(fill, shape, torch.float64)
    assert values.square().mean().sqrt().item() == pytest.approx(expected_std(fill, shape), rel=1e-13)
    assert values.count_nonzero() == shape[0] * shape[1]


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
def test_an_identity_is_its_gain_on_the_diagonal(shape):
    assert torch.equal(written(Identity(0.5), shape), 0.5 * torch.eye(*shape))
    rms = written(Identity(0.5), shape).square().mean().sqrt().item()
    assert rms == pytest.approx(expected_std(Identity(0.5), shape), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64, torch.complex64])
def test_given_values_are_written_in_order(dtype):
    given = (0.1, -2.0, 3.0, 0.0, 1e-3, 5.0)
    assert torch.equal(
        written(Values(given), (2, 3), dtype), torch.tensor(given, dtype=torch.float64).reshape(2, 3).to(dtype)
    )


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_the_std_of_given_values_is_theirs(values):
    wanted = torch.tensor(values, dtype=torch.float64).std(correction=0).item()
    # Two passes in float64 over at most 30 values of at most 1e3.
    assert expected_std(Values(tuple(values)), (len(values),)) == pytest.approx(wanted, abs=30 * 1e3 * 2.0**-52)


@pytest.mark.parametrize(("axis", "shape"), [(0, (12, 5)), (1, (5, 12)), (0, (3, 4, 5))])
def test_blocks_take_a_fill_each_and_a_child_stream_draws_it(axis, shape):
    fills = (Normal(0.1), Constant(2.0), Orthogonal(1.0))
    values = written(Blocks(axis, fills), shape)
    for index, (block, fill) in enumerate(zip(values.chunk(3, axis), fills, strict=True)):
        inner = block.squeeze(axis) if len(shape) == 3 else block
        assert torch.equal(inner, written(fill, inner.shape, stream=STREAM.child(str(index))))


def test_the_std_of_blocks_counts_what_lies_between_them():
    fill, n = Blocks(0, (Constant(0.0), Constant(1.0), Normal(0.5), Constant(0.0))), 40_000
    std = expected_std(fill, (n,))
    assert std == pytest.approx(math.sqrt(3 / 16 + 0.25 / 4))
    # The mean and the std of a quarter of the elements vary: by the delta method well under 6 / sqrt(n) of the std.
    assert abs(written(fill, (n,)).double().std(correction=0).item() - std) < 6 * std / math.sqrt(n)
    assert expected_std(Blocks(0, (Constant(0.0), Keep())), (2,)) is None


def test_a_kept_block_is_not_touched():
    assert written(Blocks(0, (Keep(), Constant(1.0))), (4,)).tolist() == [9.0, 9.0, 1.0, 1.0]


def test_values_depend_on_seed_and_name_alone():
    first = written(Normal(1.0), (30,))
    assert torch.equal(first, written(Normal(1.0), (5, 6)).flatten())
    assert not torch.equal(first, written(Normal(1.0), (30,), stream=Stream(8).child("w")))
    assert not torch.equal(first, written(Normal(1.0), (30,), stream=Stream(7).child("v")))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
@pytest.mark.parametrize("fill", [Normal(0.1), Uniform(0.1), Orthogonal(1.0), Constant(0.5)], ids=str)
def test_every_floating_dtype_is_filled(dtype, fill):
    assert written(fill, (4, 6), dtype).isfinite().all()


@pytest.mark.parametrize(
    ("fill", "shape"),
    [
        (Orthogonal(1.0), (5,)),
        (DeltaOrthogonal(1.0), (5, 5)),
        (DeltaOrthogonal(1.0), (3, 5, 3)),
        (Identity(1.0), (5,)),
        (Values((1.0, 2.0)), (3,)),
    ],
    ids=str,
)
def test_a_fill_that_does_not_fit_is_refused(fill, shape):
    with pytest.raises(ArgumentError):
        written(fill, shape)
