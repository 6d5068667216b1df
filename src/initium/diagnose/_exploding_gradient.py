"""``exploding-gradient``: the gradient grows on its way back, so that the first step overshoots in the first layers.

Theory: as for ``vanishing-gradient``, with a factor above 1 a layer.

Limits: see :mod:`._slopes`. Through the steps of a fused recurrent operation, run by hand on some sequences from a first
state that is a little off: a change that grows more than 100 times is an error, one that grows at all under a weight of
gain above 2 a warning.

Not a fault: the mild growth through BatchNorm (1.21 a layer in the rms before ReLU, Yang et al. 2019), where the weight's
scale is free; the rise that narrowing layers cause by themselves.

Example:
    >>> import torch, initium
    >>> layers = [part for _ in range(29) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> model, batch = torch.nn.Sequential(*layers, torch.nn.Linear(64, 10)), torch.randn(256, 64)
    >>> _ = initium.initialize(model, batch, "normal(1.0)", seed=0)
    >>> "exploding-gradient" in {finding.code for finding in initium.diagnose(model, batch).findings}
    True
    >>> _ = initium.initialize(model, batch, "he_normal", seed=0)
    >>> initium.diagnose(model, batch).healthy
    True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._gates import grown
from initium.diagnose._links import lanes
from initium.diagnose._slopes import finding, rising
from initium.diagnose._trend import backward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Finding, Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for every chain, and every recurrent layer, in which the gradient grows."""
    for chain in lanes(network, signal):
        trend = backward(chain)
        severity = rising(trend) if trend else None
        if trend and severity:
            yield finding("exploding-gradient", severity, trend, "The gradient grows")
    yield from grown(signal)
