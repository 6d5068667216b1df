"""The checks by code, cause before symptom: among findings of one severity this is the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from initium.diagnose import (
    _attention_collapse,
    _dead_units,
    _degenerate_norm,
    _exploding_gradient,
    _exploding_signal,
    _gain_mismatch,
    _haphazard,
    _input_scale,
    _large_bias,
    _nonfinite,
    _output_prior,
    _saturation,
    _symmetry,
    _underflow,
    _vanishing_gradient,
    _vanishing_signal,
)
from initium.network import Network
from initium.records import Finding, Signal

Check: TypeAlias = Callable[[Network, Signal], Iterator[Finding]]
"""A network and its signal to findings."""

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "input-scale": _input_scale.check,
        "symmetry": _symmetry.check,
        "degenerate-batchnorm": _degenerate_norm.check,
        "large-bias": _large_bias.check,
        "attention-collapse": _attention_collapse.check,
        "dead-units": _dead_units.check,
        "saturation": _saturation.check,
        "exploding-signal": _exploding_signal.check,
        "exploding-gradient": _exploding_gradient.check,
        "nonfinite": _nonfinite.check,
        "underflow": _underflow.check,
        "vanishing-gradient": _vanishing_gradient.check,
        "vanishing-signal": _vanishing_signal.check,
        "haphazard-under-norm": _haphazard.check,
        "gain-mismatch": _gain_mismatch.check,
        "output-prior": _output_prior.check,
    }
)
"""Every check under the code of what it finds."""
