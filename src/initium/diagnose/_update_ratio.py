"""``update-ratio``: at one learning rate some weights turn orders of magnitude faster than others.

Theory: a step of gradient descent changes a weight by the share ``lr * |g| / |w|`` of its size (You, Gitman & Ginsburg 2017,
section 4); the rate itself is the same for all, so the spread of ``|g| / |w|`` needs none. Where the fastest weight takes a tenth of its
size in a step, more than which overshoots, the slowest takes ``10^-(1 + d)``, ``d`` decades behind.

Limits: between the first and the last decile of the weights, at least eight. From 3 decades, a thousand steps of the one for one of
the other (:mod:`._slopes`), an info. From 4 decades a warning: in 10,000 steps of ``10^-5`` the slow weight turns by a tenth, and stays what
it was drawn as; so where two answers of one network are so far apart (losses of unlike weights). Optimizers that divide by the gradient's size (Adam, LAMB) even it out.

Not a fault: what is not judged, weights with no gradient at step one (zero heads, zero branches); gated or scaled branches, queries and
keys, whose gradient is small by design; tables; what is computed from others; what only scaled branches read (a branch within
a branch).

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(12) for part in (torch.nn.Linear(64, 64), torch.nn.Sigmoid())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "glorot_normal", seed=0)
    >>> "update-ratio" in {each.code for each in initium.diagnose(model, batch).findings}
    True
    >>> _ = initium.initialize(model, batch, "auto", seed=0)
    >>> "update-ratio" in {each.code for each in initium.diagnose(model, batch).findings}
    False
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import links, readers
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_FEWEST, _TENTH = 8, 10
_WORTH_SAYING = 3.0
_STILL = 4.0
_SMALL = frozenset({"q", "k", "kv"})


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """At most one finding of the whole network, and one of its answers."""
    every = links(network, signal)
    scaled = _scaled(network, every)
    ratios = {link.use.name: (_ratio(link), link) for link in every if _judged(link) and link.use.node not in scaled}
    ranked = sorted(ratios.values(), key=lambda each: each[0])
    yield from _answers(every)
    if len(ranked) < _FEWEST:
        return
    tail = len(ranked) // _TENTH
    (low, slow), (high, fast) = ranked[tail], ranked[-1 - tail]
    decades = math.log10(high / low)
    if decades < _WORTH_SAYING:
        return
    yield Finding(
        code="update-ratio",
        severity="warning" if decades >= _STILL else "info",
        layers=(slow.use.name, fast.use.name),
        message=f"One learning rate is {shown(high / low)} times as much for `{fast.use.name}` as for `{slow.use.name}`: |gradient| / "
        f"|weight| spans {shown(decades)} decades over {len(ranked)} weights, outliers left out.",
        measured=decades,
        expected=0.0,
        cause=f"it is {shown(high)} at `{fast.use.name}` (weight rms {shown(fast.row.weight_rms)}) and {shown(low)} at "
        f"`{slow.use.name}` (weight rms {shown(slow.row.weight_rms)}).",
        cure="Rescale the weights so that they learn at one pace (scheme auto), or use an optimizer that divides by the gradient's size.",
    )


def _answers(every: tuple[Link, ...]) -> Iterator[Finding]:
    heads = [(_ratio(link), link) for link in every if link.use.head and link.plain and _learns(link)]
    if len({link.use.name for _, link in heads}) <= 1:
        return
    (low, slow), (high, fast) = (choose(heads, key=lambda each: each[0]) for choose in (min, max))
    if math.log10(high / low) >= _STILL:
        yield Finding(
            code="update-ratio",
            severity="warning",
            layers=(slow.use.name, fast.use.name),
            message=f"Of the answers `{fast.use.name}` learns {shown(high / low)} times as fast as `{slow.use.name}`: |gradient| / |weight| is {shown(high)} "
            f"and {shown(low)}.",
            measured=math.log10(high / low),
            expected=0.0,
            cause=f"the loss of one is {shown(high / low)} times as steep as that of the other, which hardly has a part in what is learned.",
            cure="Weight the losses so that their gradients are of one size; standardise the targets of each.",
        )


def _ratio(link: Link) -> float:
    return link.row.weight_grad_norm / (link.row.weight_rms * math.sqrt(math.prod(link.facts.shape)))


def _learns(link: Link) -> bool:
    row = link.row
    return row.finite and row.weight_grad_norm > 0 and row.weight_rms > 0 and not link.facts.frozen


def _judged(link: Link) -> bool:
    small = any(role in _SMALL for role, _ in link.use.attention)
    return _learns(link) and link.plain and link.hidden and not small


def _scaled(network: Network, every: tuple[Link, ...]) -> set[str]:
    """The uses whose gradient comes by way of a learned factor alone: in a scaled branch, or read by nothing but such uses."""
    readers_of, found = readers(network), set[str]()
    for link in reversed(every):  # what reads a use runs after it
        place = link.use.residual
        branch = place is not None and place.in_branch
        own = place is not None and bool(place.multipliers or place.silencers)
        behind = readers_of[link.use.node]
        if branch and (own or (behind and behind <= found)):
            found.add(link.use.node)
    return found
