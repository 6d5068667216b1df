"""``nonzero-bias``: hidden biases that were started larger than any law of the field draws them, and than the signal.

Theory: at unit variance a bias of half the std of what depends on the input puts seven of ten samples of a Gaussian on one side of
zero, one as large as the std five of six: a rectifier's unit is nearly always on or nearly always off. PyTorch draws biases from a uniform law of bound
``1 / sqrt(fan_in)``; every other start in use is zero.

Limits: the median magnitude of a bias is above ``1 / sqrt(fan_in)``, above half the std of what depends on the input, and not so large that
``large-bias`` speaks of it; in at least two hidden layers and half of those that have a bias. A warning.

Not a fault: the small constant that keeps ReLUs alive; gates; an output's prior; a bias before a normalisation.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(3) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "he_normal", {"*.bias": initium.Normal(3.0)}, seed=0)
    >>> "nonzero-bias" in {each.code for each in initium.diagnose(model, batch).findings}
    True
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).findings
    ()
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._figures import several, shown
from initium.diagnose._large_bias import drowns, judged
from initium.diagnose._links import links
from initium.diagnose._words import TEXTBOOK, names
from initium.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.diagnose._links import Link
    from initium.network import Network
    from initium.records import Signal

_FEWEST, _HALF = 2, 0.5


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """One finding for all of them."""
    biased = [link for link in links(network, signal) if judged(link)]
    found = tuple(link for link in biased if _large(link))
    if len(found) < _FEWEST or 2 * len(found) < len(biased):
        return
    row = found[0].row
    yield Finding(
        code="nonzero-bias",
        severity="warning",
        layers=names(found),
        message=f"Biases are large beside the signal in {several(len(found))} of {len(biased)}, first at `{row.name}`: their median "
        f"magnitude is {shown(row.bias_median)}, what depends on the input has std {shown(row.unit_std)}.",
        measured=row.bias_median,
        expected=0.0,
        cause=f"`{found[0].use.bias}` and others were not started at zero; most samples fall on the side that the bias says.",
        cure="Set the biases to zero; only an output that has a prior needs another value.",
        remedy=TEXTBOOK,
    )


def _large(link: Link) -> bool:
    row = link.row
    return row.bias_median > max(1 / math.sqrt(link.use.fan_in), _HALF * row.unit_std) and not drowns(link)
