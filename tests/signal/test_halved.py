"""What is kept for a derivative is kept in half the memory, where that was asked for."""

import weakref

import pytest
import torch

from initium.signal._halved import halved

STEP = 2**-8  # bfloat16 rounds to eight bits


def squared(worth, size):
    x = torch.randn(size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with halved(worth=worth):
        middle = x * 1.5
        output = (middle * middle).sum()
    kept = weakref.ref(middle)
    del middle
    return x, output, kept


def test_a_derivative_errs_by_the_rounding_of_what_was_kept_and_no_more():
    x, output, kept = squared(worth=True, size=1 << 16)
    assert kept() is None
    output.backward()
    exact = 4.5 * x.detach()
    apart = (x.grad - exact).abs() / exact.abs()
    assert 0 < float(apart.max()) <= STEP * 1.001  # and that of float32 itself


@pytest.mark.parametrize(("worth", "size"), [(False, 1 << 16), (True, 1 << 10)])
def test_else_it_is_exact(worth, size):
    x, output, _ = squared(worth=worth, size=size)
    output.backward()
    assert torch.allclose(x.grad, 4.5 * x.detach(), rtol=1e-6, atol=0.0)
