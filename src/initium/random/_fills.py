"""Independent draws, element by element: normal, uniform, truncated normal, Bernoulli, and the raw words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium import checks
from initium.checks import holds_nothing
from initium.errors import ArgumentError
from initium.random import _door, _truncated
from initium.random._choice import backend_for
from initium.random._fill import fill, remembered
from initium.random._float32 import centred, nearest
from initium.random._laws import Bernoulli, Normal, Uniform
from initium.random._spread import kept
from initium.random._threads import unsplit_if_forked
from initium.random._write import write

if TYPE_CHECKING:
    from typing import SupportsFloat

    from initium.random._fill import Laws
    from initium.random._stream import Stream

# A complex value has two parts: each takes half of the variance.
PART = math.sqrt(0.5)


def normal_(
    out: torch.Tensor, stream: Stream, mean: SupportsFloat = 0.0, std: SupportsFloat = 1.0, start: int = 0
) -> torch.Tensor:
    r"""Fill with independent draws from a normal law.

    ``out[i] = mean + std * z(seed, name, start + i)``, z ~ N(0, 1) and i the flat index in the order of the shape.

    Each value is a function of (seed, name, index) alone: a slice of a fill is the fill of the slice, whatever the
    device, the strides, the dtype (up to rounding) or the number of threads. ``|z|`` is at most 6.34.

    Args:
        out: A floating or complex tensor of any shape, filled in place.
        stream: A named stream.
        mean: The mean.
        std: The standard deviation, >= 0; of a complex z, ``E|z - mean|^2 = std^2``.
        start: The flat index of the first element of ``out`` in the whole that it is a part of.

    Returns:
        ``out``.

    Raises:
        ArgumentError: std < 0 or lost beside the mean, a number that is NaN or infinite, an expanded tensor, an unnamed
            stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, normal_
        >>> stream = Stream(0).child("layers.0.weight")
        >>> normal_(torch.empty(4), stream)
        tensor([-0.6094, -1.2043,  0.2478,  1.8953])
        >>> normal_(torch.empty(2), stream, start=2)
        tensor([0.2478, 1.8953])

    Reference:
        Wichura (1988), Algorithm AS 241, PPND7; Salmon et al. (2011), section 3.3.

    Deviation:
        The tail's square root is fitted away, so that every operation is exact to the bit; largest error 5e-6.
    """
    return fill(out, stream, start, _normal, mean, std)


@remembered
def _normal(parts: bool, mean: SupportsFloat, std: SupportsFloat) -> Laws:  # noqa: FBT001  a key of the cache
    mean, std = checks.finite(mean, "mean"), checks.scale(std, "std")
    part = nearest(std * PART if parts else std)
    law = Normal(nearest(mean), part)
    if std:
        kept(law, f"N({mean!r}, {std!r}^2)")
    return law, Normal(0.0, part) if parts else None


def uniform_(
    out: torch.Tensor, stream: Stream, low: SupportsFloat = 0.0, high: SupportsFloat = 1.0, start: int = 0
) -> torch.Tensor:
    r"""Fill with independent draws from a uniform law.

    ``out[i] = centre + half * u(seed, name, start + i)``, u on the odd multiples of 2^-24 in (-1, 1),
    ``centre = (low + high) / 2``, ``half = (high - low) / 2``. No value leaves [low, high].

    Args:
        out: A floating or complex tensor of any shape, filled in place.
        stream: A named stream.
        low: The lower bound.
        high: The upper bound, >= low.
        start: The flat index of the first element of ``out`` in the whole that it is a part of.

    Returns:
        ``out``.

    Raises:
        ArgumentError: Reversed bounds, or too near to one another for float32, a bound that is NaN or infinite, an
            expanded tensor, an unnamed stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, uniform_
        >>> uniform_(torch.empty(3), Stream(0).child("layers.0.weight"), -1.0, 1.0)
        tensor([ 0.5423,  0.2285, -0.1957])

    Reference:
        Salmon et al. (2011), section 3.3.

    Deviation:
        The interval is closed: rounding (to bfloat16, say) may give ``high`` itself. torch sends such a value to
        ``low``, which shifts the mean. A complex value lies in a square about the centre with
        ``E|z - centre|^2 = (high - low)^2 / 12``, the variance of the real law; torch's has twice that.
    """
    return fill(out, stream, start, _uniform, low, high)


@remembered
def _uniform(parts: bool, low: SupportsFloat, high: SupportsFloat) -> Laws:  # noqa: FBT001  a key of the cache
    low, high = checks.finite(low, "low"), checks.finite(high, "high")
    checks.ordered(low, high)
    centre, half = centred(low, high)
    part = nearest(half * PART) if parts else half
    law = Uniform(centre, part)
    if low < high:
        kept(law, f"U({low!r}, {high!r})")
    return law, Uniform(0.0, part) if parts else None


def trunc_normal_(  # noqa: PLR0917  as normal_ and uniform_: the numbers of the law, then where it starts
    out: torch.Tensor,
    stream: Stream,
    mean: SupportsFloat = 0.0,
    std: SupportsFloat = 1.0,
    low: SupportsFloat = -2.0,
    high: SupportsFloat = 2.0,
    start: int = 0,
) -> torch.Tensor:
    r"""Fill with independent draws from N(mean, std^2) cut to [low, high].

    ``out[i] = mean + std * Phi^-1(Phi(a) + u_i (Phi(b) - Phi(a)))``, ``a = (low - mean) / std``,
    ``b = (high - mean) / std``: one word an element, no rejection, bounds exact, right for an interval in the far
    tail and for a narrow one.

    Args:
        out: A floating or complex tensor of any shape, filled in place.
        stream: A named stream.
        mean: The mean before the cut.
        std: The standard deviation BEFORE the cut, >= 0; ``std_before_truncation`` gives the one for a std after it.
            Where it is 0, every value is ``mean``, or the bound next to it.
        low: The lower bound, in the unit of ``out``; may be ``-inf``.
        high: The upper bound, >= low; may be ``inf``.
        start: The flat index of the first element of ``out`` in the whole that it is a part of.

    Returns:
        ``out``.

    Raises:
        ArgumentError: std < 0, reversed bounds, a spread lost beside the mean, a NaN, an expanded tensor, an unnamed
            stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, trunc_normal_
        >>> x = trunc_normal_(torch.empty(1000), Stream(0).child("layers.0.weight"), low=5.0, high=6.0)
        >>> bool((x >= 5).all() and (x <= 6).all())
        True

    Reference:
        Wichura (1988), Algorithm AS 241, PPND7 (the quantile).

    Deviation:
        Of a complex value, both parts are ``mean + (x - mean) / sqrt(2)`` of a cut x (the imaginary part about 0),
        so that the bounds hold for ``sqrt(2)`` times a part.
    """
    return fill(out, stream, start, _cut, mean, std, low, high)


@remembered
def _cut(parts: bool, mean: SupportsFloat, std: SupportsFloat, low: SupportsFloat, high: SupportsFloat) -> Laws:  # noqa: FBT001  a key of the cache
    low, high = checks.number(low, "low"), checks.number(high, "high")
    mean, std = checks.finite(mean, "mean"), checks.scale(std, "std")
    checks.ordered(low, high)
    if low == math.inf or high == -math.inf:
        raise ArgumentError(f"nothing lies between {low!r} and {high!r}.")
    part = PART if parts else 1.0
    below, above = (low - mean) * part, (high - mean) * part
    first, last = (mean + below, mean + above) if parts else (low, high)
    law = _truncated.law(mean, std * part, first, last)
    if std and low < high:
        kept(law, f"N({mean!r}, {std!r}^2) cut to [{low!r}, {high!r}]")
    return law, _truncated.law(0.0, std * part, below, above) if parts else None


def bernoulli_(out: torch.Tensor, stream: Stream, p: SupportsFloat = 0.5, start: int = 0) -> torch.Tensor:
    r"""Fill with ones (probability p) and zeros, independent of one another.

    ``out[i] = 1 if word(seed, name, start + i) < p * 2^32 else 0``; p is rounded to a multiple of 2^-32.

    Args:
        out: A tensor of truth values, floating or complex numbers, of any shape, filled in place.
        stream: A named stream.
        p: The probability of a one, in [0, 1].
        start: The flat index of the first element of ``out`` in the whole that it is a part of.

    Returns:
        ``out``.

    Raises:
        ArgumentError: p outside [0, 1], an expanded tensor, an unnamed stream.
        ArgumentTypeError: ``out`` holds integers, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, bernoulli_
        >>> bernoulli_(torch.empty(4, dtype=torch.bool), Stream(0).child("mask"), 0.0)
        tensor([False, False, False, False])
    """
    out, stream = checks.destination(out, truth=True), _door.named(stream)
    p = checks.number(p, "p")
    if not 0 <= p <= 1:
        raise ArgumentError(f"p is a probability in [0, 1]; got {p!r}.")
    return write(out, stream, _door.index(start, out.numel()), Bernoulli(round(p * (1 << 32))))


def bits(stream: Stream, count: int, start: int = 0, *, device: torch.device | str = "cpu") -> torch.Tensor:
    r"""The raw 32-bit words of a stream.

    Word i is word ``i & 3`` of ``Philox4x32-10(counter=i >> 2)`` under the stream's key.

    Args:
        stream: A named stream.
        count: How many.
        start: The index of the first.
        device: Where to.

    Returns:
        An int64 tensor of shape (count,) with values in [0, 2^32).

    Raises:
        ArgumentError: A negative count or start, an unnamed stream, or a device that is not there.
        ArgumentTypeError: ``stream`` is no stream, or a count is no integer.

    Example:
        >>> from initium.random import Stream, bits
        >>> [f"{word:08x}" for word in bits(Stream(0).child("layers.0.weight"), 2).tolist()]
        ['c568fabf', '9d3edd9d']

    Reference:
        Salmon et al. (2011), section 3.3.
    """
    key, count = _door.named(stream).key, checks.integer(count, "count", least=0)
    start, place = _door.index(start, count), _door.place(device)
    out = torch.empty(count, dtype=torch.int64, device=place)
    if not holds_nothing(out):
        backend_for(out).words(out, key, start)
    return out


def permutation(n: int, stream: Stream, *, device: torch.device | str = "cpu") -> torch.Tensor:
    r"""A random order of 0 to n - 1, all orders equally likely.

    The stable sort of the stream's first n words: ``argsort(word(0), ..., word(n - 1))``.

    Args:
        n: How many.
        stream: A named stream.
        device: Where to.

    Returns:
        An int64 tensor of shape (n,).

    Raises:
        ArgumentError: A negative n, an unnamed stream, or a device that is not there.
        ArgumentTypeError: ``stream`` is no stream, or n is no integer.

    Example:
        >>> from initium.random import Stream, permutation
        >>> permutation(5, Stream(0).child("order")).sort().values
        tensor([0, 1, 2, 3, 4])

    Deviation:
        Two equal words keep their order: of n elements about ``n^2 / 2^33`` pairs do.
    """
    ranks = bits(stream, checks.integer(n, "n", least=0), device=device)
    with unsplit_if_forked():
        return torch.argsort(ranks, stable=True)
