"""Reflectors multiplied out in blocks: the product is the product, at every seam, and the threads cannot be seen."""

import math

import pytest
import torch

from initium.random import Stream, _haar, normal_, orthogonal_
from torch_threads import torch_threads

STREAM = Stream(0).child("layers.0.weight")
B, G = _haar.WIDTH, _haar.GROUP
# One block and less, its seams, the seams of a group, a rest that is a block with one column; square and tall.
SHAPES = [
    *((1, 1), (7, 1), (B - 1, B - 1), (B, B), (B + 1, B + 1), (300, B + 1)),
    *((2 * B + 3, 2 * B + 3), (500, G + B + 1)),
]
DOUBLES = [torch.float64, torch.complex128]


def referee(gaussian):
    """LAPACK's product of the scaled reflectors, as the docstring of `orthogonal_` writes them."""
    columns = gaussian.tril()
    a = columns.diagonal(dim1=-2, dim2=-1)
    norm = torch.linalg.vector_norm(columns, dim=-2)
    sign, tau = a.sgn(), 1 + a.abs() / norm
    reflectors = columns / (a + sign * norm).unsqueeze(-2)
    return torch.linalg.householder_product(reflectors, tau.to(columns.dtype)) * -sign.unsqueeze(-2)


def rounding(long, short):
    """How far a column may be from the exact one.

    Each of the ``short`` reflectors takes part in four sums of at most ``long`` terms (the norm, T, U^H Q and U W), with
    errors of either sign: ``sqrt(long) * eps`` each (Higham and Mary 2019). A reflector does not lengthen what others
    left, so that errors add up at most (Higham 2002, lemma 19.3).
    """
    return 4 * short * math.sqrt(long) * 2.0**-52


def with_threads(number, fill):
    with torch_threads(number):
        return fill()


@pytest.fixture
def many_hands(monkeypatch):
    """No matrix is too small to be shared among threads."""
    monkeypatch.setattr(_haar, "ALONE", 0)


@pytest.mark.parametrize("dtype", DOUBLES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_blocks_multiply_out_to_the_product_of_the_reflectors(shape, dtype):
    w = orthogonal_(torch.empty(shape, dtype=dtype), STREAM)
    exact = referee(normal_(torch.empty(shape, dtype=dtype), STREAM))
    # The referee rounds as well.
    assert float(torch.linalg.vector_norm(w - exact, dim=0).max()) <= 2 * rounding(*shape)
    assert float((w.mH @ w - torch.eye(shape[1])).abs().max()) <= 3 * rounding(*shape)


@pytest.mark.parametrize("dtype", DOUBLES, ids=str)
def test_a_wide_matrix_is_the_tall_one_transposed(dtype):
    wide = orthogonal_(torch.empty(B + 2, 2, 5, 20, dtype=dtype), STREAM, 3.0)
    tall = orthogonal_(torch.empty(200, B + 2, dtype=dtype), STREAM, 3.0)
    assert torch.equal(wide.flatten(1), tall.T)


@pytest.mark.parametrize(
    ("count", "rows", "cols"), [(5, 4, 4), (3000, 9, 1), (300, 3, 40), (3, 120, 110), (2, 30, 130)], ids=str
)
def test_each_matrix_of_a_batch_has_its_own_part_of_the_stream(count, rows, cols):
    w = orthogonal_(torch.empty(count, rows, cols, dtype=torch.float64), STREAM, batch_axes=1)
    long, short = max(rows, cols), min(rows, cols)
    exact = referee(normal_(torch.empty(count, long, short, dtype=torch.float64), STREAM))
    found = w if rows >= cols else w.mT
    assert float(torch.linalg.vector_norm(found - exact, dim=-2).max()) <= 2 * rounding(long, short)


@pytest.mark.usefixtures("many_hands")
@pytest.mark.parametrize("dtype", DOUBLES, ids=str)
@pytest.mark.parametrize(
    ("shape", "batch_axes"),
    [
        *(((26, 26), 0), ((333, 333), 0), ((512, 512), 0), ((3000, 65), 0), ((250, 7, 3, 3), 0), ((200, 900), 0)),
        *(((500, 5, 3), 1), ((2, 400, 200), 1)),
    ],
    ids=str,
)
def test_threads_do_not_change_a_bit_in_double_precision(shape, batch_axes, dtype):
    def fill():
        return orthogonal_(torch.empty(shape, dtype=dtype), STREAM, batch_axes=batch_axes)

    one, *others = (with_threads(number, fill) for number in (1, 2, 3, 4))
    assert all(torch.equal(one, other) for other in others)


@pytest.mark.usefixtures("many_hands")
def test_strides_and_narrow_dtypes_are_no_matter_when_threads_share_the_work():
    def fill(out):
        return with_threads(3, lambda: orthogonal_(out, STREAM, 0.5))

    expected = fill(torch.empty(300, 250))
    assert torch.equal(fill(torch.empty(250, 300).t()), expected)
    assert torch.equal(fill(torch.empty(300, 500)[:, ::2]), expected)
    assert torch.equal(fill(torch.empty(300, 250, dtype=torch.bfloat16)), expected.to(torch.bfloat16))
    assert torch.equal(fill(torch.empty(300, 250, dtype=torch.float64)).float(), expected)


@pytest.mark.usefixtures("many_hands")
def test_other_threads_are_in_the_modes_of_autograd_of_the_caller():
    parameter = torch.nn.Parameter(torch.empty(250, 250))
    expected = with_threads(2, lambda: orthogonal_(parameter, STREAM))
    assert expected.is_leaf
    assert expected.requires_grad
    with torch.inference_mode():
        found = with_threads(2, lambda: orthogonal_(torch.empty(250, 250), STREAM))
    assert torch.equal(found, expected)


def test_gaussians_may_be_drawn_a_few_rows_at_a_time(monkeypatch):
    whole = orthogonal_(torch.empty(310, 200), STREAM)
    # 7 rows: a step ends within a block, and one begins above the next.
    monkeypatch.setattr(_haar, "DRAWN", 1400)
    assert torch.equal(orthogonal_(torch.empty(310, 200), STREAM), whole)


@pytest.mark.parametrize("size", [5, 2 * B + 1])
def test_gaussians_of_exactly_zero_do_no_harm(monkeypatch, size):
    monkeypatch.setattr("initium.random._matrices.normal_", lambda out, _stream, **_: out.zero_())
    w = orthogonal_(torch.empty(size, size, dtype=torch.float64), STREAM)
    # Every reflector turns one axis about, and so does its sign.
    assert torch.equal(w, torch.eye(size))
