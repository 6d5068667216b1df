"""From bits to values: the contract's bits, against scipy and against numpy's float32."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special, stats

from initium.errors import ArgumentError, ArgumentTypeError
from initium.random import Stream, normal_, std_before_truncation, truncated_std, uniform_
from initium.random import _quantile as q
from initium.random._float32 import centred, nearest, step
from initium.random._laws import Curved, Normal, Truncated, Uniform
from initium.random._reference import values
from initium.random._truncated import law

STREAM = Stream(0).child("layers.0.weight")
GOLDEN = """-0x1.3801ecp-1 -0x1.344bcp+0 0x1.fb86d6p-3 0x1.e53424p+0
            0x1.3a8692p-4 -0x1.d60038p-1 0x1.17e63ep+0 0x1.007948p+0"""
GOLDEN_FAR = "-0x1.ca683ap-2 -0x1.5f16c6p+0 -0x1.b706cep+0 -0x1.1dc366p+0"
GOLDEN_UNIFORM = "0x1.15a3eap-1 0x1.d3edd8p-3 -0x1.90d748p-3 -0x1.e2475ep-1"
# The corners of the word, the seams of the quantile, and a thousand words between.
WORDS = np.unique(
    np.concatenate(
        [
            [0, 1, 2, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 2, (1 << 32) - 1],
            *(np.arange(-3, 4) + round(sign + q.TAIL * 2**32) for sign in (0, 1 << 31)),
            np.linspace(0, (1 << 32) - 1, 1001).astype(np.int64),
            2 ** np.arange(32),
        ]
    ).astype(np.int64)
)


def floats(text):
    return [float.fromhex(each) for each in text.split()]


def of(words, a_law):
    return values(torch.tensor(words), a_law).double().numpy()


def test_the_normals_of_the_contract():
    assert normal_(torch.empty(8), STREAM).tolist() == floats(GOLDEN)


def test_the_normals_of_the_contract_across_the_counters_carry():
    assert normal_(torch.empty(4), STREAM, start=4 * (2**32 - 1)).tolist() == floats(GOLDEN_FAR)


def test_the_uniforms_of_the_contract():
    assert uniform_(torch.empty(4), STREAM, -1.0, 1.0).tolist() == floats(GOLDEN_UNIFORM)


def numpy_normal(word, mean, std):
    """The contract, one float32 operation at a time, by numpy."""
    f = np.float32

    def horner(x, coefficients):
        total = f(coefficients[0])
        for coefficient in coefficients[1:]:
            total = f(f(total * x) + f(coefficient))
        return total

    p = f(f(f(int(word) & 0x7FFFFFFF) + f(0.5)) * f(2.0**-32))
    if p >= f(q.TAIL):
        x = f(f(0.5) - p)
        r = f(f(q.SPLIT) - f(x * x))
        z = f(f(x * horner(r, q.A)) / horner(r, q.B))
    else:
        bits = int(p.view(np.int32)) + q.ONE_BITS - q.ROOT_HALF_BITS
        m = f(np.int32((bits & 0x7FFFFF) + q.ROOT_HALF_BITS).view(np.float32) - f(1))
        s = f(f(f((bits >> 23) - 127) * f(-q.LOG_2)) - f(m * horner(m, q.L)))
        z = f(horner(s, q.C) / horner(s, q.D))
    return f(f(mean) + f(f(std) * (-z if word >> 31 else z)))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.1, 0.02)])
def test_normals_agree_with_numpys_float32_to_the_bit(mean, std):
    expected = [numpy_normal(word, mean, std) for word in WORDS.tolist()]
    assert of(WORDS, Normal(nearest(mean), nearest(std))).tolist() == expected


def test_the_quantile_is_within_its_stated_error():
    p = ((WORDS & 0x7FFFFFFF) + 0.5) / 2**32
    exact = np.where(WORDS >> 31, 1, -1) * special.ndtri(p)
    assert np.abs(of(WORDS, Normal(0.0, 1.0)) - exact).max() < 5e-6
    assert np.abs(of(WORDS, Normal(0.0, 1.0))).max() < 6.34


def test_every_route_to_the_tail_gives_the_same_bits():
    p = ((torch.tensor(WORDS) & 0x7FFFFFFF).float() + 0.5) * 2.0**-32
    assert torch.equal(q.quantile(p), torch.where(p < q.TAIL, q._tail(p), q.quantile(p)))


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
@example(5e-46, 5.2e-46)
@example(1.0, 0.0)
def test_a_uniform_value_never_leaves_its_bounds(low, width):
    high = low + width
    x = of(WORDS, Uniform(*centred(low, high)))
    least = nearest(low) if nearest(low) >= low else step(nearest(low), math.inf)
    if least <= high:
        assert low <= x.min()
        assert x.max() <= high
    else:  # no float32 number lies between
        assert set(x) == {nearest(low)}


def test_uniforms_are_as_wide_as_they_should_be():
    x = of(WORDS, Uniform(*centred(-3.0, 5.0)))
    # The law is on a grid of step width * 2^-24, rounded in float32 at 5: 2^-22.
    assert np.abs(x - (-3.0 + 8.0 * (WORDS + 0.5) / 2**32)).max() <= 8 * 2.0**-24 + 2.0**-22


INTERVALS = [
    (0.0, 1.0, -2.0, 2.0),
    (0.0, 0.02, -2.0, 2.0),
    (0.3, 0.5, 0.0, 1.0),
    (0.0, 1.0, -3.0, 1.0),
    (0.0, 1.0, 0.0, math.inf),
    (0.0, 1.0, 2.0, 4.0),
    (0.0, 1.0, -4.0, -2.0),
    (0.0, 1.0, 3.5, 4.0),
    (0.0, 1.0, 5.0, 8.0),
    (0.0, 1.0, -8.0, -5.0),
    (0.0, 1.0, 3.0, math.inf),
    (0.0, 1.0, -math.inf, -3.0),
    (0.0, 1.0, 0.25, 0.375),
    (0.0, 1.0, -0.001953125, 0.001953125),
    (0.0, 1.0, 4.0, 4.125),
    (0.0, 1.0, -math.inf, math.inf),
    (0.0, 1.0, 20.0, 21.0),
]


@pytest.mark.parametrize("numbers", INTERVALS, ids=str)
def test_truncated_values_are_the_quantiles_of_the_cut_law(numbers):
    mean, std, low, high = numbers
    cut = stats.truncnorm((low - mean) / std, (high - mean) / std, mean, std)
    x = np.sort(of(WORDS, law(*numbers)))
    share = (WORDS + 0.5) / 2**32
    assert low <= x[0]
    assert x[-1] <= high
    # In probability: the quantile's error of 5e-6 times the density, and the rounding of a share and of a value.
    peak = float(cut.pdf(min(max(mean, low), high)))
    bound = peak * (std * 1e-5 + 2.0**-23 * np.abs(x[np.isfinite(x)]).max()) + 2.0**-22
    rising, falling = (np.abs(law_share - share).max() for law_share in (cut.cdf(x), cut.sf(x[::-1])))
    assert min(rising, falling) < bound


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((0.0, 1.0, -2.0, 2.0), Truncated),
        ((0.0, 1.0, 5.0, 8.0), Curved),
        ((0.0, 1.0, 0.1, 0.2), Curved),
        ((0.0, 0.0, -1.0, 1.0), Uniform),
        ((0.0, 1e-60, -1.0, 1.0), Uniform),
        ((5.0, 1.0, 2.0, 2.0), Uniform),
    ],
)
def test_the_way_depends_on_the_interval(numbers, kind):
    assert isinstance(law(*numbers), kind)


@pytest.mark.parametrize(("mean", "expected"), [(0.5, 0.5), (-3.0, 0.0), (3.0, 1.0)])
def test_with_no_spread_the_value_is_the_mean_or_the_bound_next_to_it(mean, expected):
    assert set(of(WORDS, law(mean, 0.0, 0.0, 1.0))) == {expected}


@given(
    st.floats(-5, 5),
    st.floats(1e-6, 1e6),
    st.floats(-1e4, 1e4),
    st.floats(0, 1e4),
)
def test_a_truncated_value_never_leaves_its_bounds(mean, std, low, width):
    high = low + width
    x = of(WORDS[::7], law(mean, std, low, high))
    assert np.isfinite(x).all()
    if nearest(low) < nearest(high):
        assert low <= x.min()
        assert x.max() <= high


@pytest.mark.parametrize(
    ("std", "low", "high", "mean"),
    [(1, -2, 2, 0), (2, -1, 7, 1), (1, 3, 4, 0), (1, -math.inf, 0.5, 0), (0.02, -2, 2, 0), (1, 5, math.inf, 0)],
)
def test_the_std_of_a_cut_law_agrees_with_scipy(std, low, high, mean):
    exact = stats.truncnorm((low - mean) / std, (high - mean) / std, mean, std).std()
    # scipy's own subtraction in the tail loses about six digits.
    assert truncated_std(std, low, high, mean) == pytest.approx(exact, rel=1e-9)


def test_the_std_of_the_common_cut_is_known_to_sixteen_digits():
    assert truncated_std(1.0, -2.0, 2.0) == pytest.approx(0.8796256610342398, rel=1e-14)


@given(st.floats(0.01, 0.99), st.floats(-3, 3), st.floats(0.01, 100))
def test_the_std_before_the_cut_gives_the_std_after_it(share, low, width):
    wanted = share * width / math.sqrt(12)
    before = std_before_truncation(wanted, low, low + width)
    assert truncated_std(before, low, low + width) == pytest.approx(wanted, rel=1e-9)


def test_no_cut_law_is_wider_than_the_uniform_one():
    with pytest.raises(ArgumentError, match="Widen the bounds"):
        std_before_truncation(0.6, -1.0, 1.0)


@pytest.mark.parametrize("numbers", [(-1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, math.nan)])
def test_a_cut_needs_a_scale_and_an_interval(numbers):
    with pytest.raises(ArgumentError):
        truncated_std(*numbers)


def test_what_is_remembered_of_a_cut_law_does_not_know_in_what_kind_of_number_it_was_asked():
    for cut in (truncated_std, std_before_truncation):
        kinds = (Fraction(1, 2), Decimal("0.5"), np.float32(0.5), torch.tensor(0.5), 0.5)
        found = [cut(each, -2, 2) for each in kinds]
        assert {type(each) for each in found} == {float}
        assert len(set(found)) == 1
        for none in ("1", None, [1.0], 1j, True):
            with pytest.raises(ArgumentTypeError, match="std"):
                cut(none, -2, 2)


@pytest.mark.parametrize("numbers", [(1.0, 1e200, math.inf), (1e-300, 1e200, math.inf), (1.0, math.inf, math.inf)])
def test_a_cut_that_leaves_nothing_is_refused(numbers):
    with pytest.raises(ArgumentError, match="cut"):
        truncated_std(*numbers)
