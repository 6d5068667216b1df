"""The words are Philox4x32-10's, for any start and count."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from initium.errors import ArgumentError
from initium.random import Stream, bits, permutation
from initium.random._philox import MASK, _block, words

CPU = torch.device("cpu")
STREAM = Stream(0).child("layers.0.weight")

# Random123's kat_vectors: counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def numbers(text):
    return [int(each, 16) for each in text.split()]


def philox(counter, key):
    """Philox4x32-10 in Python's own integers, as the paper writes it."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        low, high = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (high >> 32) ^ c1 ^ k0, high & MASK, (low >> 32) ^ c3 ^ k1, low & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def word(key, index):
    k0, k1, s0, s1 = key
    return philox((index >> 2 & MASK, index >> 34, s0, s1), (k0, k1))[index & 3]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_the_known_answers_of_random123(counter, key, expected):
    c0, c1, c2, c3 = numbers(counter)
    place = c0 | c1 << 32
    signed = torch.tensor([place - (1 << 64) if place >> 63 else place])
    assert [int(w) & MASK for w in _block((*numbers(key), c2, c3), signed)] == numbers(expected)
    assert list(philox(numbers(counter), numbers(key))) == numbers(expected)


def test_the_words_of_the_contract():
    assert bits(STREAM, 4).tolist() == numbers("c568fabf 9d3edd9d 66f28bc7 076e28b2")


@given(st.integers(0, (1 << 63) - 200), st.integers(0, 40), st.tuples(*[st.integers(0, MASK)] * 4))
def test_words_agree_with_plain_integers(start, count, key):
    assert words(key, start, count, CPU).tolist() == [word(key, start + i) for i in range(count)]


@given(st.integers(0, 1 << 40), st.integers(0, 60), st.integers(0, 60))
def test_words_of_a_range_are_a_range_of_words(start, skip, count):
    whole = bits(STREAM, skip + count, start)
    assert torch.equal(whole[skip:], bits(STREAM, count, start + skip))


@pytest.mark.parametrize(("count", "start"), [(-1, 0), (1, -1), (1, 1 << 63)])
def test_words_out_of_range_are_refused(count, start):
    with pytest.raises(ArgumentError):
        bits(STREAM, count, start)


@given(st.integers(0, 300))
def test_a_permutation_has_each_number_once(n):
    assert permutation(n, STREAM).sort().values.tolist() == list(range(n))


def test_all_orders_of_three_come_equally_often():
    trials = 1200
    orders = [tuple(permutation(3, Stream(0).child(str(i))).tolist()) for i in range(trials)]
    # A count is binomial(trials, 1/6): six of its standard deviations.
    bound = 6 * (trials * (1 / 6) * (5 / 6)) ** 0.5
    assert all(abs(orders.count(each) - trials / 6) < bound for each in set(orders))
    assert len(set(orders)) == 6
