"""A report in one word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initium.records import Finding

_WORDS = {
    "input-scale": "unscaled",
    "target-scale": "off scale",
    "target-range": "out of reach",
    "norm-scale": "rescaled",
    "shared-weight": "one layer",
    "dead-embedding": "dead",
    "degenerate-batchnorm": "degenerate",
    "attention-collapse": "collapsed",
    "double-softmax": "squashed twice",
    "softmax-axis": "mixing samples",
    "batch-axis": "mixing samples",
    "missing-softmax": "unnormalised",
    "loss-sum": "summed",
    "dropout": "dropped",
    "broadcast-target": "misaligned",
    "unused-input": "blind to an input",
    "unused-parameter": "cut off",
    "frozen-weight": "partly frozen",
    "symmetry": "symmetric",
    "identical-shards": "cloned",
    "missing-activation": "linear",
    "large-bias": "biased",
    "dead-units": "dead",
    "saturation": "saturated",
    "residual-growth": "exploding",
    "exploding-signal": "exploding",
    "exploding-gradient": "exploding",
    "nonfinite": "not finite",
    "underflow": "underflowing",
    "vanishing-gradient": "vanishing",
    "vanishing-signal": "vanishing",
    "haphazard-under-norm": "haphazard",
    "gain-mismatch": "mismatched",
    "output-prior": "miscalibrated",
    "update-ratio": "uneven",
}


def verdict(findings: tuple[Finding, ...]) -> str:
    """The word for the first finding; ``healthy`` where none is worse than an info."""
    first = next((finding for finding in findings if finding.severity != "info"), None)
    return "healthy" if first is None else _WORDS.get(first.code, first.code)
