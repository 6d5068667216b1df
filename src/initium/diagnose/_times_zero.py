"""Weights whose answer is multiplied by a zero that is written in the program: they get a gradient, and it is always zero.

A factor that is learned (ReZero), and one that was computed, is another thing: those move.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from initium.diagnose._figures import several
from initium.diagnose._links import links
from initium.diagnose._words import names
from initium.network import factors, nulled, partly_read
from initium.records import Code, Finding, Refill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal


def zero_times(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all weights that multiply zeros which stand in the program, again and again: a state that is never kept."""
    every = [link for link in links(network, signal) if link.use.layout not in {"lookup", "added"}]
    learns = any(link.row.weight_grad_norm > 0 for link in every)
    fed = {
        link.use.name
        for link in every
        if link.row.weight_grad_norm != 0 or (link.use.sources and not _of_a_state(link, learns=learns))
    }
    counts = Counter(link.use.name for link in every if link.use.name not in fed and link.row.finite)
    once = 1 in counts.values() and partly_read(network)
    still = tuple(name for name, count in counts.items() if (count > 1 or once) and not network.facts(name).frozen)
    if still:
        many = f"used {counts[still[0]]} times, of nothing but zeros"
        lone = (
            f"it reads zeros, and of the {once[0]} places of an axis of the input number {once[1] + 1} is read alone"
            if once
            else ""
        )
        yield Finding(
            code="unused-parameter",
            severity="warning",
            layers=still,
            message=f"{several(len(still), 'weight')} will never learn, first `{still[0]}`: {lone or many}.",
            measured=float(len(still)),
            expected=0.0,
            cause="what it reads stands in the program, and nothing of the batch is in it: a state that is set to zero at every step.",
            cure="Make the first state before the loop, and hand on what a step gives: h = cell(x[:, t], h).",
            remedy=Code("h = torch.zeros(samples, width)\nfor t in range(steps):\n    h = cell(x[:, t], h)"),
        )


def _of_a_state(link: Link, *, learns: bool) -> bool:
    """The weight of a cell's state, which is one operation with what reads the input."""
    return link.use.layout == "gates" and learns


def zero_by_zero(network: Network, signal: Signal) -> Iterator[Finding]:
    """One for all branches that are a zero times a zero: the last weight's answer, and what multiplies it; neither gets a gradient."""
    every = links(network, signal)
    still = tuple(link for link in every if _silent_twice(link) and not link.facts.frozen)
    if still and _streaming(every):  # behind a head of zeros nothing has a gradient yet
        residual = still[0].use.residual
        gate = residual.silencers[0] if residual else ""
        yield Finding(
            code="vanishing-gradient",
            severity="warning",
            layers=names(still),
            message=f"{several(len(still), 'weight')} will never learn, first `{still[0].use.name}`: it is zero, and so is `{gate}`, which multiplies what "
            "it gives.",
            measured=float(len(still)),
            expected=0.0,
            cause="the gradient of either factor is the other one: of two zeros both are zero for ever, and with them all that comes before in the "
            "branch.",
            cure="Start one of them at zero, and not both.",
            remedy=Refill(still[0].use.name),
        )


def _streaming(every: tuple[Link, ...]) -> bool:
    """Whether a weight on the stream, before the answer, has a gradient."""
    return any(
        link.row.weight_grad_norm > 0 and not link.use.head
        for link in every
        if link.use.residual is not None and link.use.residual.place == "stream"
    )


def _silent_twice(link: Link) -> bool:
    residual = link.use.residual
    silenced = residual is not None and residual.place == "last" and bool(residual.silencers)
    return (
        silenced and link.row.weight_rms == 0 and link.row.out_rms == 0 and link.row.grad_rms == 0 and link.row.finite
    )


def times_zero(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all weights of which nothing but a written zero comes to the output."""
    off, every = nulled(network, signal.blank), links(network, signal)
    still = tuple(
        link
        for link in every
        if link.facts.name in off and not link.facts.frozen and link.row.weight_grad_norm == 0 and link.use.sources
    )
    if still:
        listed, known = names(still), factors(network)
        zero = ", ".join(f"`{known[name]}`, which is zero throughout" for name in signal.blank)
        whole = len(listed) == len({link.use.name for link in every if link.use.sources})
        yield Finding(
            code="unused-parameter",
            severity="error" if whole else "warning",
            layers=listed,
            message=f"{several(len(listed), 'weight')} will never learn, first `{listed[0]}`: what they make is multiplied by 0.",
            measured=float(len(listed)),
            expected=0.0,
            cause=f"every way from there to the output goes through a product with {zero or 'the number 0'}, which no step changes.",
            cure="Look at how it is filled (edges, a mask)."
            if zero
            else "Take another factor, or make it a parameter, which may begin at 0 and grows; where a schedule will raise it, accept "
            "this finding with the reason.",
        )
