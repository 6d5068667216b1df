"""``bias-before-norm``: a bias that the normalisation behind it takes away again.

Theory: a batch norm subtracts each unit's mean over the batch, an instance norm each channel's over the sample. A bias is part
of that mean: it has no effect, its gradient is zero up to rounding, and the norm's own shift does its work (Ioffe & Szegedy
2015, section 3.2).

Limits: exact, from the graph: everything that reads the output is such a norm, views aside. One info for all.

Not a fault: nothing here hurts, but memory and time. A bias before a layer norm, a group norm or an RMS norm has an effect, and so
has one before a batch norm in eval mode.

Example:
    >>> import torch, initium
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.BatchNorm1d(32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    >>> [each.code for each in initium.diagnose(model, torch.randn(256, 64)).findings]
    ['bias-before-norm']
    >>> model[0] = torch.nn.Linear(64, 32, bias=False)
    >>> initium.diagnose(model, torch.randn(256, 64)).findings
    ()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._links import links
from initium.diagnose._words import names
from initium.network import unbiased
from initium.records import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all of them."""
    idle = unbiased(network)
    found = tuple(link for link in links(network, signal) if link.use.node in idle and not link.facts.frozen)
    if not found:
        return
    first = found[0].use
    yield Finding(
        code="bias-before-norm",
        severity="info",
        layers=names(found),
        message=f"{_counted(len(names(found)))} no effect, first `{first.bias}`: "
        "a normalisation behind them takes the mean away.",
        measured=float(len(names(found))),
        expected=0.0,
        cause=f"what `{first.name}` gives goes to a norm alone, which subtracts each unit's mean, the bias with it.",
        cure="Leave the bias out, bias=False: the norm's own shift does its work.",
        remedy=Code("bias=False  # where a batch norm or an instance norm follows"),
    )


def _counted(count: int) -> str:
    return "1 bias has" if count == 1 else f"{count} biases have"
