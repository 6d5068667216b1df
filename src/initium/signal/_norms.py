"""What a normalisation divides by: whether its statistics are of anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from initium.signal._moments import unit_moments
from initium.signal._thinned import thinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.signal._moments import UnitMoments

_PLACES, _ROWS = 4096, 128
PLAIN = {
    "native_batch_norm": "batch_norm",
    "cudnn_batch_norm": "batch_norm",
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "_fused_rms_norm": "rms_norm",
}


def norm_figures(op: str, given: Mapping[str, Any], known: UnitMoments | None) -> tuple[int, dict[str, Tensor]]:
    """How many values each statistic is taken over (0 for stored ones), and the figures.

    Args:
        op: The operation's plain name.
        given: Its arguments by name.
        known: The moments of its input by channel, where somebody has them.
    """
    value: Tensor = given["input"].detach()
    eps = given.get("eps", given.get("epsilon")) or torch.finfo(value.dtype).eps
    if op == "batch_norm":
        return _by_channel(value, given, eps, known)
    table, values = _table(op, value, given)
    moments = unit_moments(table, 0)
    second = moments.var + moments.mean.square() if op == "rms_norm" else moments.var
    return values, _figures(moments.largest, second, eps, second.new_zeros(()))


def _by_channel(
    value: Tensor, given: Mapping[str, Any], eps: float, known: UnitMoments | None
) -> tuple[int, dict[str, Tensor]]:
    others = (0, *range(2, value.ndim))
    moments = known or unit_moments(thinned(value, others[::-1], _PLACES), 1)
    mean, var = given.get("running_mean"), given.get("running_var")
    if given.get("training") or mean is None or var is None:
        count = value.numel() // max(value.shape[1], 1)
        return count, _figures(moments.largest, moments.var, eps, moments.var.new_zeros(()))
    untrained = ((mean == 0) & (var == 1)).all().to(moments.var)
    return 0, _figures(moments.largest, moments.var, eps, untrained)


def _figures(largest: Tensor, second: Tensor, eps: float, untrained: Tensor) -> dict[str, Tensor]:
    std = largest * second.sqrt()
    return {
        "constant": (std < math.sqrt(eps)).to(std.dtype).mean(),
        "std": largest * second.mean().sqrt(),
        "untrained": untrained,
    }


def _table(op: str, value: Tensor, given: Mapping[str, Any]) -> tuple[Tensor, int]:
    """One row for each statistic, of some samples, and how many values each has."""
    if op in {"layer_norm", "rms_norm"}:
        inner = len(given["normalized_shape"])
        few = thinned(value, tuple(range(value.ndim - inner)), _ROWS)
        width = math.prod(value.shape[value.ndim - inner :])
    else:
        groups = value.shape[1] if op == "instance_norm" else given.get("num_groups", given.get("group", 1))
        few = thinned(value, (0,), max(1, _ROWS // max(groups, 1)))
        width = math.prod(value.shape[1:]) // max(groups, 1)
    return few.reshape(-1, width), width
