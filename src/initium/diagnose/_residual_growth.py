r"""``residual-growth``: a residual stream that nothing normalises grows with every branch that is added to it.

Theory: where no norm stands, a branch gives a fixed share ``s`` of the stream that it reads, and both are independent at the start,
so that each block multiplies the stream's variance by ``alpha^2 + s^2``: by 2 at unit gain, by 2^L in all (Zhang, Dauphin & Ma
2019, section 2; De & Smith 2020, section 3). Branches that begin at ``s = 1 / sqrt(L)`` make it ``(1 + 1 / L)^L < e``. What the branches
give grows as the stream does, and is measured at their last weights.

Limits: the largest output of a branch against that of the first branch, constant factors taken in, over at least four branches of
one stream in which no norm stands and no learned factor. Beyond 10 an info. Beyond 100, at which one step of a usual size
overshoots (:mod:`._slopes`), a warning: of the library models at their own start none is beyond. Beyond 1000 an error, as for any
signal whose slope nobody predicts (:mod:`._beyond`).

Not a fault: branches that begin or end with a norm, post-norm streams, learned factors (LayerScale, ReZero, SkipInit); branches
that are small or zero at the start.

Example:
    >>> import torch, initium
    >>> class Stream(torch.nn.Module):
    ...     def __init__(self, scale):
    ...         super().__init__()
    ...         self.blocks = torch.nn.ModuleList(torch.nn.Linear(64, 64) for _ in range(40))
    ...         self.scale = scale
    ...
    ...     def forward(self, x):
    ...         for block in self.blocks:
    ...             x = x + self.scale * block(x).relu()
    ...         return x
    >>> model, batch = Stream(1.0), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'residual-growth'
    >>> model.scale = 40**-0.5
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import links
from initium.diagnose._words import names
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network, Residual
    from initium.records import Severity, Signal

_FEWEST = 4
_WORTH_SAYING, _WARNING, _ERROR = 10.0, 1e2, 1e3


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for every stream that grows."""
    streams: dict[int, dict[int, list[Link]]] = defaultdict(lambda: defaultdict(list))
    for link in links(network, signal):
        place = link.use.residual
        if place is not None and place.stream is not None and place.place == "last":
            streams[place.stream.number][place.index].append(link)
    for branches in streams.values():
        every = [branches[index] for index in sorted(branches)]
        if len(every) >= _FEWEST and all(_bare(link) for branch in every for link in branch):
            yield from _judged(every)


def _bare(link: Link) -> bool:
    """No norm, no learned factor, and a number that can be judged."""
    place = link.use.residual
    return place is not None and not _scaled(place) and link.row.finite and not link.use.normalised


def _scaled(place: Residual) -> bool:
    norms = place.norm_first or place.norm_last or place.norm_after or place.norm_before_last
    return norms or bool(place.multipliers) or place.alpha is None


def _judged(every: list[list[Link]]) -> Iterator[Finding]:
    sizes = [_size(branch) for branch in every]
    first = next((place for place, size in enumerate(sizes) if size > 0), len(sizes))
    peak = max(range(len(sizes)), key=sizes.__getitem__)
    steps = peak - first
    if steps < _FEWEST - 1 or sizes[peak] < _WORTH_SAYING * sizes[first]:
        return
    total = sizes[peak] / sizes[first]
    severity: Severity = "error" if total >= _ERROR else "warning" if total >= _WARNING else "info"
    lasts = tuple(link for branch in every for link in branch)
    count, step = len(every), math.exp(math.log(total) / steps)
    yield Finding(
        code="residual-growth",
        severity=severity,
        layers=names(lasts),
        message=f"The residual stream grows: its {count} branches give std {shown(sizes[first])} at `{every[first][0].use.name}` and "
        f"{shown(sizes[peak])} at `{every[peak][0].use.name}`, {shown(total)} times as much, {shown(step)} a block.",
        measured=total,
        expected=1.0,
        cause=f"no norm stands on the stream or in its branches, and each adds a share of its own: a block multiplies the variance by "
        f"{shown(step**2)}, where 1 + 1 / {count} = {shown(1 + 1 / count)} would keep it below e in all.",
        cure=f"Multiply the last weight of each branch by 1 / sqrt({count}), or start it at zero; or normalise what a branch reads.",
        remedy=Code('initium.lsuv(model, batch, branches="balanced")'),
    )


def _size(branch: list[Link]) -> float:
    """The std of what a branch adds; several weights that end it are independent."""
    return math.hypot(*(link.row.out_std * _factor(link) for link in branch))


def _factor(link: Link) -> float:
    place = link.use.residual
    return abs(place.factor) if place else 1.0
