"""Whole-matrix draws: orthogonal to the last digit, Haar-distributed."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Stream, delta_orthogonal_, normal_, orthogonal_, sparse_

STREAM = Stream(0).child("layers.0.weight")
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.complex128]
FILLS = {
    "orthogonal": lambda out: orthogonal_(out, STREAM, 1.5),
    "delta": lambda out: delta_orthogonal_(out.unsqueeze(-1), STREAM, 1.5).squeeze(-1),
    "sparse": lambda out: sparse_(out, STREAM, 0.3, 0.5),
}


def test_a_backend_that_refuses_leaves_the_matrix_as_it_was(monkeypatch):
    monkeypatch.setenv("INITIUM_BACKEND", "abacus")
    for fill in FILLS.values():
        out = torch.ones(5, 4)
        with pytest.raises(ArgumentError, match="abacus"):
            fill(out)
        assert bool((out == 1).all())


def identity_error(w):
    """The largest distance of the smaller Gram matrix from the identity."""
    w = w.to(torch.complex128 if w.is_complex() else torch.float64)
    gram = w.mH @ w if w.shape[-2] >= w.shape[-1] else w @ w.mH
    return float((gram - torch.eye(gram.shape[-1])).abs().max())


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(DTYPES))
def test_rows_or_columns_are_orthonormal_to_the_rounding_of_the_dtype(rows, cols, dtype):
    w = orthogonal_(torch.empty(rows, cols, dtype=dtype), STREAM)
    # An entry is off by eps / 2 of at most 1; a Gram entry sums the longer axis, and a unit vector's 1-norm is its root.
    eps = max(torch.finfo(dtype).eps, 2.0**-52 * 40)
    assert identity_error(w) <= 2 * eps * math.sqrt(max(rows, cols))


def test_the_gain_is_the_singular_values():
    w = orthogonal_(torch.empty(7, 30, dtype=torch.float64), STREAM, -2.5)
    assert torch.linalg.svdvals(w).tolist() == pytest.approx([2.5] * 7, rel=1e-12)


def test_more_axes_are_flattened_into_the_second():
    w = orthogonal_(torch.empty(6, 2, 3, 3), STREAM)
    assert torch.equal(w.flatten(1), orthogonal_(torch.empty(6, 18), STREAM))


def test_narrow_dtypes_are_the_rounded_float32():
    single = orthogonal_(torch.empty(20, 10), STREAM)
    for dtype in (torch.bfloat16, torch.float16):
        assert torch.equal(orthogonal_(torch.empty(20, 10, dtype=dtype), STREAM), single.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_the_law_is_haars(dtype):
    n, draws = 4, 4000
    w = orthogonal_(torch.empty(draws, n, n, dtype=dtype), STREAM, batch_axes=1)
    assert identity_error(w) < 1e-12
    # The square of an entry of a Haar matrix is beta: (1/2, (n-1)/2) if real, (1, n-1) if complex.
    half = 1.0 if dtype.is_complex else 0.5
    referee = stats.beta(half, half * (n - 1))
    for row in range(n):
        for col in range(n):
            # 32 tests at 1e-5 each: one false alarm in 3000 seeds, and the seed is fixed.
            assert stats.kstest(w[:, row, col].abs().square().numpy(), referee.cdf).pvalue > 1e-5
    # Without the sign correction the diagonal would be one-sided, and traces would not average to 0.
    trace = w.diagonal(dim1=-2, dim2=-1).sum(-1).real
    assert abs(float(trace.mean())) < 6 * float(trace.std()) / math.sqrt(draws)
    assert 0 < int((trace > 0).sum()) < draws


def test_the_matrices_of_a_batch_are_other_matrices():
    w = orthogonal_(torch.empty(3, 2, 8, 4), STREAM, batch_axes=2).view(6, 8, 4)
    assert identity_error(w) < 1e-6
    assert len({tuple(each.flatten().tolist()) for each in w}) == 6


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 4, 3, 3), (8, 4, 3, 5, 3)], ids=str)
def test_a_delta_orthogonal_convolution_keeps_norms(shape):
    w = delta_orthogonal_(torch.empty(shape, dtype=torch.float64), STREAM)
    kernel = shape[2:]
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[len(kernel) - 1]
    x = normal_(torch.empty(2, shape[1], *(6,) * len(kernel), dtype=torch.float64), STREAM.child("x"))
    y = convolve(x, w, padding=[size // 2 for size in kernel])
    assert y.flatten(1).norm(dim=1).tolist() == pytest.approx(x.flatten(1).norm(dim=1).tolist(), rel=1e-12)


@given(st.integers(1, 30), st.integers(1, 10), st.floats(0, 1))
def test_every_column_has_the_same_number_of_zeros(rows, cols, sparsity):
    w = sparse_(torch.empty(rows, cols), STREAM, sparsity)
    assert (w == 0).sum(dim=0).tolist() == [math.ceil(sparsity * rows)] * cols
    dense = normal_(torch.empty(rows, cols), STREAM, 0.0, 0.01)
    assert torch.equal(w, torch.where(w == 0, 0.0, dense))


def test_zeros_fall_on_every_row_alike(monkeypatch):
    monkeypatch.setattr("initium.random._matrices.CHUNK", 1000)
    cols = 20_000
    zeros = (sparse_(torch.empty(5, cols), STREAM, 0.4) == 0).sum(dim=1)
    assert (zeros - 0.4 * cols).abs().max() < 6 * math.sqrt(cols * 0.4 * 0.6)


def test_the_zeros_do_not_depend_on_the_chunks(monkeypatch):
    whole = sparse_(torch.empty(6, 50), STREAM, 0.4)
    monkeypatch.setattr("initium.random._matrices.CHUNK", 20)
    assert torch.equal(sparse_(torch.empty(6, 50), STREAM, 0.4), whole)


@pytest.fixture(params=FILLS.values(), ids=FILLS)
def fill(request):
    return request.param


def test_strides_do_not_matter(fill):
    expected = fill(torch.empty(6, 4))
    assert torch.equal(fill(torch.empty(4, 6).t()), expected)
    assert torch.equal(fill(torch.empty(6, 8)[:, ::2]), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_is_filled(fill, dtype):
    assert fill(torch.full((6, 4), math.nan, dtype=dtype)).isfinite().all()


def test_empty_and_meta_tensors_stay_as_they_are(fill):
    assert fill(torch.empty(0, 0)).shape == (0, 0)
    assert fill(torch.empty(6, 4, device="meta")).is_meta


def test_a_parameter_is_filled_and_still_wants_its_gradient():
    for out in (orthogonal_(torch.nn.Parameter(torch.empty(4, 3)), STREAM), sparse_(torch.empty(3, 3), STREAM, 0.5)):
        assert out.is_leaf
    assert orthogonal_(torch.nn.Parameter(torch.empty(4, 3)), STREAM).requires_grad


def test_integers_expanded_tensors_and_nameless_streams_are_refused(fill):
    with pytest.raises(ArgumentTypeError):
        fill(torch.empty(4, 4, dtype=torch.int32))
    with pytest.raises(ArgumentError, match="expanded"):
        fill(torch.empty(4, 1).expand(4, 3))
    with pytest.raises(ArgumentError, match="child"):
        orthogonal_(torch.empty(2, 2), Stream(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthogonal_(torch.empty(5), STREAM), "2 or more axes"),
        (lambda: orthogonal_(torch.empty(5, 5), STREAM, batch_axes=1), "1 batch axes"),
        (lambda: orthogonal_(torch.empty(5, 5), STREAM, math.nan), "gain"),
        (lambda: delta_orthogonal_(torch.empty(5, 5), STREAM), "orthogonal_"),
        (lambda: delta_orthogonal_(torch.empty(4, 5, 3), STREAM), "out >= in"),
        (lambda: sparse_(torch.empty(5), STREAM, 0.5), "2 axes"),
        (lambda: sparse_(torch.empty(5, 5), STREAM, 1.5), "sparsity"),
        (lambda: sparse_(torch.empty(5, 5), STREAM, 0.5, -1.0), "std"),
    ],
)
def test_a_refusal_says_what_to_do(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
