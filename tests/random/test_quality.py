"""The stream is statistically sound: what a million or two of values can tell; benchmarks/stream_quality.py tells more.

The seeds are fixed, so a test always gives the same answer. Of a perfect stream with other seeds, each bound below would
be crossed with probability RARE; there are about 150 bounds, so about one choice of seeds in 7000 would cross any.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from scipy import special, stats

from initium.random import Stream, bernoulli_, bits, normal_, trunc_normal_, uniform_

RARE = 1e-6
N = 1 << 20
NAME = "layers.0.weight"
STREAM = Stream(0).child(NAME)
# The z that a standard normal statistic exceeds, on either side, with probability RARE.
BOUND = float(stats.norm.isf(RARE / 2))


def cut(low, high):
    """N(0, 1) on [low, high]: its distribution function by tail probabilities, and what its density is weighed with."""
    low = max(low, -9.0)
    high = min(high, max(low, 0.0) + 9.0)
    mass = special.ndtr(-low) - special.ndtr(-high)
    return lambda x: (special.ndtr(-low) - special.ndtr(-x)) / mass, lambda x: np.exp(-x * x / 2), low, high


# How to draw, then the distribution function, the density up to a factor, and the interval.
LAWS = {
    "uniform": (
        lambda out, stream: uniform_(out, stream, -1.0, 1.0),
        (lambda x: (x + 1) / 2, np.ones_like, -1.0, 1.0),
    ),
    "normal": (normal_, cut(-math.inf, math.inf)),
    "truncated": (trunc_normal_, cut(-2.0, 2.0)),
    "far": (lambda out, stream: trunc_normal_(out, stream, low=5.0, high=math.inf), cut(5.0, math.inf)),
    "narrow": (lambda out, stream: trunc_normal_(out, stream, low=0.25, high=0.5), cut(0.25, 0.5)),
}


@dataclass(frozen=True)
class Drawn:
    """N values about the mean, in order; the mass below each; and the law's central moments, 0 to 8."""

    x: np.ndarray
    share: np.ndarray
    moments: list[float]

    @property
    def std(self):
        return math.sqrt(self.moments[2])


@cache
def drawn_from(name, stream=STREAM):
    draw, (below, density, low, high) = LAWS[name]
    nodes, weights = np.polynomial.legendre.leggauss(200)
    points = low + (high - low) * (nodes + 1) / 2
    weights *= density(points)
    weights /= weights.sum()
    x = draw(torch.empty(N), stream).double().numpy()
    mean = weights @ points
    return Drawn(x - mean, below(x), [weights @ (points - mean) ** order for order in range(9)])


@pytest.fixture(params=LAWS)
def drawn(request):
    return drawn_from(request.param)


def fair(observed, shares):
    """Pearson's chi-square, neither too large nor too small."""
    found = stats.chisquare(observed, shares * (observed.sum() / shares.sum()))
    return RARE / 2 < found.pvalue < 1 - RARE / 2


def uncorrelated(products, std):
    """A sum of products of independent values about their means: mean 0, variance std^4 a product."""
    return abs(products.sum()) < BOUND * std**2 * math.sqrt(len(products))


def half_differ(first, second):
    """In each of the 32 places, two words differ as often as a coin falls on heads: binomial(N, 1/2)."""
    differ = torch.stack([((first ^ second) >> bit & 1).sum() for bit in range(32)]).double()
    return float((differ - N / 2).abs().max()) < BOUND * math.sqrt(N / 4)


def test_the_first_four_moments_are_those_of_the_law(drawn):
    m = drawn.moments
    for order in range(1, 5):
        spread = math.sqrt((m[2 * order] - m[order] ** 2) / N)
        assert abs((drawn.x**order).mean() - m[order]) < BOUND * spread


def test_the_distribution_is_that_of_the_law(drawn):
    share, steps = np.sort(drawn.share), np.arange(N + 1) / N
    distance = max((steps[1:] - share).max(), (share - steps[:-1]).max())
    assert special.kolmogorov(math.sqrt(N) * distance) > RARE
    assert fair(np.bincount((share * 1024).astype(int).clip(max=1023), minlength=1024), np.ones(1024))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 64, 1024, 1 << 16])
def test_values_know_nothing_of_earlier_ones(drawn, lag):
    assert uncorrelated(drawn.x[:-lag] * drawn.x[lag:], drawn.std)


def test_pairs_fill_the_square_evenly(drawn):
    cell = (drawn.share * 32).astype(int).clip(max=31)
    assert fair(np.bincount(cell[::2] * 32 + cell[1::2], minlength=1024), np.ones(1024))


def test_means_of_blocks_scatter_as_they_should(drawn):
    z = drawn.x.reshape(-1, 256).mean(axis=1) * 16 / drawn.std
    # z^2 has the variance 2 plus the excess kurtosis of a block's mean.
    spread = math.sqrt(len(z) * (2 + (drawn.moments[4] / drawn.moments[2] ** 2 - 3) / 256))
    assert abs((z**2).sum() - len(z)) < BOUND * spread


@pytest.mark.parametrize("far", [3.0, 4.0, 5.0])
def test_tails_are_as_heavy_as_they_should_be(far):
    n = 4 * N
    beyond = int((normal_(torch.empty(n), STREAM).abs() > far).sum())
    least, most = stats.binom.interval(1 - RARE, n, 2 * stats.norm.sf(far))
    assert least <= beyond <= most


def test_ones_of_bernoulli_are_binomial_in_blocks():
    ones = bernoulli_(torch.empty(N), STREAM, 0.3).view(-1, 256).sum(dim=1).int().numpy()
    edges = np.arange(60, 95)
    law = np.diff(stats.binom.cdf(edges, 256, 0.3), prepend=0.0, append=1.0)
    assert fair(np.bincount(np.searchsorted(edges, ones), minlength=len(law)), law)


def test_every_bit_of_a_word_is_fair():
    words = bits(STREAM, N)
    ones = torch.stack([(words >> bit & 1).sum() for bit in range(32)]).double()
    assert float((ones - N / 2).abs().max()) < BOUND * math.sqrt(N / 4)


NEIGHBOURS = {
    "the next seed": (STREAM, Stream(1).child(NAME)),
    "a seed one high bit away": (STREAM, Stream(1 << 127).child(NAME)),
    "the next name": (STREAM, Stream(0).child("layers.1.weight")),
    "another part": (STREAM, Stream(0).child("layers.0.bias")),
    "a child": (STREAM, STREAM.child("re")),
    "two children": (STREAM.child("re"), STREAM.child("im")),
}


@pytest.mark.parametrize("pair", NEIGHBOURS.values(), ids=NEIGHBOURS)
@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_neighbouring_streams_are_uncorrelated(pair, law):
    first, second = (drawn_from(law, stream) for stream in pair)
    assert uncorrelated(first.x * second.x, first.std)


@pytest.mark.parametrize("pair", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_words_of_neighbouring_streams_differ_in_half_of_their_bits(pair):
    assert half_differ(*(bits(stream, N) for stream in pair))


@pytest.mark.parametrize("offset", [1, 1 << 16, 1 << 32, 1 << 34, 1 << 48, 1 << 62])
def test_words_far_apart_differ_in_half_of_their_bits(offset):
    assert half_differ(bits(STREAM, N), bits(STREAM, N, offset))


def test_the_first_words_of_many_names_are_a_sound_sequence():
    first = torch.cat([bits(Stream(0).child(f"layers.{i}.weight"), 4) for i in range(4096)]).numpy()
    assert fair(np.bincount(first >> 24, minlength=256), np.ones(256))
    for lag in (1, 4):
        u = (first + 0.5) / 2**32 - 0.5
        assert uncorrelated(u[:-lag] * u[lag:], math.sqrt(1 / 12))
