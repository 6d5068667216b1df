"""``vanishing-gradient``: the gradient shrinks on its way back, so that the first layers hardly learn.

Theory: crossing a weight and the activation before it multiplies the gradient's second moment by
``fan_out * weight_rms^2 * E[phi'(z)^2]`` (Glorot & Bengio 2010, eq. 6; He et al. 2015, eq. 13). With a gain below critical
the signal falls towards the output while the gradient falls towards the input: the two lines cross like an X, and the
gradient of every *weight* is small by the same factor, so the ratio of weight gradients, the usual test, sees nothing.

Limits: see :mod:`._slopes`; of softmaxes between weights, :mod:`._squashed`. Zeros that multiply each other (two weights, a weight and the
scale of its branch, queries and keys), both with a gradient of zero, are an error, or a warning where others learn. A recurrent layer
without gates that forgets half of its steps (:mod:`._gates`), or a weight that reads by an activation alone what it gave the step before, eight
times or more, with no gradient beyond float32's eps of the last at the first half of its uses, is a warning.

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
from initium.diagnose._gates import forgetful
from initium.diagnose._links import behind, links, readers, trunks
from initium.diagnose._slopes import falling, finding
from initium.diagnose._squashed import squashed
from initium.diagnose._thinned import thinned
from initium.diagnose._times_zero import zero_by_zero
from initium.diagnose._trend import backward
from initium.diagnose._unrolled import unrolled
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
    stuck = _stuck(every) or _meeting(every, readers(network), signal)
    if stuck:
        learning = any(link.row.weight_grad_norm > 0 and not link.facts.frozen for link in every if link.hidden)
        yield _never(stuck, "warning" if learning else "error")
    yield from zero_by_zero(network, signal)
    yield from forgetful(network, signal)
    yield from unrolled(network, signal)
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


def _meeting(every: tuple[Link, ...], readers_of: dict[str, set[str]], signal: Signal) -> tuple[Link, ...]:
    """Zero weights whose gradient is zero and will be, since no zero behind them moves: they meet in a product, as queries and keys do."""
    zero = [link for link in every if _still_zero(link) and link.use.name not in signal.unreached]
    gated = any(link.use.residual is not None and link.use.residual.silencers for link in every)
    if gated or 2 * len(zero) > len(every) or not any(link.row.weight_grad_norm > 0 for link in every):
        return ()
    moving = {link.use.node for link in every if link.zeroed and link.row.weight_grad_norm > 0}
    still = tuple(link for link in zero if moving.isdisjoint(behind([link.use.node], readers_of)))
    return still if len({link.use.name for link in still}) > 1 else ()


def _still_zero(link: Link) -> bool:
    judged = (
        link.plain and link.use.layout not in {"lookup", "added"} and bool(link.use.sources) and not link.facts.frozen
    )
    return judged and link.row.finite and link.row.weight_rms == 0 and link.row.weight_grad_norm == 0


def _never(stuck: tuple[Link, ...], severity: Severity) -> Finding:
    return Finding(
        code="vanishing-gradient",
        severity=severity,
        layers=names(stuck),
        message=f"{several(len(stuck), 'weight')} will never learn: zero weights multiply each other, first "
        f"`{stuck[0].use.name}` and `{stuck[1].use.name}`.",
        measured=0.0,
        expected=1.0,
        cause="one stands behind the other, or they meet in a product (queries by keys): the gradient of either needs what the other gives, which is "
        "zero.",
        cure="Draw one of the two at random and leave the other zero (as LoRA does).",
        remedy=TEXTBOOK,
    )
