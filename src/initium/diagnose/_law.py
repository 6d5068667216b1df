"""The law that a weight's scale obeys, by its name in the field."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.diagnose._links import Link

_SIGMAS = 4.0
_MARGIN = 0.02
_ROUND = (1.0, 0.1, 0.05, 0.02, 0.01, 0.001)


def laws(link: Link) -> Iterator[tuple[str, float]]:
    """The std that each law of the field gives this weight."""
    fan_in, fan_out = link.use.fan_in, link.use.fan_out
    yield "He", math.sqrt(2 / fan_in)
    yield "Glorot", math.sqrt(2 / (fan_in + fan_out))
    yield "LeCun", math.sqrt(1 / fan_in)
    yield "PyTorch's default", math.sqrt(1 / (3 * fan_in))
    yield "He by fan_out", math.sqrt(2 / fan_out)
    yield from ((f"std {std:g} at every width", std) for std in _ROUND)


def law(links: Sequence[Link]) -> str:
    """The one law that every one of these weights obeys within the chance of its draw; empty for none.

    The rms of m draws has a relative standard deviation of at most ``sqrt(2 / (4 m))`` (normal draws; uniform and cut ones
    vary less). Several laws may agree (square layers: Glorot is LeCun): the name that fits all links first wins, Glorot
    before LeCun.
    """
    if not links:
        return ""
    common = set.intersection(*({name for name, std in laws(link) if _obeys(link, std)} for link in links))
    own = links[0].row.weight_rms
    alike = own > 0 and all(_obeys(link, own) for link in links)
    named = next((name for name, _ in laws(links[0]) if name in common), "")
    return named or (f"std {shown(own)} at every width" if alike and len(_widths(links)) > 1 else "")


def _widths(links: Sequence[Link]) -> set[float]:
    return {link.use.fan_in for link in links}


def _obeys(link: Link, std: float) -> bool:
    count = max(1, math.prod(link.facts.shape))
    return abs(link.row.weight_rms / std - 1) <= _MARGIN + _SIGMAS * math.sqrt(1 / (2 * count))
