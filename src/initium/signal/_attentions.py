"""How sharply an attention looks: the entropy over its keys, by a sample of its queries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from initium.signal._masks import MASKED
from initium.signal._thinned import steps, thinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_QUERIES, _ROWS, _SAMPLES = 16, 256, 2
# The slope p (1 - p) is below a twentieth of its largest, 1/4, from here on.
_FLAT = (1 + math.sqrt(0.95)) / 2


def attention_figures(given: Mapping[str, Any]) -> dict[str, Tensor]:
    """Of an attention's own operation: scores are made again for some queries of some samples."""
    query, key = given["query"].detach(), given["key"].detach()
    size, keys = query.shape[-1], key.shape[-2]
    factor = given.get("scale")
    scale = 1 / math.sqrt(size) if factor is None else float(factor)
    few = steps(query.shape[:-1], (query.ndim - 2,), _QUERIES)
    few = (steps(query.shape[:1], (0,), _SAMPLES)[0], *few[1:]) if query.ndim > 2 else few  # noqa: PLR2004 - a batch
    places = torch.arange(query.shape[-2], device=query.device)[few[-1]]
    shared = key.ndim == query.ndim and key.ndim > 2 and key.shape[0] == query.shape[0]  # noqa: PLR2004
    some = key[few[0]] if shared else key
    asked = query[few]
    if some.ndim > 3 and some.shape[-3] not in {1, asked.shape[-3]}:  # noqa: PLR2004 - heads that share their keys
        some = some.repeat_interleave(asked.shape[-3] // some.shape[-3], -3)
    scores = asked.float() @ some.float().transpose(-1, -2) * scale
    if given.get("is_causal"):
        scores = scores.masked_fill(torch.arange(keys, device=places.device) > places[:, None], -torch.inf)
    mask = given.get("attn_mask")
    if mask is not None:
        mask = mask.detach().broadcast_to((*query.shape[:-1], keys))[few]
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return {**score_figures(scores), "scale": scores.new_tensor(scale * math.sqrt(size))}


def softmax_figures(scores: Tensor, axis: int) -> dict[str, Tensor]:
    """Of a softmax that is written out: its scores are there."""
    rows = scores.detach().movedim(axis, -1)
    rows = thinned(rows, tuple(range(rows.ndim - 2, -1, -1)), _ROWS).float()
    return {**score_figures(rows), "scale": rows.new_tensor(math.nan)}


def score_figures(scores: Tensor) -> dict[str, Tensor]:
    """The figures of scores along their last axis, masks included as very negative ones."""
    seen = scores > MASKED
    visible = seen.sum(-1)
    asked = (visible > 1).to(scores.dtype)  # to look at one key is no choice
    count = asked.sum()
    scores = scores.masked_fill(~seen, -torch.inf)
    chances = scores.softmax(-1).nan_to_num(0.0)
    peak = chances.amax(-1)
    held = scores.masked_fill(~seen, 0.0)
    mean = held.sum(-1, keepdim=True) / visible.clamp(min=1)[..., None]
    spread = (held - mean).masked_fill(~seen, 0.0).square().sum(-1) / visible.clamp(min=1)

    def over(figure: Tensor) -> Tensor:
        return (figure * asked).sum() / count

    return {
        "visible": over(visible.to(scores.dtype)),
        "entropy": over(torch.special.entr(chances).sum(-1)),
        "peak": over(peak),
        "saturated": over((peak > _FLAT).to(scores.dtype)),
        "logit_std": over(spread).sqrt(),
    }
