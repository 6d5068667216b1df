"""``vanishing-gradient``: the gradient shrinks on its way back, so that the first layers hardly learn.

Theory: crossing a weight and the activation before it multiplies the gradient's second moment by
``fan_out * weight_rms^2 * E[phi'(z)^2]`` (Glorot & Bengio 2010, eq. 6; He et al. 2015, eq. 13). With a gain below critical
the signal falls towards the output while the gradient falls towards the input: the two lines cross like an X, and the
gradient of every *weight* is small by the same factor, so the ratio of weight gradients, the usual test, sees nothing.

Limits: see :mod:`._slopes`.

Not a fault: a zero weight on purpose (a zero head, the last layer of a residual branch, LoRA's B), through which no
gradient passes at the first step; a gradient before a normalisation, whose scale is free; a residual stream; the fall that
widening layers cause by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.diagnose._links import chains
from initium.diagnose._slopes import falling, finding
from initium.diagnose._trend import backward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network import Network
    from initium.records import Finding, Signal


def check(network: Network, signal: Signal) -> Iterator[Finding]:
    """A finding for every chain in which the gradient falls."""
    for chain in chains(network, signal):
        trend = backward(chain)
        severity = falling(trend) if trend else None
        if trend and severity:
            yield finding("vanishing-gradient", severity, trend, "The gradient falls")
