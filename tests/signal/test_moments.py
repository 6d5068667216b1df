"""Moments by unit: equal to numpy's in double precision, at any scale."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initium.signal import rounding, unit_moments
from initium.signal._distinct import gaps

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@given(shapes, st.integers(0, 3), st.sampled_from([1e-30, 1e-3, 1.0, 1e30]), st.integers(0, 2**32 - 1))
def test_moments_are_numpys_at_any_scale(shape: list[int], axis: int, scale: float, seed: int) -> None:
    axis %= len(shape)
    value = np.random.default_rng(seed).normal(size=shape).astype(np.float32) * np.float32(scale)
    exact = value.astype(np.float64)
    rest = tuple(each for each in range(exact.ndim) if each != axis)
    found = unit_moments(torch.from_numpy(value), axis)
    # Each figure is a sum of numbers no larger than the largest magnitude: n roundings of that size at most.
    bound = (value.size + 4) * np.finfo(np.float32).eps * np.abs(exact).max()
    assert abs(float(found.total_mean) - exact.mean()) <= bound
    assert abs(float(found.rms) - np.sqrt((exact**2).mean())) <= bound
    # A square root turns an error of e in a variance of 0 into sqrt(e).
    slack = np.sqrt(value.size + 4) * np.finfo(np.float32).eps * np.abs(exact).max()
    assert abs(float(found.std) - exact.std()) <= bound + slack
    assert abs(float(found.unit_std) - np.sqrt(exact.var(axis=rest).mean())) <= bound + slack


def test_float64_is_kept() -> None:
    assert unit_moments(torch.ones(3, 2, dtype=torch.float64), 1).std.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    value = torch.full((4096, 1), 200.0, dtype=dtype)
    assert float(unit_moments(value, 1).rms) == 200.0


def test_of_a_complex_value_the_magnitude_counts() -> None:
    assert float(unit_moments(torch.tensor([[3 + 4j], [0j]]), 1).total_mean) == 2.5


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_shows_in_the_largest_magnitude(bad: float) -> None:
    assert not torch.isfinite(unit_moments(torch.tensor([[1.0, bad]]), 1).largest)


def test_of_zeros_the_moments_are_zero_without_a_sign() -> None:
    moments = unit_moments(torch.zeros(3, 4), axis=1)
    assert [str(value.item()) for value in (moments.std, moments.rms, moments.unit_std)] == ["0.0"] * 3


def test_a_value_with_no_element_has_zero_moments() -> None:
    found = unit_moments(torch.empty(0, 4), 1)
    assert (float(found.std), float(found.rms), float(found.largest)) == (0.0, 0.0, 0.0)


def test_gaps_are_zero_for_copies_of_the_first_unit_and_for_no_other() -> None:
    first = torch.randn(16, 1, 3)
    value = torch.cat([first, first, first + 1, first], dim=1)
    found = gaps(value, 1)
    assert (found > rounding(value.dtype, 1)).tolist() == [False, False, True, False]


def test_a_large_value_is_read_until_its_units_are_told_apart_and_no_further() -> None:
    value = torch.randn(64, 4, 4096)  # parts of 16 samples
    largest = unit_moments(value, 1).largest
    whole = gaps(value, 1, largest)
    few = gaps(value, 1, largest, enough=0.01)
    assert torch.equal(few, gaps(value[:16], 1, largest))
    assert (few[1:] > 0.01).all()
    assert (few <= whole).all()


def test_a_unit_that_differs_in_the_last_sample_alone_is_found() -> None:
    value = torch.randn(64, 1, 4096).repeat(1, 4, 1)
    value[-1, 2] += 1
    found = gaps(value, 1, unit_moments(value, 1).largest, enough=1e-3)
    assert (found > 1e-3).tolist() == [False, False, True, False]
