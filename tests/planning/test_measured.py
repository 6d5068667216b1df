"""The std in a receipt: measured in pieces, whatever the layout and the dtype."""

import math

import pytest
import torch

from initium.planning import _measured, _sums
from initium.planning._measured import CHUNK, measured_std
from initium.random import Stream, normal_

N = 2 * CHUNK + 1000
LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.view(-1, 8).t(),
    "channels last": lambda x: x.view(3, 8, -1, 8).to(memory_format=torch.channels_last),
    "negated": lambda x: torch.view_as_complex(x.float().view(-1, 2)).conj().imag if x.dtype == torch.float32 else x,
    "every other": lambda x: x.view(-1, 2)[:, 0],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("mean", [0.0, 30.0])
@pytest.mark.parametrize("large", [1, 1 << 40], ids=["compiled", "torch"])
def test_a_large_tensor_has_the_std_of_all_its_values(layout, dtype, mean, large, monkeypatch):
    monkeypatch.setattr(_measured, "LARGE", large)
    whole = normal_(torch.empty(3 * 64 * (N // 192), dtype=dtype), Stream(0, "w"), mean, 0.5)
    values = layout(whole)
    assert measured_std(values) == pytest.approx(float(values.double().std(correction=0)), rel=1e-6)


@pytest.mark.parametrize("count", [5, N])
@pytest.mark.parametrize("value", [0.0, 0.1, -7e20])
def test_a_constant_has_none(count, value):
    # For few values torch's own rounding of their mean remains.
    assert measured_std(torch.full((count,), value)) <= (0.0 if count == N else abs(value) * 2**-22)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, N - 1])
def test_what_is_not_finite_has_no_std(value, place):
    values = torch.zeros(N)
    values[place] = value
    assert math.isnan(measured_std(values))


def test_infinities_of_both_signs_have_no_std():
    values = torch.zeros(N)
    values[1], values[-1] = math.inf, -math.inf
    assert math.isnan(measured_std(values))


def test_nothing_has_none():
    assert math.isnan(measured_std(torch.empty(0)))
    assert math.isnan(measured_std(torch.empty(3, device="meta")))


@pytest.mark.parametrize("large", [1, 1 << 40], ids=["compiled", "torch"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("first", "std"), [(0.0, 1e20), (0.0, 1e-25), (100.0, 0.02), (1e4, 1e-3)])
def test_neither_size_nor_an_outlier_in_front_costs_digits(first, std, dtype, large, monkeypatch):
    monkeypatch.setattr(_measured, "LARGE", large)
    values = normal_(torch.empty(N, dtype=dtype), Stream(0, "w"), 0.0, std)
    if first:
        values[0] = first
    assert measured_std(values) == pytest.approx(float(values.double().std(correction=0)), rel=1e-6)


def test_a_compiler_that_fails_costs_only_time(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(_sums, "compiled", broken)
    assert _sums.by_numba.__wrapped__() is _sums.by_torch
