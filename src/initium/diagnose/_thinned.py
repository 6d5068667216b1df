"""A gradient that is spread over more places on its way back: less at each, and as much in all."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from initium.network import sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.diagnose._links import Link
    from initium.network import Network

_MATRIX = 2


def thinned(network: Network, chain: Sequence[Link]) -> float:
    """The natural logarithm of what pooling and strides alone take from the rms along a chain, on its way back.

    Formula:
        ``sum log(P_a / P_b) / 2`` over the steps from places to fewer. A matrix that reads all places of a flat image has them
        in its fan_in, which the change of width takes out already.
    """
    given = sizes(network)
    return sum(max(0.0, _step(first, second, given)) for first, second in pairwise(chain))


def _step(first: Link, second: Link, given: dict[str, int]) -> float:
    places = [given.get(link.use.node, 0) / link.units for link in (first, second)]
    if not all(places):
        return 0.0
    flat = second.use.fan_in / first.units if len(second.facts.shape) == _MATRIX else 1.0
    return 0.5 * math.log(places[0] / places[1] / max(flat, 1.0))
