"""``gain-mismatch``: a law for one activation before another: Glorot before ReLU, He before tanh, one std for every width.

Theory: a weight before an activation keeps the second moment of a signal of unit variance if its gain, ``weight_rms *
sqrt(fan_in)``, is ``1 / sqrt(E[phi(z)^2])``, and that of a small signal at ``1 / sqrt(E[phi'(0)^2])``: both sqrt(2) for ReLU
(He et al. 2015, eq. 10), 1.59 and 1 for tanh. Anything between is right. What a wrong one does to a layer is
``gain * sqrt(E[phi'(z)^2])`` at the size of its inputs; over depth these multiply, so the depth decides what it is worth.

Limits: the product over a chain; such chains hold most of the network's weights, alone, or together where each begins at the input (two towers). Below 3 nothing is said (pooling, the choice between fan_in and fan_out do as much); from 3
an info; a warning from 100, or from 10 where the typical gain is none that a law of the field gives (PyTorch's default,
0.58, to He's, 1.41), and only if at least half of the logarithm is measured. Where the loss begins 2 nats above guessing and half of
the weights, the answer's too, have more than twice He's gain, a warning however few they are.

Not a fault: any scale before a normalisation or inside the blocks of a normalised network; a weight that is computed from others;
sigmoid, whose right gain is no cure (see ``vanishing-gradient``).

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(15) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "glorot_normal", seed=0)
    >>> "gain-mismatch" in {finding.code for finding in initium.diagnose(model, batch).findings}
    True
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).findings
    ()
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from initium.diagnose._expected import around, centred, needed
from initium.diagnose._figures import several, shown, titled
from initium.diagnose._law import law
from initium.diagnose._links import chains, links
from initium.diagnose._place import CENTRED, off_centre, uncentred
from initium.diagnose._words import TEXTBOOK, gain_of, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal

_WORTH_SAYING, _WORTH_CURING, _GRAVE = math.log(3.0), math.log(10.0), math.log(100.0)
_ROUNDING, _HALF = 0.05, 0.5
# PyTorch's default and He's: no law of the field lies outside.
_LOWEST, _HIGHEST = 1 / math.sqrt(3), math.sqrt(2)
_SIGMAS = 4.0
# What a score of variance 4 costs above guessing, as for `output-prior`; and how many times the largest gain of a law no law comes near.
_NATS, _LAWLESS = 2.0, 2.0


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for every chain whose weights have another gain than their activations need."""
    most = len({link.use.name for link in links(network, signal) if link.hidden}) / 2
    found = [(chain, tuple(filter(_wrong, chain))) for chain in chains(network, signal)]
    told = [(chain, wrong, sum(map(_effect, wrong))) for chain, wrong in found if len(wrong) > 1]
    told = [each for each in told if abs(each[-1]) > _WORTH_SAYING]
    towers = sum(len(wrong) for chain, wrong, _ in told if chain[0].use.before.kind == "input")
    graves = False
    for chain, wrong, total in told:  # most of the weights are in one chain, or side by side in towers on the input
        if len(wrong) > most or (towers > most and chain[0].use.before.kind == "input"):
            severity = _severity(wrong, total) if _seen(chain, wrong, total) else "info"
            graves = graves or severity != "info"
            yield _finding(wrong, total, severity)
    blown = () if graves else blown_up(network, signal)
    if blown:
        yield _finding(blown, sum(map(_effect, blown)), "warning")


def blown_up(network: Network, signal: Signal) -> tuple[Link, ...]:
    """The weights of no law that make a classifier's scores too large to begin with, however few they are."""
    if not (signal.classes and signal.loss is not None and signal.loss > math.log(signal.classes) + _NATS):
        return ()
    every = [link for link in links(network, signal) if link.plain and link.row.finite and not link.use.normalised]
    wild = tuple(link for link in every if 0 < _LAWLESS * _HIGHEST < link.gain < math.inf)
    hidden = any(link.hidden for link in wild)  # of an answer's weight alone `output-prior` says all
    return wild if hidden and 2 * len(wild) >= len(every) else ()


def _wrong(link: Link) -> bool:
    """The gain is not the right one, by more than the draw of the weight explains."""
    judged = link.plain and link.row.finite and link.use.after.kind == "activation" and not link.use.normalised
    band = needed(link.use.after) if judged and centred(link.use.after) else None
    chance = max(_ROUNDING, _SIGMAS / math.sqrt(2 * math.prod(link.facts.shape)))
    return band is not None and not math.log(band[0]) - chance <= math.log(link.gain) <= math.log(band[1]) + chance


def _effect(link: Link) -> float:
    """The logarithm of what the layer does to the signal: to first order, with its inputs as large as they are."""
    at = around(link.use.after, link.row.out_rms)
    slope = at.slope_second if at and at.slope_second > 0 else 1.0
    return math.log(link.gain) + 0.5 * math.log(slope)


def _seen(chain: tuple[Link, ...], wrong: tuple[Link, ...], total: float) -> bool:
    """At least half of it, in logarithms, is measured from the chain's first link to its last: the first's own weight lies before that."""
    total *= (len(wrong) - (wrong[0] is chain[0])) / len(wrong)
    figures = [link.row.out_std if total > 0 else link.row.unit_std for link in (chain[0], chain[-1])]
    if not all(0 < figure < math.inf for figure in figures):
        return figures[0] > 0
    return math.log(figures[1] / figures[0]) / total >= _HALF


def _severity(wrong: tuple[Link, ...], total: float) -> Severity:
    gain = median(link.gain for link in wrong)
    lawless = not _LOWEST * (1 - _ROUNDING) <= gain <= _HIGHEST * (1 + _ROUNDING)
    return "warning" if abs(total) > (_WORTH_CURING if lawless else _GRAVE) else "info"


def _finding(wrong: tuple[Link, ...], total: float, severity: Severity) -> Finding:
    low, high = needed(wrong[0].use.after) or (1.0, 1.0)
    gain = median(link.gain for link in wrong)
    right = low if gain < low else high
    after, name = titled(wrong[0].use.after.text), law(wrong)
    odd = next(filter(uncentred, wrong), None)
    return Finding(
        code="gain-mismatch",
        severity=severity,
        layers=names(wrong),
        message=f"{name + ' before ' if name else 'A wrong gain before '}{after}: gain {shown(gain)} where {after} needs "
        f"{shown(right)}, in {several(len(wrong))}; together they multiply a small difference between "
        f"two inputs by about {shown(math.exp(min(total, 700.0)))}.",
        measured=gain,
        expected=right,
        cause=(
            f"{off_centre(odd)}."
            if odd
            else f"the weights follow {name or 'no law for this activation'} (weight_rms * sqrt(fan_in) = {shown(gain)}); "
            f"a gain of {shown(right)} keeps the signal through {after}."
        ),
        cure=CENTRED if odd else gain_of(wrong[0].use.after),
        remedy=TEXTBOOK,
    )
