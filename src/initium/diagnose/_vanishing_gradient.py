"""``vanishing-gradient``: the gradient shrinks on its way back, so that the first layers hardly learn.

Theory: crossing a weight and the activation before it multiplies the gradient's second moment by
``fan_out * weight_rms^2 * E[phi'(z)^2]`` (Glorot & Bengio 2010, eq. 6; He et al. 2015, eq. 13). With a gain below critical
the signal falls towards the output while the gradient falls towards the input: the two lines cross like an X, and the
gradient of every *weight* is small by the same factor, so the ratio of weight gradients, the usual test, sees nothing.

Limits: see :mod:`._slopes`; of softmaxes between weights, :mod:`._squashed`.

Not a fault: a zero weight on purpose (a zero head, the last layer of a residual branch, LoRA's B), through which no
gradient passes at the first step; a gradient before a normalisation, whose scale is free; a residual stream; the fall that
widening layers cause by themselves.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(29) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "glorot_normal", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'vanishing-gradient'
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import links, trunks
from initium.diagnose._slopes import falling, finding
from initium.diagnose._squashed import squashed
from initium.diagnose._thinned import thinned
from initium.diagnose._trend import backward
from initium.diagnose._words import TEXTBOOK, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for zeros that keep each other from learning, and for every chain in which the gradient falls."""
    every = links(network, signal)
    stuck = _stuck(every)
    if stuck:
        learning = any(link.row.weight_grad_norm > 0 and not link.facts.frozen for link in every if link.hidden)
        yield _never(stuck, "warning" if learning else "error")
    yield from squashed(every, signal.classes)
    for chain in trunks(network, signal):
        trend = backward(chain)
        severity = falling(trend, thinned(network, trend.chain)) if trend else None
        if trend and severity:
            yield finding("vanishing-gradient", severity, trend, "The gradient falls")


def _stuck(every: tuple[Link, ...]) -> tuple[Link, ...]:
    """Zero weights, one behind the other, in a network of others: each keeps the other's gradient at zero for ever."""
    zero = {link.use.node: link for link in every if link.row.weight_rms == 0 and link.row.weight_grad_norm == 0}
    pairs = [
        (zero[source], link)
        for link in zero.values()
        for source in link.use.sources
        if link.use.sources <= zero.keys() and not (link.facts.frozen or zero[source].facts.frozen)
    ]
    stuck = {link.use.node for pair in pairs for link in pair}
    # Where most are zero it is the whole network's fault: `symmetry` says so. Updates beside weights are no network.
    beside = {link.use.node for _, link in pairs if link.facts.idle}
    told = 2 * len(zero) < len(every) or (bool(pairs) and len(beside) == len({link.use.node for _, link in pairs}))
    return tuple(link for link in every if link.use.node in stuck) if told else ()


def _never(stuck: tuple[Link, ...], severity: Severity) -> Finding:
    return Finding(
        code="vanishing-gradient",
        severity=severity,
        layers=names(stuck),
        message=f"{several(len(stuck), 'weight')} will never learn: zero weights follow each other, first "
        f"`{stuck[0].use.name}` and `{stuck[1].use.name}`.",
        measured=0.0,
        expected=1.0,
        cause="the gradient of the first passes through the second, which is zero; that of the second needs what the first "
        "gives, which is zero too.",
        cure="Draw one of the two at random and leave the other zero (as LoRA does).",
        remedy=TEXTBOOK,
    )
