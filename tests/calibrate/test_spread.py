"""The factor is the root of a quadratic equation."""

import pytest

from initium.calibrate._spread import Spread


def test_without_a_bias_the_factor_is_the_ratio_of_stds() -> None:
    spread = Spread(product=9.0, shared=0.0, bias=0.0, largest=1.0, constant=False, varies=True)
    assert spread.factor(2.0) == pytest.approx(2 / 3)
    assert spread.std == 3
    assert spread.at(2 / 3) == pytest.approx(2)


def test_a_bias_wider_than_the_target_has_no_factor() -> None:
    assert Spread(product=1.0, shared=0.0, bias=4.0, largest=1.0, constant=False, varies=True).factor(1.0) is None


def test_of_two_factors_the_larger_is_taken() -> None:
    # f^2 - 4 f + 4 - 1 = 0 has the roots 1 and 3.
    spread = Spread(product=1.0, shared=-2.0, bias=4.0, largest=1.0, constant=False, varies=True)
    assert spread.factor(1.0) == pytest.approx(3.0)
