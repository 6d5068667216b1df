"""The checks by code, cause before symptom: among findings of one severity this is the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from initium.diagnose import (
    _attention_collapse,
    _batch_axis,
    _bias_before_norm,
    _broadcast_target,
    _dead_embedding,
    _dead_units,
    _degenerate_norm,
    _double_softmax,
    _dropout,
    _exploding_gradient,
    _exploding_signal,
    _frozen_weight,
    _gain_mismatch,
    _haphazard,
    _identical_shards,
    _input_scale,
    _large_bias,
    _loss_sum,
    _missing_activation,
    _missing_softmax,
    _nonfinite,
    _nonzero_bias,
    _norm_scale,
    _output_prior,
    _residual_growth,
    _saturation,
    _shared_weight,
    _softmax_axis,
    _symmetry,
    _target_range,
    _target_scale,
    _underflow,
    _unused_input,
    _unused_parameter,
    _update_ratio,
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
        "target-range": _target_range.check,
        "target-scale": _target_scale.check,
        "norm-scale": _norm_scale.check,
        "degenerate-batchnorm": _degenerate_norm.check,
        "double-softmax": _double_softmax.check,
        "softmax-axis": _softmax_axis.check,
        "batch-axis": _batch_axis.check,
        "missing-softmax": _missing_softmax.check,
        "loss-sum": _loss_sum.check,
        "broadcast-target": _broadcast_target.check,
        "dropout": _dropout.check,
        "unused-input": _unused_input.check,
        "unused-parameter": _unused_parameter.check,
        "frozen-weight": _frozen_weight.check,
        "symmetry": _symmetry.check,
        "shared-weight": _shared_weight.check,
        "dead-embedding": _dead_embedding.check,
        "identical-shards": _identical_shards.check,
        "missing-activation": _missing_activation.check,
        "large-bias": _large_bias.check,
        "attention-collapse": _attention_collapse.check,
        "dead-units": _dead_units.check,
        "saturation": _saturation.check,
        "residual-growth": _residual_growth.check,
        "exploding-signal": _exploding_signal.check,
        "exploding-gradient": _exploding_gradient.check,
        "nonfinite": _nonfinite.check,
        "underflow": _underflow.check,
        "vanishing-gradient": _vanishing_gradient.check,
        "vanishing-signal": _vanishing_signal.check,
        "haphazard-under-norm": _haphazard.check,
        "gain-mismatch": _gain_mismatch.check,
        "output-prior": _output_prior.check,
        "update-ratio": _update_ratio.check,
        "nonzero-bias": _nonzero_bias.check,
        "bias-before-norm": _bias_before_norm.check,
    }
)
"""Every check under the code of what it finds."""
