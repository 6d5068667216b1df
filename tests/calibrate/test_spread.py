"""The factor is the exact root: checked on the numbers themselves."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from initium.calibrate._spread import Spread, spread_of


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1e-3, 1e3),
    st.floats(0, 10),
    st.floats(1e-2, 1e2),
)
def test_the_rescaled_output_has_the_target_std_bias_and_all(
    seed: int, scale: float, offset: float, target: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    product = torch.randn(40, 6, generator=generator, dtype=torch.float64) * scale
    bias = torch.randn(1, 6, generator=generator, dtype=torch.float64) * offset * target
    factor = spread_of(product, bias, axis=-1, terms=1).factor(target)
    assume(factor is not None)
    std = (factor * product + bias).std(correction=0)
    # The root is exact to rounding; where the bias nearly fills the target, the error of its variance is magnified.
    size = (factor * product).std(correction=0) + bias.std(correction=0)
    assert abs(float(std) - target) <= 1e-12 * float(size) ** 2 / target


def test_without_a_bias_the_factor_is_the_ratio_of_stds() -> None:
    product = torch.randn(50, 4, dtype=torch.float64)
    found = spread_of(product, None, axis=-1, terms=1)
    assert found.factor(2.0) == pytest.approx(2.0 / float(product.std(correction=0)), rel=1e-13)
    assert found.std == pytest.approx(float(product.std(correction=0)), rel=1e-13)


def test_a_bias_wider_than_the_target_has_no_factor() -> None:
    assert Spread(product=1.0, shared=0.0, bias=4.0, largest=1.0, constant=False, varies=True).factor(1.0) is None


def test_of_two_factors_the_larger_is_taken() -> None:
    # f^2 - 4 f + 4 - 1 = 0 has the roots 1 and 3.
    spread = Spread(product=1.0, shared=-2.0, bias=4.0, largest=1.0, constant=False, varies=True)
    assert spread.factor(1.0) == pytest.approx(3.0)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e20])
def test_one_number_everywhere_is_constant_and_is_not_divided_by(value: float) -> None:
    spread = spread_of(torch.full((30, 5), value), None, axis=-1, terms=16)
    assert spread.constant
    assert spread.factor(1.0) is None


def test_the_same_row_for_every_sample_does_not_vary() -> None:
    row = torch.randn(1, 8)
    assert not spread_of(row.expand(5, 8), None, axis=-1, terms=16).varies
    assert spread_of(row, None, axis=-1, terms=16).varies  # one sample: there is nothing to vary over


def test_a_covariance_over_positions_is_that_of_all_elements() -> None:
    product, bias = torch.randn(4, 6, 3, 3, dtype=torch.float64), torch.randn(1, 6, 1, 1, dtype=torch.float64)
    found = spread_of(product, bias, axis=1, terms=1)
    whole = torch.stack((product.flatten(), bias.expand_as(product).flatten()))
    expected = torch.cov(whole, correction=0)
    assert found.shared == pytest.approx(float(expected[0, 1]), rel=1e-11)
    assert found.bias == pytest.approx(float(expected[1, 1]), rel=1e-11)
    assert math.isclose(found.std, float((product + bias).std(correction=0)), rel_tol=1e-11)
