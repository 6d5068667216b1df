"""``haphazard-under-norm``: normalisation hides weights of any size; training feels it all the same.

Theory: before a normalisation a weight's scale is free in the forward pass, but the gradient is divided by it and a step
changes the direction of the weight by ``lr * |g| / |w|``, that is by ``1 / |w|^2`` of what it would be (van Laarhoven 2017,
on the effective learning rate): a weight ten times too large learns a hundred times too slowly, and one far too small is thrown about. Where the
variance falls below the norm's eps, the norm no longer normalises, and the network vanishes after all.

The same holds of the branches behind a norm (pre-norm transformers), whose stream the next norm divides again.

Limits: a gain more than 5 times outside of what He, Glorot, LeCun, PyTorch's default, their fan_out forms and the
language models' std of 0.02 span for its fans, in at least three layers (two, where there are no more than three) and in half of those that norms
hide: a warning, and so is a mean larger than the std in half of the weights before norms; an
error where the weights turn at less than a thousandth of the usual pace (:mod:`._slopes` for the measure). A signal under a
tenth of ``sqrt(eps)`` (eps 1e-5, torch's default) before the norm in half of them is an error: less than a tenth is passed on.

Not a fault: one small layer (a 0.02 before a LayerNorm), a zero weight, a weight that is computed from others.

Example:
    >>> import torch, initium
    >>> parts = (lambda: torch.nn.Linear(64, 64), lambda: torch.nn.BatchNorm1d(64), torch.nn.ReLU)
    >>> layers = [part() for _ in range(8) for part in parts]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "normal(1.0)", seed=0)
    >>> initium.diagnose(model, batch).findings[0].code
    'haphazard-under-norm'
    >>> _ = initium.initialize(model, batch, "textbook", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._links import chains, links
from initium.diagnose._words import TEXTBOOK, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_FACTOR = 5.0
_FEWEST = 3
_EPS = 1e-5
_LANGUAGE_MODEL = 0.02
_STALLED = 1e-3


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all the weights that a normalisation hides."""
    every = [link for link in links(network, signal) if _drawn(link)]
    before = [link for link in every if link.use.normalised]
    lost = tuple(link for link in before if link.row.unit_std < math.sqrt(_EPS) / 10)
    hidden = _hidden(every, {link.use.node for chain in chains(network, signal) if len(chain) > 2 for link in chain})  # noqa: PLR2004
    odd = tuple(link for link in hidden if _beside(link) > math.log(_FACTOR))
    leaning = tuple(link for link in before if _leans(link))
    if len(lost) >= _FEWEST and 2 * len(lost) >= len(before):
        unnormalised = any(row.untrained for row in signal.norms)  # in eval mode, with statistics of nothing
        yield replace(_under_eps(lost), part_of="degenerate-batchnorm" if unnormalised else "")
    elif _many(odd, hidden):
        yield _far_off(odd, len(hidden))
    elif leaning and 2 * len(leaning) >= len(before):
        yield _leaning(leaning, len(before))


def _drawn(link: Link) -> bool:
    return link.plain and link.hidden and link.row.weight_rms > 0 and link.row.out_rms > 0


def _hidden(every: list[Link], judged: set[str]) -> list[Link]:
    """The weights before a norm; with those of the branches behind one, where norms rule all that no slope judges."""
    beside = [link for link in every if link.use.normalised or link.use.node not in judged]
    ruled = [link for link in beside if link.use.normalised or link.use.before.kind == "norm"]
    return beside if 2 * len(ruled) >= len(beside) else [link for link in beside if link.use.normalised]


def _many(odd: tuple[Link, ...], hidden: Sequence[Link]) -> bool:
    """Half of them, and three at least; or two where there are no more than three."""
    return 2 * len(odd) >= len(hidden) and len(odd) >= (_FEWEST if len(hidden) > _FEWEST else _FEWEST - 1)


def _leans(link: Link) -> bool:
    """Most of the weight is one value for all inputs: its mean is larger than its std, and units by the dozen see one sum."""
    row, shape = link.row, link.facts.shape
    mixes = len(shape) > 1 and min(shape[:2]) > 1
    return mixes and row.finite and 0 < row.weight_std < row.weight_rms / math.sqrt(2)


def _span(link: Link) -> tuple[float, float]:
    """The smallest and the largest gain that a law of the field gives."""
    ratio = link.use.fan_in / link.use.fan_out
    language_model = _LANGUAGE_MODEL * math.sqrt(link.use.fan_in)
    gains = (1 / math.sqrt(3), math.sqrt(2), math.sqrt(2 * ratio), math.sqrt(ratio / 3), language_model)
    return min(gains), max(gains)


def _beside(link: Link) -> float:
    """How far the gain lies outside of that span, in natural logarithms."""
    low, high = _span(link)
    return max(math.log(low / link.gain), math.log(link.gain / high)) if link.row.finite else 0.0


def _far_off(odd: tuple[Link, ...], count: int) -> Finding:
    worst, gains = max(odd, key=_beside), sorted(link.gain for link in odd)
    low, high = (median(bounds) for bounds in zip(*map(_span, odd), strict=True))
    gain = (
        worst.gain if gains[0] < low and gains[-1] > high else median(gains)
    )  # the too small and the too large have no middle
    nearest = high if gain > high else low
    pace = (nearest / gain) ** 2
    return Finding(
        code="haphazard-under-norm",
        severity="error" if pace < _STALLED else "warning",
        layers=names(odd),
        message=f"Normalisation hides weights of haphazard size in {several(len(odd))} of {count}: their gains are "
        f"{shown(gains[0])} to {shown(gains[-1])}, where the laws of the field give {shown(low)} to {shown(high)}; the furthest off is "
        f"`{worst.use.name}` with {shown(worst.gain)}.",
        measured=gain,
        expected=nearest,
        cause=f"the forward pass does not show it, but at one learning rate a weight of this size turns at {shown(pace)} "
        f"times the pace of one of gain {shown(nearest)} (1 / |w|^2).",
        cure="Initialise by a law all the same: normalisation is no substitute.",
        remedy=TEXTBOOK,
    )


def _leaning(found: tuple[Link, ...], count: int) -> Finding:
    worst = min(found, key=lambda link: link.row.weight_std / link.row.weight_rms)
    mean = math.sqrt(worst.row.weight_rms**2 - worst.row.weight_std**2)
    return Finding(
        code="haphazard-under-norm",
        severity="warning",
        layers=names(found),
        message=f"Normalisation hides weights whose mean is larger than their std in {several(len(found))} of {count}: `{worst.use.name}` has "
        f"mean {shown(mean)} and std {shown(worst.row.weight_std)}.",
        measured=mean / worst.row.weight_std,
        expected=0.0,
        cause="every unit sees nearly the same one sum of its inputs (weights of one sign, as uniform(0, 1) gives); the norm takes its size away, and "
        "leaves units that are copies of each other.",
        cure="Draw the weights around zero: uniform(-b, b), normal(0, std).",
        remedy=TEXTBOOK,
    )


def _under_eps(lost: tuple[Link, ...]) -> Finding:
    size, gain = median(link.row.unit_std for link in lost), median(link.gain for link in lost)
    small = gain < median(_span(link)[0] for link in lost)
    return Finding(
        code="haphazard-under-norm",
        severity="error",
        layers=names(lost),
        message=f"The signal before the normalisation has std {shown(size)} in {several(len(lost))}, from "
        f"`{lost[0].use.name}` on: under the norm's eps (1e-5 in the variance), so that it does not normalise.",
        measured=size,
        expected=math.sqrt(_EPS),
        cause=f"the weights are too small: median gain {shown(gain)}."
        if small
        else f"what these weights read is that small, not they (median gain {shown(gain)}): a scale or a weight before them.",
        cure="Give the weights their usual size."
        if small
        else "Start the scales of normalisations at 1; look before these layers.",
        remedy=TEXTBOOK,
    )
