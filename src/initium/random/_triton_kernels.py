"""The stream as a Triton kernel: Philox, the float32 laws and the store, each operation rounded once.

One kernel serves every law: the law is a function of the words that is known when the kernel is compiled, its numbers
are arguments, so that another mean or seed compiles nothing anew. Every constant comes from the reference's files.
"""

# pyright: basic, reportMissingImports=false, reportInvalidTypeForm=false, reportArgumentType=false
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# Triton is optional; and a kernel is written in Triton's language, whose types are not those that Python sees.

from __future__ import annotations

import triton
import triton.language as tl

from initium.random import _philox, _quantile

# A kernel may read no global that is not declared constant.
ROUNDS, M0, M1, W0, W1 = (
    tl.constexpr(each) for each in (_philox.ROUNDS, _philox.M0, _philox.M1, _philox.W0, _philox.W1)
)
A0, A1, A2, A3 = (tl.constexpr(each) for each in _quantile.A)
B0, B1, B2, B3 = (tl.constexpr(each) for each in _quantile.B)
C0, C1, C2, C3, C4 = (tl.constexpr(each) for each in _quantile.C)
D0, D1, D2, D3 = (tl.constexpr(each) for each in _quantile.D)
L0, L1, L2, L3, L4, L5, L6, L7 = (tl.constexpr(each) for each in _quantile.L)
TAIL, SPLIT, LOG_2 = (tl.constexpr(each) for each in (_quantile.TAIL, _quantile.SPLIT, _quantile.LOG_2))
ONE_BITS, ROOT_HALF_BITS = tl.constexpr(_quantile.ONE_BITS), tl.constexpr(_quantile.ROOT_HALF_BITS)


# Triton compiles anew where an integer is 1, a multiple of 16 or wider than 32 bits. The annotations fix the widths,
# and what is named here is not looked at; `skip` is, because 0 tells that the stores are aligned.
@triton.jit(do_not_specialize=["count", "counter", "k0", "k1", "s0", "s1"])
def fill(  # noqa: PLR0917  a kernel takes what its launch gives
    out: tl.tensor,
    count: tl.int64,
    counter: tl.int64,
    skip: tl.int32,
    k0: tl.uint32,
    k1: tl.uint32,
    s0: tl.uint32,
    s1: tl.uint32,
    numbers: tl.tuple,
    law: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """Write ``count`` values from word ``skip`` of ``counter`` on: a program draws ``block`` counters, four words each."""
    first = tl.program_id(0).to(tl.int64) * block
    words = _words(counter + first + tl.arange(0, block), k0, k1, s0, s1)
    _store(out, first * 4 - skip, count, law(words, numbers))


@triton.jit
def _words(counter: tl.tensor, k0: tl.tensor, k1: tl.tensor, s0: tl.tensor, s1: tl.tensor) -> tl.tensor:
    """The words of each counter, a counter a row."""
    even, below = counter.to(tl.uint32), (counter >> 32).to(tl.uint32)
    odd, under = tl.zeros_like(even) + s0.to(tl.uint32), tl.zeros_like(even) + s1.to(tl.uint32)
    k0, k1 = k0.to(tl.uint32), k1.to(tl.uint32)
    for _ in tl.static_range(ROUNDS):
        # One wide product is one instruction; its two halves taken apart would be two.
        low, high = even.to(tl.uint64) * M0, odd.to(tl.uint64) * M1
        even, odd = (high >> 32).to(tl.uint32) ^ below ^ k0, (low >> 32).to(tl.uint32) ^ under ^ k1
        below, under = high.to(tl.uint32), low.to(tl.uint32)
        k0, k1 = k0 + W0, k1 + W1
    # A thread keeps the four words of its counter side by side: one store, and no exchange between threads.
    return tl.join(tl.join(even, odd), tl.join(below, under)).reshape(even.shape[0], 4)


@triton.jit
def _store(out: tl.tensor, first: tl.tensor, count: tl.tensor, value: tl.tensor) -> None:
    """Rows of four from flat index ``first`` on, where they lie in [0, count)."""
    rows: tl.constexpr = value.shape[0]
    value = _rounded(value, out.dtype.element_ty)
    left = first + 4 * tl.arange(0, rows)[:, None]
    at = left + tl.arange(0, 4)[None, :]
    # A mask that is one for a whole row leaves it one store; only the programs at the ends go on, element by element.
    tl.store(out + at, value, mask=(left >= 0) & (left + 4 <= count))
    if (first < 0) | (first + 4 * rows > count):
        tl.store(out + at, value, mask=(at >= 0) & (at < count))


@triton.jit
def _rounded(value: tl.tensor, dtype: tl.constexpr) -> tl.tensor:
    """The value in the dtype of the destination, rounded to nearest even."""
    if dtype == tl.bfloat16:
        # By integers, because Triton's interpreter would cut the low bits off.
        bits = value.to(tl.float32).to(tl.uint32, bitcast=True)
        bits = (bits + (bits >> 16 & 1) + 0x7FFF) >> 16
        value = bits.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    elif dtype == tl.float16:
        value = value.to(tl.float32).to(tl.float16)
    else:
        value = value.to(dtype)
    return value


@triton.jit
def raw(words: tl.tensor, _: tl.tuple) -> tl.tensor:
    """The words themselves."""
    return words


@triton.jit
def bernoulli(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """In 64 bits: the threshold of a sure event is 2^32."""
    return words.to(tl.int64) < numbers[0]


@triton.jit
def uniform(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """``centre + half * u``."""
    centre, half = numbers
    odd = (words >> 8).to(tl.int32) * 2 + (1 - (1 << 24))
    return odd.to(tl.float32) * 2.0**-24 * half + centre


@triton.jit
def normal(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """``mean + std * z``: the top bit is the sign, the other 31 are the tail probability."""
    mean, std = numbers
    z = _quantile_of(_share(words & 0x7FFFFFFF)).to(tl.uint32, bitcast=True) | (words & 0x80000000)
    return z.to(tl.float32, bitcast=True) * std + mean


@triton.jit
def truncated(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """``clamp(mean + std * z)``, z from the smaller of the two tail probabilities."""
    mean, std, low, high, below, above, mass = numbers
    lower = _share(words) * mass + below
    upper = _share(words ^ 0xFFFFFFFF) * mass + above
    z = _quantile_of(tl.minimum(tl.minimum(lower, upper), 0.5))
    # The sign by its bit: Triton's minus is 0 - z, and loses the sign of a zero.
    z = z.to(tl.uint32, bitcast=True) ^ ((lower < upper).to(tl.uint32) << 31)
    return _clamped(z.to(tl.float32, bitcast=True) * std + mean, low, high)


@triton.jit
def curved_by_share(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """``clamp(edge + step * P(slope * u - 1))``."""
    return _curve(_share(words), numbers)


@triton.jit
def curved_by_log(words: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    """``clamp(edge + step * P(slope * x - 1))``, ``x = -log(rest + share * u)``."""
    rest, share = numbers[4], numbers[5]
    return _curve(_minus_log(_share(words) * share + rest), numbers)


@triton.jit
def _curve(x: tl.tensor, numbers: tl.tuple) -> tl.tensor:
    edge, step, low, high, _, _, slope, coefficients = numbers
    return _clamped(_horner(x * slope - 1.0, coefficients) * step + edge, low, high)


@triton.jit
def _share(words: tl.tensor) -> tl.tensor:
    return (words.to(tl.float32) + 0.5) * 2.0**-32


@triton.jit
def _clamped(x: tl.tensor, low: tl.tensor, high: tl.tensor) -> tl.tensor:
    """As torch's: a NaN stays, and so does a zero of either sign."""
    x = tl.where(x < low, low, x)
    return tl.where(x > high, high, x)


@triton.jit
def _horner(x: tl.tensor, coefficients: tl.tuple) -> tl.tensor:
    """The polynomial from the highest power, each product and each sum rounded by itself."""
    total = x * coefficients[0] + coefficients[1]
    for i in tl.static_range(2, len(coefficients)):
        total = total * x + coefficients[i]
    return total


@triton.jit
def _minus_log(p: tl.tensor) -> tl.tensor:
    """-log p for normal positive p."""
    bits = p.to(tl.int32, bitcast=True) + (ONE_BITS - ROOT_HALF_BITS)
    exponent = ((bits >> 23) - 127).to(tl.float32)
    m = ((bits & 0x7FFFFF) + ROOT_HALF_BITS).to(tl.float32, bitcast=True) - 1.0
    return exponent * -LOG_2 - _horner(m, (L0, L1, L2, L3, L4, L5, L6, L7)) * m


@triton.jit
def _quantile_of(p: tl.tensor) -> tl.tensor:
    """|z| of the lower-tail probability p in (0, 1/2]: both ways for every element, and one division."""
    x = 0.5 - p
    r = SPLIT - x * x
    s = _minus_log(p)
    tail = p < TAIL
    above = tl.where(tail, _horner(s, (C0, C1, C2, C3, C4)), _horner(r, (A0, A1, A2, A3)) * x)
    below = tl.where(tail, _horner(s, (D0, D1, D2, D3)), _horner(r, (B0, B1, B2, B3)))
    return tl.div_rn(above, below)
