"""``exploding-signal``: activations grow with depth, or one weight alone blows them up.

Theory: a layer multiplies the second moment by ``fan_in * weight_rms^2 * E[phi(z)^2]``; what is left at the end is the
logits, which make the loss and every gradient large.

Limits: over a chain see :mod:`._slopes`. One weight alone: no law of the field gives a gain above ``sqrt(fan_in)`` (a std of
1); a gain a hundred times that is memory that nobody initialised, or a mistake of units; so in a matrix that meets the data as it is.

Not a fault: large values that the data brought; the scale before a normalisation.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(29) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "normal(1.0)", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'exploding-signal'
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import shown
from initium.diagnose._links import chains, links
from initium.diagnose._slopes import finding, rising
from initium.diagnose._trend import level
from initium.diagnose._words import TEXTBOOK
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_LARGEST_STD = 100.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for every weight that is out of all bounds, else for every chain in which the signal grows."""
    wild = [
        link for link in links(network, signal) if _LARGEST_STD < link.row.weight_rms < math.inf and _multiplies(link)
    ]
    for link in wild[:1]:
        yield _alone(link, len(wild))
    for chain in chains(network, signal) if not wild else ():
        trend = level(chain)
        severity = rising(trend) if trend else None
        if trend and severity:
            yield finding("exploding-signal", severity, trend, "The signal grows")


def _multiplies(link: Link) -> bool:
    """A matrix that meets the data as it is: frequencies, and weights that a number of the program makes small, have a measure of their own."""
    return link.use.direct and not link.facts.computed_by and sum(size > 1 for size in link.facts.shape) > 1


def _alone(link: Link, count: int) -> Finding:
    others = f" (and {count - 1} more like it)" if count > 1 else ""
    return Finding(
        code="exploding-signal",
        severity="error",
        layers=(link.use.name,),
        message=f"`{link.use.name}`{others} holds values of size {shown(link.row.weight_rms)}.",
        measured=link.row.weight_rms,
        expected=1 / math.sqrt(link.use.fan_in),
        cause="no law gives a weight such values: memory that was never initialised (torch.empty), or a mistake of units.",
        cure="Initialise the weight.",
        remedy=TEXTBOOK,
    )
