"""The contract of every element-wise fill: a value is a function of (seed, name, index), and of nothing else."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initium.errors import ArgumentError, ArgumentTypeError, InitiumError
from initium.random import Stream, bernoulli_, bits, normal_, permutation, trunc_normal_, uniform_
from initium.random._reference import CHUNK
from torch_threads import torch_threads

STREAM = Stream(0).child("layers.0.weight")

FILLS = {
    "normal": lambda out, stream=STREAM, start=0: normal_(out, stream, 0.25, 2.0, start),
    "uniform": lambda out, stream=STREAM, start=0: uniform_(out, stream, -0.5, 1.5, start),
    "truncated": lambda out, stream=STREAM, start=0: trunc_normal_(out, stream, 0.25, 2.0, -1.0, 4.0, start),
    "narrow": lambda out, stream=STREAM, start=0: trunc_normal_(out, stream, 0.0, 1.0, 0.25, 0.5, start),
    "far": lambda out, stream=STREAM, start=0: trunc_normal_(out, stream, 0.0, 1.0, 6.0, math.inf, start),
    "bernoulli": lambda out, stream=STREAM, start=0: bernoulli_(out, stream, 0.3, start),
}
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.complex128]
shapes = st.lists(st.integers(0, 5), max_size=4)


@pytest.fixture(params=FILLS.values(), ids=FILLS)
def fill(request):
    return request.param


def strided(shape, dtype=torch.float32):
    """A destination that is neither contiguous nor dense: every other element of a transposed tensor."""
    return torch.zeros([2 * size for size in reversed(shape)], dtype=dtype)[
        (slice(None, None, 2),) * len(shape)
    ].permute(tuple(reversed(range(len(shape)))))


def test_the_tensor_itself_comes_back(fill):
    out = torch.empty(3)
    assert fill(out) is out


@given(shape=shapes, start=st.integers(0, 1 << 40))
def test_a_value_does_not_know_where_it_is_stored(shape, start):
    for each in FILLS.values():
        assert torch.equal(each(strided(shape), start=start), each(torch.empty(shape), start=start))


@given(start=st.integers(0, 1 << 60), skip=st.integers(0, 40), count=st.integers(0, 40))
def test_a_slice_of_a_fill_is_the_fill_of_the_slice(start, skip, count):
    for each in FILLS.values():
        whole = each(torch.empty(skip + count), start=start)
        assert torch.equal(whole[skip:], each(torch.empty(count), start=start + skip))


def test_chunks_leave_no_seam(fill):
    whole = fill(torch.empty(2 * CHUNK + 5))
    for start in (0, CHUNK - 3, CHUNK, 2 * CHUNK - 1):
        assert torch.equal(whole[start : start + 6], fill(torch.empty(6), start=start)[: len(whole) - start])


@pytest.mark.parametrize("shape", [(3, CHUNK // 2 + 1), (CHUNK + 1, 2), (2, 2, CHUNK + 1)], ids=str)
def test_large_strided_tensors_are_filled_in_the_order_of_their_shape(shape):
    out = torch.empty([*shape, 2])[..., 0]
    assert torch.equal(normal_(out, STREAM), normal_(torch.empty(shape), STREAM))


def test_a_scalar_takes_the_first_value(fill):
    assert torch.equal(fill(torch.empty(())), fill(torch.empty(1))[0])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_does_not_matter(fill, threads):
    expected = fill(torch.empty(CHUNK))
    with torch_threads(threads):
        assert torch.equal(fill(torch.empty(CHUNK)), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_seed_gives_the_same_values_in_every_dtype_up_to_rounding(fill, dtype):
    out = fill(torch.empty(1000, dtype=dtype))
    assert out.dtype == dtype
    wider = fill(torch.empty(1000, dtype=torch.complex64 if dtype.is_complex else torch.float32))
    assert torch.equal(out, wider.to(dtype))


def test_channels_last_changes_nothing(fill):
    out = torch.empty(4, 3, 5, 5).to(memory_format=torch.channels_last)
    assert torch.equal(fill(out), fill(torch.empty(4, 3, 5, 5)))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_what_surrounds_a_view_is_left_alone(fill):
    whole = torch.full((6, 6), 7.0)
    fill(whole[1:5, 2:4])
    whole[1:5, 2:4] = 7
    assert (whole == 7).all()


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)], ids=str)
def test_an_empty_tensor_stays_as_it_is(fill, shape):
    assert fill(torch.empty(shape)).shape == shape


def test_a_meta_tensor_stays_as_it_is(fill):
    out = torch.empty(1 << 20, 1 << 20, device="meta")
    assert fill(out) is out


def test_a_fake_tensor_stays_as_it_is(fill):
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415  heavy, and wanted here alone

    with FakeTensorMode():
        out = torch.empty(3)
        assert fill(out) is out


def test_a_parameter_is_filled_and_still_wants_its_gradient(fill):
    out = torch.nn.Parameter(torch.empty(10))
    version = out._version
    fill(out)
    assert out.requires_grad
    assert out.grad_fn is None
    assert out._version > version
    assert torch.equal(out.detach(), fill(torch.empty(10)))


def test_torchs_own_generator_is_not_touched(fill):
    before = torch.get_rng_state()
    fill(torch.empty(10))
    assert torch.equal(torch.get_rng_state(), before)


def test_defaults_of_torch_do_not_reach_the_values(fill):
    expected = fill(torch.empty(10, dtype=torch.float32))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            out = torch.empty(10, dtype=torch.float32, device="cpu")
            assert torch.equal(fill(out), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8], ids=str)
def test_integers_are_refused(fill, dtype):
    with pytest.raises(ArgumentTypeError, match="floating or complex"):
        fill(torch.empty(3, dtype=dtype))


def test_truth_values_are_for_bernoulli_alone():
    assert bernoulli_(torch.empty(9, dtype=torch.bool), STREAM, 1.0).all()
    with pytest.raises(ArgumentTypeError):
        normal_(torch.empty(3, dtype=torch.bool), STREAM)


def test_an_expanded_tensor_is_refused(fill):
    with pytest.raises(ArgumentError, match="expanded"):
        fill(torch.empty(1, 3).expand(4, 3))


def test_what_is_no_strided_tensor_is_refused(fill):
    with pytest.raises(ArgumentTypeError, match=r"values\(\)"):
        fill(torch.empty(3, 3).to_sparse())
    with pytest.raises(ArgumentTypeError, match=r"\.weight"):
        fill(torch.nn.Linear(2, 2))


def test_a_tensor_of_inference_mode_is_filled_there_only(fill):
    with torch.inference_mode():
        out = fill(torch.empty(3))
    with pytest.raises(ArgumentError, match="clone"):
        fill(out)
    fill(out.clone())


def test_an_unnamed_stream_and_no_stream_are_refused(fill):
    with pytest.raises(ArgumentError, match="child"):
        fill(torch.empty(3), Stream(0))
    with pytest.raises(ArgumentTypeError, match="Stream"):
        fill(torch.empty(3), 0)


@pytest.mark.parametrize("start", [np.int64(2), np.array(2), torch.tensor(2)])
def test_any_integer_is_a_start(fill, start):
    assert torch.equal(fill(torch.empty(3), start=start), fill(torch.empty(3), start=2))


@pytest.mark.parametrize("count", [-1, 2.0, True, "2", None])
def test_a_count_that_is_none_is_refused(count):
    for draw in (lambda: bits(STREAM, count), lambda: permutation(count, STREAM)):
        with pytest.raises(InitiumError, match=r"integer|>= 0"):
            draw()
    assert torch.equal(bits(STREAM, np.uint8(3)), bits(STREAM, 3))


@pytest.mark.parametrize("device", ["nowhere", "hpu", None, ("cpu",), -3])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ArgumentError, match="no device of this machine"):
        bits(STREAM, 2, device=device)


@pytest.mark.parametrize("start", [-1, (1 << 63) - 2, 0.5, True])
def test_a_start_out_of_range_is_refused(fill, start):
    with pytest.raises(InitiumError, match="start"):
        fill(torch.empty(3), start=start)


@pytest.mark.parametrize(
    "call",
    [
        lambda out: normal_(out, STREAM, std=-1.0),
        lambda out: normal_(out, STREAM, std=math.nan),
        lambda out: normal_(out, STREAM, std=math.inf),
        lambda out: normal_(out, STREAM, mean=math.nan),
        lambda out: normal_(out, STREAM, std=1e39),
        lambda out: uniform_(out, STREAM, 1.0, 0.0),
        lambda out: uniform_(out, STREAM, 0.0, math.inf),
        lambda out: trunc_normal_(out, STREAM, 0.0, -1.0),
        lambda out: trunc_normal_(out, STREAM, 0.0, 1.0, 2.0, -2.0),
        lambda out: trunc_normal_(out, STREAM, 0.0, 1.0, math.nan, 2.0),
        lambda out: trunc_normal_(out, STREAM, 0.0, 1.0, math.inf, math.inf),
        lambda out: bernoulli_(out, STREAM, 1.5),
    ],
)
def test_a_refused_number_leaves_the_tensor_alone(call):
    out = torch.full((3,), 7.0)
    with pytest.raises(ArgumentError):
        call(out)
    assert (out == 7).all()


@pytest.mark.parametrize("std", [True, "1", None, 1j, [1.0]])
def test_what_is_no_number_is_refused(std):
    with pytest.raises(ArgumentTypeError, match="std"):
        normal_(torch.empty(3), STREAM, std=std)


def test_the_parts_of_a_complex_tensor_are_children_and_share_the_variance():
    n = 200_000
    out = normal_(torch.empty(n, dtype=torch.complex64), STREAM, 0.0, 3.0)
    part = 3.0 * math.sqrt(0.5)
    assert torch.equal(out.real, normal_(torch.empty(n), STREAM.child("re"), 0.0, part))
    assert torch.equal(out.imag, normal_(torch.empty(n), STREAM.child("im"), 0.0, part))
    # |z|^2 / std^2 is exponential: its std is its mean.
    assert abs(float(out.abs().double().square().mean()) / 9 - 1) < 6 / math.sqrt(n)


@pytest.mark.parametrize(("name", "variance"), [("uniform", 4 / 12), ("truncated", None)])
def test_a_complex_fill_has_the_variance_of_the_real_one(name, variance):
    n = 200_000
    real, z = (FILLS[name](torch.empty(n, dtype=t)).to(torch.complex128) for t in (torch.float32, torch.complex64))
    variance = variance or float(real.var())
    # The square of a bounded value deviates by at most the largest square, 4^2: two samples of it.
    spread = float((z - z.mean()).abs().square().std()) + float((real - real.mean()).abs().square().std())
    assert abs(float(z.var()) - variance) < 6 * spread / math.sqrt(n)


def test_conjugated_and_negated_views_are_filled_as_what_they_look_like():
    base = torch.zeros(8, dtype=torch.complex64)
    expected = normal_(torch.empty(8, dtype=torch.complex64), STREAM)
    assert torch.equal(normal_(base.conj(), STREAM), expected)
    assert torch.equal(base, expected.conj().resolve_conj())
    assert torch.equal(normal_(base.conj().imag, STREAM), normal_(torch.empty(8), STREAM))


def test_bernoulli_ones_are_as_frequent_as_asked():
    n, p = 200_000, 0.3
    ones = float(bernoulli_(torch.empty(n), STREAM, p).double().mean())
    assert abs(ones - p) < 6 * math.sqrt(p * (1 - p) / n)


LOST = {
    "normal": lambda out: normal_(out, STREAM, 1e8, 1e-12),
    "half a gap": lambda out: normal_(out, STREAM, 1.0, 2.0**-25),
    "below": lambda out: normal_(out, STREAM, -1e8, 1.0),
    "uniform": lambda out: uniform_(out, STREAM, 1e8, 1e8 + 1e-7),
    "one gap": lambda out: uniform_(out, STREAM, 1.0, 1.0 + 2.0**-23),
    "truncated": lambda out: trunc_normal_(out, STREAM, 1.0, 1e-9),
    "narrow": lambda out: trunc_normal_(out, STREAM, 0.0, 1.0, 1.0, 1.0 + 1e-9),
    "far": lambda out: trunc_normal_(out, STREAM, 0.0, 1e-5, 1.0, 2.0),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64], ids=str)
@pytest.mark.parametrize("fill", LOST.values(), ids=LOST)
def test_a_spread_that_float32_loses_beside_the_centre_is_refused(fill, dtype):
    out = torch.full((5,), 7, dtype=dtype)
    with pytest.raises(ArgumentError, match="one constant"):
        fill(out)
    assert (out == 7).all()


def test_a_spread_of_a_gap_is_drawn_and_no_spread_is_a_constant():
    for fill in (
        lambda out: normal_(out, STREAM, 1.0, 2.0**-23),
        lambda out: uniform_(out, STREAM, 1.0, 1.0 + 2.0**-21),
        lambda out: trunc_normal_(out, STREAM, 1.0, 2.0**-23),
    ):
        assert len(fill(torch.empty(1000)).unique()) > 2
    assert (normal_(torch.empty(3), STREAM, 1e8, 0.0) == 1e8).all()
    assert (uniform_(torch.empty(3), STREAM, 1e8, 1e8) == 1e8).all()
    # The cure that the message names.
    assert float(normal_(torch.empty(1000, dtype=torch.float64), STREAM, 0.0, 1e-6).add_(1e8).std()) > 0


@pytest.mark.parametrize("first", [0.0, -0.0])
def test_no_zero_depends_on_which_zero_was_asked_for_before(first):
    for zero in (first, -first):
        for fill in (
            lambda out, z: normal_(out, STREAM, z, 0.0),
            lambda out, z: uniform_(out, STREAM, z, z),
            lambda out, z: trunc_normal_(out, STREAM, -5.0, 0.0, z, 1.0),
            lambda out, z: trunc_normal_(out, STREAM, z, 1e-3, -1.0, z),
        ):
            assert not fill(torch.empty(3), zero)[fill(torch.empty(3), zero) == 0].signbit().any()
