# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false
# Numba has no types to offer, and hands an intrinsic its first argument itself. What it compiles is checked bit by bit.
"""The laws as machine code for a CPU: what ``_reference`` defines, to the bit, in loops that become vector instructions.

A kernel makes ``BLOCK`` values at a time in buffers that stay in the first cache, by short loops: a core looks some 130
operations ahead, and the chain of one value is longer than that, so in one loop for all of it the core would wait. Numba fuses no multiply with an add unless told to.
All that may change stands in this one file: Numba compiles anew when the file of a kernel does, and looks at no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import carray, config, njit, types

from initium.compiled import compiled
from initium.random import _philox, _quantile
from initium.random._intrinsics import bits_of, float_of, pointer_to, widest

if TYPE_CHECKING:
    from collections.abc import Callable

if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]  set when Numba reads its variables
    raise ImportError("NUMBA_DISABLE_JIT is set")

BLOCK = 1024
# Counters that hold a block of words, wherever it starts in the first; words of 64 bits that hold four each, and three
# floats a value.
COUNTERS = BLOCK // 4 + 1
ROOM = 3 * BLOCK // 2
# How a value is stored: float32, float64, bfloat16, float16, a byte of truth, an int64 word.
SINGLE, DOUBLE, BRAIN, HALF, TRUTH, WORD = range(6)
OPTIONS = {"nogil": True, "fastmath": False, "error_model": "numpy", "boundscheck": False}

U32, U64, I32, I64, F32 = np.uint32, np.uint64, np.int32, np.int64, np.float32
ROUNDS, M0, M1 = _philox.ROUNDS, U64(_philox.M0), U64(_philox.M1)
W0, W1 = U32(_philox.W0), U32(_philox.W1)
A0, A1, A2, A3 = map(F32, _quantile.A)
B0, B1, B2, B3 = map(F32, _quantile.B)
C0, C1, C2, C3, C4 = map(F32, _quantile.C)
D0, D1, D2, D3 = map(F32, _quantile.D)
L0, L1, L2, L3, L4, L5, L6, L7 = map(F32, _quantile.L)
LOG_2, TAIL, SPLIT = F32(_quantile.LOG_2), F32(_quantile.TAIL), F32(_quantile.SPLIT)
SHIFT, ROOT = U32(_quantile.ONE_BITS - _quantile.ROOT_HALF_BITS), U32(_quantile.ROOT_HALF_BITS)
SIGN, MAGNITUDE, MANTISSA = U32(1 << 31), U32((1 << 31) - 1), U32((1 << 23) - 1)
ONE, MIDDLE, STEP = F32(1), F32(0.5), F32(2.0**-32)
# A uniform value is an odd multiple of 2^-24.
ODD, GRAIN = I32(1 - (1 << 24)), F32(2.0**-24)
# float16: its infinity and its least normal number as float32 bits, and the difference of the two exponents' offsets.
TOO_LARGE, NORMAL_FROM, REBIAS = U32(0x47800000), U32(0x38800000), U32(0xC8000FFF)


@njit(**OPTIONS)
def _round(even, below, odd, under, left, right):
    """A round of Philox on words 0 to 3 of a counter."""
    low, high = U64(even) * M0, U64(odd) * M1
    return U32(high >> U64(32)) ^ below ^ left, U32(high), U32(low >> U64(32)) ^ under ^ right, U32(low)


@njit(**OPTIONS)
def _words(words, room, start, count, key):
    """Philox4x32-10, half of the rounds at a time; the place in ``words`` of the first of the words asked for."""
    widest()
    first, skip = start >> U64(2), start & U64(3)
    k0, k1, s0, s1 = key
    counters = (I64(skip) + count + 3) >> 2
    evens, belows, odds, unders = room[:COUNTERS], room[COUNTERS:], room[2 * COUNTERS :], room[3 * COUNTERS :]
    for i in range(counters):
        counter = first + U64(i)
        even, below, odd, under = U32(counter), U32(counter >> U64(32)), s0, s1
        left, right = k0, k1
        for _ in range(ROUNDS // 2):
            even, below, odd, under = _round(even, below, odd, under, left, right)
            left, right = U32(left + W0), U32(right + W1)
        evens[i], belows[i], odds[i], unders[i] = even, below, odd, under
    k0, k1 = U32(k0 + U32(ROUNDS // 2) * W0), U32(k1 + U32(ROUNDS // 2) * W1)
    for i in range(counters):
        even, below, odd, under = U32(evens[i]), U32(belows[i]), U32(odds[i]), U32(unders[i])
        left, right = k0, k1
        for _ in range(ROUNDS - ROUNDS // 2):
            even, below, odd, under = _round(even, below, odd, under, left, right)
            left, right = U32(left + W0), U32(right + W1)
        words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3] = even, below, odd, under
    return I32(skip)


@njit(**OPTIONS)
def _minus_log(p, room, out, count):
    """-log p: the exponent and the first half of the series, then the second."""
    widest()
    floats = room.view(np.float32)
    mantissas, series, exponents = floats[:BLOCK], floats[BLOCK:], floats[2 * BLOCK :]
    for i in range(count):
        bits = U32(bits_of(p[i]) + SHIFT)
        m = float_of(U32((bits & MANTISSA) + ROOT)) - ONE
        mantissas[i] = m
        exponents[i] = F32(I32(bits >> U32(23)) - I32(127)) * -LOG_2
        series[i] = ((L0 * m + L1) * m + L2) * m + L3
    for i in range(count):
        m = mantissas[i]
        out[i] = exponents[i] - ((((series[i] * m + L4) * m + L5) * m + L6) * m + L7) * m


@njit(**OPTIONS)
def _quantile_of(p, s, signs, out, count, mean, std):
    """``mean + std * z``: z from the tail probability p, s = -log p, and the top bit of ``signs``."""
    widest()
    for i in range(count):
        q = MIDDLE - p[i]
        r = SPLIT - q * q
        x = s[i]
        tail = p[i] < TAIL
        above = ((((C0 * x + C1) * x + C2) * x + C3) * x + C4) if tail else (((A0 * r + A1) * r + A2) * r + A3) * q
        under = (((D0 * x + D1) * x + D2) * x + D3) if tail else (((B0 * r + B1) * r + B2) * r + B3)
        out[i] = float_of(bits_of(above / under) | (signs[i] & SIGN)) * std + mean


@njit(**OPTIONS)
def _clamp(out, count, low, high):
    widest()
    for i in range(count):
        out[i] = min(max(out[i], low), high)


@njit(**OPTIONS)
def _half(value):
    """A float32 as the bits of the nearest float16, ties to even."""
    bits = bits_of(value)
    size = bits & MAGNITUDE
    normal = U32(size + REBIAS + ((size >> U32(13)) & U32(1))) >> U32(13)
    small = U32(bits_of(float_of(size) + MIDDLE) - bits_of(MIDDLE))
    found = U32(0x7C00) if size >= TOO_LARGE else (small if size < NORMAL_FROM else normal)
    return np.uint16(found | ((bits & SIGN) >> U32(16)))


@njit(**OPTIONS)
def _brain(value):
    """A float32 as the bits of the nearest bfloat16, ties to even."""
    bits = bits_of(value)
    return np.uint16(U32(bits + U32(0x7FFF) + ((bits >> U32(16)) & U32(1))) >> U32(16))


@njit(**OPTIONS)
def _place(address, kind, at, count, beside):
    """Where float32 values are made: in the destination itself if it holds such, else beside it."""
    return carray(pointer_to(address + U64(4 * at)), (count,), np.float32) if kind == SINGLE else beside[:count]


@njit(**OPTIONS)
def _store(made, address, kind, at, count):
    widest()
    if kind == DOUBLE:
        doubles = carray(pointer_to(address + U64(8 * at)), (count,), np.float64)
        for i in range(count):
            doubles[i] = made[i]
    elif kind == BRAIN:
        brains = carray(pointer_to(address + U64(2 * at)), (count,), np.uint16)
        for i in range(count):
            brains[i] = _brain(made[i])
    elif kind == HALF:
        halves = carray(pointer_to(address + U64(2 * at)), (count,), np.uint16)
        for i in range(count):
            halves[i] = _half(made[i])
    elif kind == TRUTH:
        truths = carray(pointer_to(address + U64(at)), (count,), np.uint8)
        for i in range(count):
            truths[i] = np.uint8(made[i] != 0)


@njit(**OPTIONS)
def _buffers():
    """Words, p, s, values, and room for what a step hands to the next; one allocation."""
    whole = np.empty(ROOM + 2 * BLOCK + 4, np.uint64)
    rest = whole[ROOM:].view(np.uint32)
    words, floats = rest[: BLOCK + 8], rest[BLOCK + 8 :].view(np.float32)
    return words, floats[:BLOCK], floats[BLOCK : 2 * BLOCK], floats[2 * BLOCK :], whole[:ROOM]


def words(address, kind, count, start, key, law):
    """The words themselves, as int64."""
    widest()
    block, _, _, _, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        out = carray(pointer_to(address + U64(8 * at)), (n,), np.int64)
        for i in range(n):
            out[i] = mine[i]


def uniform(address, kind, count, start, key, law):
    """``centre + half * u``."""
    widest()
    centre, half = law
    block, _, _, beside, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        out = _place(address, kind, at, n, beside)
        for i in range(n):
            odd = I32(I32(mine[i] >> U32(8)) * I32(2) + ODD)
            out[i] = F32(odd) * GRAIN * half + centre
        _store(out, address, kind, at, n)


def normal(address, kind, count, start, key, law):
    """``mean + std * z``: the top bit is the sign, the other 31 are the tail probability."""
    widest()
    mean, std = law
    block, p, s, beside, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        for i in range(n):
            p[i] = (F32(I32(mine[i] & MAGNITUDE)) + MIDDLE) * STEP
        _minus_log(p, room, s, n)
        out = _place(address, kind, at, n, beside)
        _quantile_of(p, s, mine, out, n, mean, std)
        _store(out, address, kind, at, n)


def truncated(address, kind, count, start, key, law):
    """The smaller tail's quantile, clamped to the bounds."""
    widest()
    mean, std, low, high, below, above, mass = law
    block, p, s, beside, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        for i in range(n):
            lower = (F32(mine[i]) + MIDDLE) * STEP * mass + below
            upper = (F32(U32(~mine[i])) + MIDDLE) * STEP * mass + above
            p[i] = min(lower, upper, MIDDLE)
            mine[i] = SIGN if lower < upper else U32(0)
        _minus_log(p, room, s, n)
        out = _place(address, kind, at, n, beside)
        _quantile_of(p, s, mine, out, n, mean, std)
        _clamp(out, n, low, high)
        _store(out, address, kind, at, n)


def curved(address, kind, count, start, key, law):
    """A polynomial in the share of the mass, or in its logarithm, clamped to the bounds."""
    widest()
    edge, step, low, high, by_log, rest, share, slope = law[:8]
    coefficients = law[8:]
    block, p, s, beside, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        for i in range(n):
            p[i] = (F32(mine[i]) + MIDDLE) * STEP
        if by_log != 0:
            for i in range(n):
                p[i] = p[i] * share + rest
            _minus_log(p, room, s, n)
        x = s if by_log != 0 else p
        out = _place(address, kind, at, n, beside)
        for i in range(n):
            x[i] = x[i] * slope - ONE
            out[i] = coefficients[0]
        for coefficient in coefficients[1:]:
            for i in range(n):
                out[i] = out[i] * x[i] + coefficient
        for i in range(n):
            out[i] = out[i] * step + edge
        _clamp(out, n, low, high)
        _store(out, address, kind, at, n)


def bernoulli(address, kind, count, start, key, law):
    """1 where the word is below the threshold."""
    widest()
    threshold = law[0]
    block, _, _, beside, room = _buffers()
    for at in range(0, count, BLOCK):
        n = min(BLOCK, count - at)
        mine = block[_words(block, room, start + U64(at), n, key) :]
        out = _place(address, kind, at, n, beside)
        for i in range(n):
            out[i] = ONE if U64(mine[i]) < threshold else F32(0)
        _store(out, address, kind, at, n)


KERNELS: dict[str, tuple[Callable[..., None], types.Type]] = {
    "words": (words, types.UniTuple(types.uint64, 1)),
    "Uniform": (uniform, types.UniTuple(types.float32, 2)),
    "Normal": (normal, types.UniTuple(types.float32, 2)),
    "Truncated": (truncated, types.UniTuple(types.float32, 7)),
    "Curved": (curved, types.UniTuple(types.float32, 8 + 18)),
    "Bernoulli": (bernoulli, types.UniTuple(types.uint64, 1)),
}
COMMON = (types.uint64, types.int64, types.int64, types.uint64, types.UniTuple(types.uint32, 4))


def kernel(name: str) -> Callable[..., None]:
    """The kernel of a law."""
    function, law = KERNELS[name]
    return compiled(function, types.void(*COMMON, law), **OPTIONS)
