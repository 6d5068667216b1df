"""An answer that is the same for every sample, while the targets tell the samples apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose import _vanishing_signal
from initium.diagnose._figures import shown
from initium.diagnose._input_scale import faint
from initium.diagnose._links import links
from initium.diagnose._norm_scale import odd_scales
from initium.diagnose._place import drowned
from initium.diagnose._words import names
from initium.network import unfed
from initium.records import Finding

if TYPE_CHECKING:
    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_ROUNDING = 1e-6


def constant(network: Network, signal: Signal) -> Finding | None:
    """The finding, if the weights that make the answers are not zero and give the same to all samples, and nothing says why."""
    every = links(network, signal)
    alone = unfed(network)
    heads = [link for link in every if link.use.head or link.use.leaves] or list(every[-1:])
    same = all(
        link.row.finite
        and link.use.node not in alone
        and link.row.out_rms > 0
        and not link.zeroed
        and link.row.unit_std <= _ROUNDING * link.row.out_rms
        for link in heads
    )
    if not (heads and signal.told_apart and same) or any(map(_moved, every)):
        return None
    told = bool(odd_scales(network, signal)) or any(_vanishing_signal.check(network, signal))
    return None if told else _one_answer(tuple(heads), faint(signal) or _of_nothing(signal) or _of_biases(every))


def _of_nothing(signal: Signal) -> str:
    """The code of norms of two values or fewer, which hand on nothing but a sign."""
    return "degenerate-batchnorm" if any(row.values <= 2 for row in signal.norms) else ""  # noqa: PLR2004


def _of_biases(every: tuple[Link, ...]) -> str:
    return "large-bias" if any(link.hidden and drowned(link) for link in every) else ""


def _moved(link: Link) -> bool:
    """Zero on purpose: its gradient differs from unit to unit, and after the first step the answers do from sample to sample."""
    return (
        link.row.weight_rms == 0 and link.row.weight_grad_norm > 0 and link.row.distinct > 0 and not link.facts.frozen
    )


def _one_answer(heads: tuple[Link, ...], part_of: str) -> Finding:
    head = heads[0]
    return Finding(
        code="vanishing-signal",
        severity="error",
        layers=names(heads),
        message=f"The answer is the same for every sample: what `{head.use.name}` gives varies by {shown(head.row.unit_std)} beside its size "
        f"{shown(head.row.out_rms)}.",
        measured=head.row.unit_std,
        expected=head.row.out_rms,
        cause="the weight itself is not zero: what it reads is zero, or constant (an exponential or a gate that is closed everywhere, a factor or "
        "a matrix of zeros).",
        cure="Look at what comes to it: widths of kernels, biases of gates, matrices of neighbours, masks.",
        part_of=part_of,
    )
