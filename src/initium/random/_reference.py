"""The reference backend: torch operations, on any device, slow and always there. It defines the bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch

from initium.random import _philox
from initium.random._laws import Bernoulli, Curved, Law, Normal, Truncated, Uniform
from initium.random._quantile import horner, minus_log, quantile
from initium.random._threads import unsplit_if_forked

if TYPE_CHECKING:
    from initium.random._stream import Key

# Elements at a time: the temporaries of one chunk stay near a core and do not grow with the tensor.
CHUNK = 1 << 17
SIGN = -(1 << 31)


class Reference:
    """Stream version 1 by torch operations alone."""

    def words(self, out: torch.Tensor, key: Key, start: int) -> None:
        """The 32-bit words of flat indices start onwards, as int64."""
        with unsplit_if_forked():
            for at in range(0, out.numel(), CHUNK):
                part = out[at : at + CHUNK]
                part.copy_(_philox.words(key, start + at, part.numel(), out.device))

    def fill(self, out: torch.Tensor, key: Key, start: int, law: Law) -> None:
        """Write the values of flat indices start onwards into a contiguous tensor, rounded to its dtype."""
        with torch.no_grad(), unsplit_if_forked():
            flat = out.view(-1)
            for at in range(0, flat.numel(), CHUNK):
                part = flat[at : at + CHUNK]
                part.copy_(values(_philox.words(key, start + at, part.numel(), flat.device), law))


def values(words: torch.Tensor, law: Law) -> torch.Tensor:
    """Words to float32 values (a truth value an element for a Bernoulli law); the words are used up."""
    match law:
        case Uniform(centre, half):
            odd = (words >> 8).mul_(2).add_(1 - (1 << 24)).to(torch.float32)
            return odd.mul_(2.0**-24).mul_(half).add_(centre)
        case Normal(mean, std):
            return _signed(words).mul_(std).add_(mean)
        case Truncated():
            return _truncated(words, law).mul_(law.std).add_(law.mean).clamp_(law.low, law.high)
        case Curved():
            return _curve(words, law).mul_(law.step).add_(law.edge).clamp_(law.low, law.high)
        case Bernoulli(threshold):
            return words < threshold
        case _:
            assert_never(law)


def _signed(words: torch.Tensor) -> torch.Tensor:
    """The z of a whole word: the top bit is the sign, the other 31 are the tail probability."""
    negative = words.to(torch.int32).bitwise_and_(SIGN)
    z = quantile((words & 0x7FFFFFFF).to(torch.float32).add_(0.5).mul_(2.0**-32))
    return z.view(torch.int32).bitwise_or_(negative).view(torch.float32)


def _share(words: torch.Tensor) -> torch.Tensor:
    return words.to(torch.float32).add_(0.5).mul_(2.0**-32)


def _truncated(words: torch.Tensor, law: Truncated) -> torch.Tensor:
    lower = _share(words).mul_(law.mass).add_(law.below)
    upper = _share(words.bitwise_xor(_philox.MASK)).mul_(law.mass).add_(law.above)
    z = quantile(torch.minimum(lower, upper).clamp_(max=0.5))
    return torch.where(lower < upper, -z, z)


def _curve(words: torch.Tensor, law: Curved) -> torch.Tensor:
    x = _share(words)
    if law.by == "log":
        x = minus_log(x.mul_(law.share).add_(law.rest))
    return horner(x.mul_(law.slope).sub_(1.0), law.coefficients)
