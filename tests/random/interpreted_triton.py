"""The Triton backend gives the reference's bits, run by Triton's interpreter: no GPU is needed.

``test_triton.py`` runs this file in a process of its own, because ``TRITON_INTERPRET`` is read when Triton is imported.
"""

import math

import pytest
import torch

from initium.random import Stream, normal_
from initium.random import _triton as accelerated
from initium.random import _write as written
from initium.random._backend import STORED
from initium.random._choice import VARIABLE, backend_for
from initium.random._float32 import nearest
from initium.random._laws import Bernoulli, Normal, Uniform
from initium.random._philox import M0, M1, MASK, ROUNDS, W0, W1
from initium.random._quantile import TAIL
from initium.random._reference import Reference
from initium.random._truncated import law as cut
from initium.random._write import write

STREAM = Stream(0).child("layers.0.weight")
KEY = STREAM.key
LAWS = {
    "uniform": Uniform(0.25, 0.75),
    "normal": Normal(0.0, 1.0),
    "narrow normal": Normal(nearest(0.1), nearest(0.02)),
    "truncated": cut(0.0, 1.0, -2.0, 2.0),
    "truncated aside": cut(0.3, 0.5, 0.0, 1.0),
    "half": cut(-0.0, 1.0, 0.0, math.inf),
    "by share": cut(0.0, 1.0, 0.25, 0.375),
    "by log": cut(0.0, 1.0, 5.0, 8.0),
    "by log below": cut(0.0, 1.0, -math.inf, -3.0),
    "never": Bernoulli(0),
    "seldom": Bernoulli(1),
    "sometimes": Bernoulli(round(0.3 * 2**32)),
    "mostly": Bernoulli(round(0.9 * 2**32)),
    "always": Bernoulli(1 << 32),
}
BITS = {
    torch.float32: torch.int32,
    torch.float64: torch.int64,
    torch.bfloat16: torch.int16,
    torch.float16: torch.int16,
    torch.float8_e4m3fn: torch.uint8,
    torch.bool: torch.uint8,
}
# Where the counter passes 32 bits, and the last index that there is.
CARRY, LAST = 1 << 34, (1 << 63) - 1
# The corners of the word and the seams of the quantile.
CORNERS = [0, 1, 2, 3, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 3, (1 << 32) - 2, (1 << 32) - 1]
CORNERS += [each + round(sign + TAIL * 2**32) for sign in (0, 1 << 31) for each in range(-3, 4)]


def drawn(a_backend, law, dtype, span, key=KEY):
    """The bits of a fill, with one element on either side that it must leave alone."""
    start, count = span
    whole = torch.ones(count + 2).to(dtype)
    if dtype in STORED:
        a_backend.fill(whole[1:-1], key, start, law)
    else:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv(VARIABLE, type(a_backend).__name__.lower())
            write(whole[1:-1], STREAM, start, law)
    return whole.view(BITS[dtype])


def same(*fill):
    return torch.equal(drawn(accelerated.Triton(), *fill), drawn(Reference(), *fill))


def floats(text):
    return [float.fromhex(each) for each in text.split()]


def words(a_backend, key, start, count):
    out = torch.empty(count, dtype=torch.int64)
    a_backend.words(out, key, start)
    return out


def test_the_values_of_the_contract():
    found = words(accelerated.Triton(), KEY, 0, 4).tolist()
    assert [f"{each:08x}" for each in found] == "c568fabf 9d3edd9d 66f28bc7 076e28b2".split()
    out = torch.empty(4)
    for law, start, expected in (
        (Normal(0.0, 1.0), 0, "-0x1.3801ecp-1 -0x1.344bcp+0 0x1.fb86d6p-3 0x1.e53424p+0"),
        (Normal(0.0, 1.0), 4, "0x1.3a8692p-4 -0x1.d60038p-1 0x1.17e63ep+0 0x1.007948p+0"),
        (Normal(0.0, 1.0), CARRY - 4, "-0x1.ca683ap-2 -0x1.5f16c6p+0 -0x1.b706cep+0 -0x1.1dc366p+0"),
        (Uniform(0.0, 1.0), 0, "0x1.15a3eap-1 0x1.d3edd8p-3 -0x1.90d748p-3 -0x1.e2475ep-1"),
    ):
        accelerated.Triton().fill(out, KEY, start, law)
        assert out.tolist() == floats(expected)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_law_has_the_bits_of_the_reference(law):
    for span in ((0, 1 << 16), (5, 1030), (CARRY - 9003, 18_000), (LAST - 7, 7)):
        assert same(law, torch.float32, span)


@pytest.mark.parametrize("dtype", BITS, ids=str)
@pytest.mark.parametrize("name", ["uniform", "normal", "truncated", "by share", "by log", "sometimes"])
def test_every_dtype_has_the_bits_of_the_reference(name, dtype):
    if dtype != torch.bool or name == "sometimes":
        assert same(LAWS[name], dtype, (3, 1 << 16))


@pytest.mark.parametrize("count", range(1, 10))
def test_short_ends_are_whole_and_what_surrounds_them_is_left_alone(count):
    for start in (0, 1, 2, CARRY - 1):
        assert same(LAWS["normal"], torch.bfloat16, (start, count))
        assert same(LAWS["sometimes"], torch.bool, (start, count))


@pytest.mark.parametrize(("start", "count"), [(0, 5000), (3, 1), (CARRY - 3, 1029), (LAST - 9, 9), (7, 0)])
def test_words_are_those_of_the_reference(start, count):
    assert torch.equal(words(accelerated.Triton(), KEY, start, count), words(Reference(), KEY, start, count))


def whence(wanted):
    """A key and a start whose first four words are these: Philox, backwards, in Python's own integers."""
    for first in range(1000):
        c0, c1, c2, c3 = wanted
        for turn in reversed(range(ROUNDS)):
            k0, k1 = (first + turn * W0) & MASK, turn * W1 & MASK
            even, odd = c3 * pow(M0, -1, 1 << 32) & MASK, c1 * pow(M1, -1, 1 << 32) & MASK
            c0, c1, c2, c3 = even, c0 ^ (odd * M1 >> 32) ^ k0, odd, c2 ^ (even * M0 >> 32) ^ k1
        if c1 < 1 << 29:  # the counter of an index below 2^63
            return (first, 0, c2, c3), (c0 | c1 << 32) << 2
    raise AssertionError


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_corners_of_the_word_have_the_bits_of_the_reference(law):
    for at in range(0, len(CORNERS), 4):
        wanted = CORNERS[at : at + 4]
        key, start = whence(wanted)
        assert words(accelerated.Triton(), key, start, 4).tolist() == wanted
        assert same(law, torch.float32, (start, 4), key)


@pytest.mark.parametrize("dtype", BITS, ids=str)
@pytest.mark.parametrize("std", [3e38, 6e4, 1e-6, 1e-38, 1e-44])
def test_the_ends_of_a_dtype_are_rounded_as_torch_rounds_them(dtype, std):
    if dtype != torch.bool:
        assert same(Normal(0.0, nearest(std)), dtype, (0, 5000))


def test_what_is_drawn_by_way_of_float32_has_no_seam(monkeypatch):
    fill = LAWS["normal"], torch.float8_e4m3fn, (3, 2500)
    expected = drawn(Reference(), *fill)
    monkeypatch.setattr(written, "CHUNK", 1001)
    assert torch.equal(drawn(accelerated.Triton(), *fill), expected)


def test_by_its_name_it_serves_every_call_and_autograd_sees_what_it_writes(monkeypatch):
    monkeypatch.setenv(VARIABLE, "triton")
    out = torch.nn.Parameter(torch.empty(10))
    version = out._version
    assert backend_for(out)._fast.__class__ is accelerated.Triton
    normal_(out, Stream(0).child("w"))
    assert out._version > version
    assert normal_(torch.empty(0), Stream(0).child("w")).shape == (0,)
    with torch.inference_mode():
        normal_(torch.empty(10), Stream(0).child("w"))
