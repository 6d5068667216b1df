"""What a network at the critical gain may do to its signal by the chance of its draw alone.

At width n one layer multiplies the squared norm of a signal by a mean of n independent terms. Before ReLU each term has
relative variance E[phi^4] / E[phi^2]^2 - 1 = 5 (2 with no activation; smooth activations lie between). The logarithm of
the norm therefore walks, by ``-5 / (4 n)`` a layer on average and with variance ``5 / (4 n)`` (Hanin & Nica 2020, theorem
1: a sum of 1/n over the layers rules the fluctuations). Besides, the cosine of two samples tends to 1 as
``1 - 9 pi^2 / (2 l^2)`` before ReLU, so that what depends on the input shrinks as ``1 / (1 + l / (3 pi / sqrt 2))``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.diagnose._links import Link

_SPREAD = 5.0
_SIGMAS = 4.0
_FORGETTING = 3 * math.pi / math.sqrt(2)


def walk(chain: Sequence[Link]) -> float:
    """The largest fall or rise, in natural logarithms of the rms, that 4 standard deviations of chance allow."""
    variance = sum(_SPREAD / (4 * link.use.fan_in) for link in chain[1:])
    return variance + _SIGMAS * math.sqrt(variance)


def forgetting(depth: int) -> float:
    """The natural logarithm by which the part that depends on the input falls in a critical ReLU network."""
    return math.log1p(depth / _FORGETTING)


def difference(depth: int) -> float:
    """1 less the cosine of two samples that had nothing in common, behind a critical ReLU network of this depth."""
    return math.exp(-2 * forgetting(depth))


def step(link: Link) -> float:
    """The same as :func:`walk` for one layer."""
    return walk((link, link))
