"""``vanishing-signal``: what depends on the input shrinks with depth, until the network answers the same to everything.

Theory: a small difference between two inputs is multiplied at each layer by ``fan_in * weight_rms^2 * E[phi'(z)^2]`` (Poole
et al. 2016, eq. 5). It is followed by ``unit_std``, each unit's std over the batch: with random biases (PyTorch's default)
the std of all elements stays where it is while ``unit_std`` goes to nothing. The cosine between samples says the same of a
whole layer, and is told as evidence: by itself it is no finding, since what forgets its inputs behind sums and norms (a
positional table a thousand times the token's) was measured to train as others do.

Limits: no hidden weight depends on the input at all (zero weights behind random biases; a warning where the samples are all the
same and their targets differ); where nothing else is found, the answer's weight, which is not zero, gives the same to all samples,
whose targets differ (zeros before it that the first step moves, each unit another way, aside); else see :mod:`._slopes`; what a critical ReLU network forgets by itself is allowed for
(:mod:`._chance`). Along a chain with no norm and no sum the distance between two samples at length 1, ``sqrt(1 - cosine)``, is held
to the same limits where most weights read sums over rows: it falls, with the size as it was, where samples are averaged with each
other again and again (a graph network of many hops; Oono & Suzuki 2020, theorem 2; measured on 200 nodes of four kinds, He's start, Adam, 300 steps: 4 hops
learn all, 8 hops 96 %, 12 hops nothing, and with a residual stream all). A recurrent layer whose states vary by less than a
hundredth of what it reads (of 1, where that is larger) is a warning (:mod:`._gates`). An answer that varies over the samples and is the same along another axis, of
three or more, along which its target is not, is a warning.

Not a fault: samples that grow alike by what is common to all (twelve sigmoid layers after auto: 7e-6 of 1 is left, and Adam fits
the digits in 1,500 steps), the scale before a normalisation, the small output of a residual branch, zero weights on purpose.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(29) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "normal(0.01)", seed=0)
    >>> "vanishing-signal" in {finding.code for finding in initium.diagnose(model, batch).findings}
    True
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.diagnose._chance import difference, forgetting
from initium.diagnose._figures import several, shown
from initium.diagnose._gates import faint
from initium.diagnose._input_scale import faint as faint_input
from initium.diagnose._large_bias import drowning
from initium.diagnose._links import links, readers, trunks
from initium.diagnose._slopes import alike, falling, finding
from initium.diagnose._trend import forward, to_the_answer
from initium.diagnose._words import TEXTBOOK, names
from initium.network import gathering, unfed
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Severity, Signal

_ROUNDING = 1e-6
# Of equal vectors of length 1 rounding leaves the square of float32's eps.
_LEAST = 2.0**-46


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for a network that answers the same to everything, else for every chain and every recurrent layer that loses it."""
    deaf = _deaf(network, signal)
    table = "large-bias" if drowning(signal) else faint_input(signal)
    if deaf and _unvaried(deaf):
        yield _same_samples(deaf, "warning" if signal.told_apart else "info")
    elif deaf:
        yield _answers_the_same(deaf, table)
    else:
        yield from _level(network, signal)
        yield from _fallen(network, signal, table)
        yield from faint(network, signal)


def _fallen(network: Network, signal: Signal, table: str) -> Iterator[Finding]:
    """One for every chain along which the signal, or what tells samples apart, falls."""
    every, read_by = links(network, signal), readers(network)
    for chain in trunks(network, signal):
        trend = forward(chain)
        severity = falling(trend) if trend else None
        if trend and not severity and (whole := to_the_answer(trend, every, read_by)):
            trend, severity = whole, "warning"
        if trend and severity:
            told = finding("vanishing-signal", severity, trend, "The signal falls")
            yield replace(told, cause=f"{told.cause}{_forgotten(chain)}", part_of=told.part_of or table)
        elif trend:
            yield from _grown_alike(chain, network)


def _grown_alike(chain: tuple[Link, ...], network: Network) -> Iterator[Finding]:
    """Samples that point one way at the end of a chain of sums over neighbours and did not at its beginning, whatever their size."""
    chain = tuple(link for link in chain if link.units > 1)  # the cosine of two numbers is their sign
    apart = [1 - link.row.alike for link in chain]
    depth = len(chain)
    if depth <= 1 or math.isnan(sum(apart)) or apart[0] <= 0:
        return
    fall = 0.5 * (math.log(max(apart[-1], _LEAST)) - math.log(apart[0])) + forgetting(depth)
    severity = alike(fall, depth)
    gathers = gathering(network) if severity else frozenset[str]()  # a walk over the graph, which few need
    if severity and 2 * sum(link.use.node in gathers for link in chain) >= depth:
        last = chain[-1].use.name
        yield Finding(
            code="vanishing-signal",
            severity=severity,
            layers=names(chain),
            message=f"All samples grow alike: from `{chain[0].use.name}` to `{last}`, {several(depth, 'layer')}, 1 less their mean cosine falls from "
            f"{shown(apart[0])} to {shown(apart[-1])}.",
            measured=apart[-1],
            expected=apart[0] * difference(depth),
            cause=f"a critical ReLU network of this depth leaves {shown(apart[0] * difference(depth))}; between these weights "
            "samples are summed with each other, as neighbours in a graph are.",
            cure="Take fewer hops, add what a layer reads to what it gives (residual), or normalise the differences (PairNorm).",
        )


def _forgotten(chain: tuple[Link, ...]) -> str:
    """What is left of the difference between samples, beside what depth alone leaves of it."""
    last = next((link for link in reversed(chain) if not math.isnan(link.row.alike)), None)
    if last is None:
        return ""
    return (
        f" Two samples differ at `{last.use.name}` by {shown(max(1 - last.row.alike, 0.0))} (1 less their mean cosine); a critical "
        f"ReLU network of this depth leaves {shown(difference(chain.index(last) + 1))}."
    )


def _deaf(network: Network, signal: Signal) -> tuple[Link, ...]:
    """The hidden links that read something of the batch, if what they give is constant over the batch in all of them, and is something in one."""
    alone = unfed(network)
    hidden = tuple(link for link in links(network, signal) if link.hidden and link.use.node not in alone)
    constant = all(link.row.unit_std <= _ROUNDING * link.row.out_rms for link in hidden)
    # With distinct units: where all are alike, `symmetry` says so.
    return hidden if constant and any(link.row.out_rms > 0 and link.row.distinct > 0 for link in hidden) else ()


def _level(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for an answer that is the same at all positions, whose targets are not."""
    if not signal.level:
        return
    axis, length = signal.level[0]
    heads = tuple(link for link in links(network, signal) if link.use.head)
    yield Finding(
        code="vanishing-signal",
        severity="warning",
        layers=names(heads),
        message=f"The answer is the same at each of the {length} places of axis {axis}, in every sample, and the target is not.",
        measured=0.0,
        expected=1.0,
        cause="nothing that tells one place from another comes to it: an input of zeros or of one symbol (of a decoder), no positions, or a mean "
        "over the places that is spread out again.",
        cure="Give it what differs from place to place: the target one place earlier for a decoder's input, positions, the features themselves.",
    )


def _unvaried(hidden: tuple[Link, ...]) -> bool:
    """What is read of the input itself does not vary, through weights that are there and no bias that drowns it."""
    first = [link for link in hidden if link.use.before.kind == "input"]
    told = [
        link for link in first if link.use.layout != "lookup" or link.row.weight_std > _ROUNDING * link.row.weight_rms
    ]
    return (
        bool(first)
        and len(told) == len(first)
        and all(link.row.weight_rms > 0 and link.row.bias_rms <= link.gain / _ROUNDING for link in first)
    )


def _same_samples(hidden: tuple[Link, ...], severity: Severity) -> Finding:
    grave = severity != "info"
    return Finding(
        code="vanishing-signal",
        severity=severity,
        layers=names(hidden),
        message="All samples of the batch are the same to the network, and their targets differ: there is nothing to learn."
        if grave
        else "The batch holds one sample, or the same one again: what depends on the input was not measured.",
        measured=0.0,
        expected=1.0,
        cause=f"`{hidden[0].use.name}` gives the same to every sample, though its weights are not zero.",
        cure="Look at what the data loader gives: all of it zero (a division of whole numbers), or one sample again and again."
        if grave
        else "Diagnose on a batch of different samples.",
        part_of="input-scale",
    )


def _answers_the_same(hidden: tuple[Link, ...], part_of: str) -> Finding:
    zero = sum(link.zeroed for link in hidden)
    return Finding(
        code="vanishing-signal",
        severity="error",
        layers=names(hidden),
        message=f"No hidden layer depends on the input: all {several(len(hidden))} give the same to every sample.",
        measured=0.0,
        expected=1.0,
        cause=f"{zero} of the {several(len(hidden), 'weight')} are zero throughout, so that only the biases speak."
        if zero
        else "what depends on the input is lost beside the biases.",
        cure="Draw the weights at random; zeros are for biases.",
        remedy=TEXTBOOK,
        part_of=part_of,
    )
