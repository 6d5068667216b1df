"""The moments that a factor is found by: checked against the numbers themselves."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from initium.calibrate._figures import seen_of, spread_of

STATISTICS = {
    "std": lambda value: value.std(correction=0),
    "rms": lambda value: value.square().mean().sqrt(),
    "channel": lambda value: value.var(0, correction=0).mean().sqrt(),
}


@given(
    st.integers(0, 2**32 - 1),
    st.floats(1e-3, 1e3),
    st.floats(0, 10),
    st.floats(1e-2, 1e2),
    st.sampled_from(sorted(STATISTICS)),
)
def test_the_rescaled_output_has_the_target_bias_and_all(
    seed: int, scale: float, offset: float, target: float, statistic: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    product = torch.randn(40, 6, generator=generator, dtype=torch.float64) * scale
    bias = torch.randn(1, 6, generator=generator, dtype=torch.float64) * offset * target
    factor = spread_of([seen_of(product + bias, bias, -1, 1)], statistic).factor(target)
    assume(factor is not None)
    # The root is exact to rounding; where the bias nearly fills the target, the error of its variance is magnified, and
    # the product is read off the sum of both.
    whole = factor * product + bias
    size = factor * product.square().mean().sqrt() + bias.square().mean().sqrt()
    lost = 1 + float(bias.abs().max()) / float(product.square().mean().sqrt())
    assert abs(float(STATISTICS[statistic](whole)) - target) <= 1e-12 * lost * float(size) ** 2 / target


@pytest.mark.parametrize("statistic", STATISTICS)
def test_figures_of_parts_pool_to_that_of_the_whole(statistic: str) -> None:
    value = torch.randn(70, 5, dtype=torch.float64) * 3 + torch.arange(5)
    parts = [seen_of(part, None, -1, 1) for part in value.split([10, 25, 35])]
    assert spread_of(parts, statistic).std == pytest.approx(float(STATISTICS[statistic](value)), rel=1e-12)


def test_outputs_of_other_widths_pool_to_the_std_of_all_their_elements() -> None:
    one, other = torch.randn(30, 4, dtype=torch.float64), torch.randn(12, 9, dtype=torch.float64) * 5
    found = spread_of([seen_of(one, None, -1, 1), seen_of(other, None, -1, 1)], "std")
    everything = torch.cat((one.flatten(), other.flatten()))
    assert found.std == pytest.approx(float(everything.std(correction=0)), rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.7, -1e20])
def test_one_number_everywhere_is_constant_and_is_not_divided_by(value: float) -> None:
    spread = spread_of([seen_of(torch.full((30, 5), value), None, -1, 16)], "std")
    assert spread.constant
    assert spread.factor(1.0) is None


def test_the_same_row_for_every_sample_does_not_vary() -> None:
    row = torch.randn(1, 8)
    assert not spread_of([seen_of(row.expand(5, 8), None, -1, 16)], "std").varies
    assert spread_of([seen_of(row, None, -1, 16)], "std").varies  # one sample: there is nothing to vary over


def test_a_bias_that_differs_from_place_to_place_has_its_covariance() -> None:
    product, bias = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    found = spread_of([seen_of(product + bias, bias, -1, 1)], "std")
    expected = torch.cov(torch.stack((product.flatten(), bias.flatten())), correction=0)
    assert [found.product, found.shared, found.bias] == pytest.approx(
        [float(expected[0, 0]), float(expected[0, 1]), float(expected[1, 1])], rel=1e-11
    )


def test_what_does_not_count_is_left_out() -> None:
    value, counts = torch.randn(6, 3, 4, dtype=torch.float64), torch.rand(6, 3) > 0.4
    found = spread_of([seen_of(value, None, -1, 1, counts)], "std")
    assert found.std == pytest.approx(float(value[counts].std(correction=0)), rel=1e-12)


def test_figures_of_some_units_are_those_of_these_alone() -> None:
    value = torch.randn(20, 8, dtype=torch.float64)
    found = spread_of([seen_of(value, None, -1, 1).of([(0, 2), (5, 8)])], "std")
    assert found.std == pytest.approx(float(value[:, [0, 1, 5, 6, 7]].std(correction=0)), rel=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_a_signal_whose_square_float32_does_not_hold_is_measured(size: float) -> None:
    value = torch.randn(50, 4)
    found = spread_of([seen_of(value * size, None, -1, 1)], "std")
    # Each of 200 float32 values is rounded once, to 2^-24 of itself.
    assert math.isclose(found.std, float(value.double().std(correction=0)) * size, rel_tol=1e-6)
