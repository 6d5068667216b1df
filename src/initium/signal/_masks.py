"""What attentions are shown: keys that a mask hides, beside what stands there in the batch.

A mask the wrong way round hides every token and shows the padding, which is one symbol again and again. So the keys that are
shown are compared with the places at which a tensor of the batch holds one value: where both are the same everywhere, and what
is hidden holds several, nothing but that value is seen.

A triangle the wrong way round leaves the query at one end no key at all, in every sample: what it reads is nothing, or NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from initium.network import named_tensors
from initium.records import MaskRow
from initium.signal._thinned import thinned

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from initium.network import Attends, Batch

# Masks are written as minus infinity, the smallest number of a dtype, or -1e4 (which float16 holds); no score is there.
MASKED = -9e3
_ROWS, _QUERIES, _SYMBOLS = 64, 16, 1024
_TWO = 2
_HUNDREDTH = math.log(100)


def _visible(mask: Tensor) -> Tensor:
    """Where a mask, of truth values or of what is added to the scores, shows a key."""
    return mask if mask.dtype == torch.bool else mask > MASKED


def shown_keys(given: Mapping[str, Any]) -> tuple[Tensor, int] | None:
    """Which keys some query is shown, by row of the mask's first axis, and how long that axis is; ``None`` without a mask."""
    mask = given.get("attn_mask") if "query" in given else given.get("self")
    last = "query" in given or given.get("dim") in {-1, getattr(mask, "ndim", 0) - 1}
    if not isinstance(mask, torch.Tensor) or mask.ndim <= _TWO or not last or mask.is_nested:
        return None
    step = max(1, mask.shape[-2] // _QUERIES)
    some = mask.detach()[:_ROWS, ..., (mask.shape[-2] - 1) % step :: step, :]  # the last, which a causal mask shows all
    some = some[:, :1] if some.ndim > _TWO + 1 else some  # heads share a mask
    return _visible(some).flatten(1, -2).any(1), len(mask)


def blind_end(given: Mapping[str, Any]) -> str:
    """Which of the two queries at the ends, ``first`` or ``last``, is shown no key in any sample.

    ``every`` where none is, ``one`` where each is shown one alone; nothing where all is well.
    """
    mask = given.get("attn_mask") if "query" in given else given.get("self")
    last = "query" in given or given.get("dim") in {-1, getattr(mask, "ndim", 0) - 1}
    if not isinstance(mask, torch.Tensor) or mask.ndim < _TWO or not last or mask.is_nested:
        return ""
    shown = _visible(mask.detach()[..., [0, -1], :])
    first, end = shown.any(-1).reshape(-1, _TWO).any(0).tolist()
    if first and end:
        return "one" if min(mask.shape[-2:]) > _TWO and _one_each(mask.detach()) else ""
    if first or end:
        return "last" if first else "first"
    return "" if bool(_visible(mask.detach()).any()) else "every"


def _one_each(mask: Tensor) -> bool:
    return bool((_visible(mask[..., :_QUERIES, :]).sum(-1) <= 1).all())


def added_ones(value: object, scores: object) -> bool:
    """Whether what is added to scores is a mask of zeros and ones, or of truth values: it hides nothing."""
    if not isinstance(value, torch.Tensor) or not isinstance(scores, torch.Tensor) or value.requires_grad:
        return False
    if value.ndim < _TWO or value.shape[-1] != scores.shape[-1] or value.is_complex() or value.is_nested:
        return False
    few = thinned(value.detach(), tuple(range(value.ndim)), _SYMBOLS)
    return bool(((few == 0) | (few == 1)).all()) and bool(few.any()) and not bool(few.all())


def filled_in_sight(scores: object, mask: object, fill: object) -> bool:
    """Whether what is filled in for a hidden key leaves it more than a hundredth of a usual one's share: 1e-9 for -1e9, 0, a small number."""
    if (
        not isinstance(scores, torch.Tensor)
        or not isinstance(mask, torch.Tensor)
        or not scores.numel()
        or scores.is_nested
    ):
        return False
    value = float(fill.detach()) if isinstance(fill, torch.Tensor) and fill.numel() == 1 else fill
    if not isinstance(value, int | float) or value <= MASKED or mask.ndim < _TWO or mask.shape[-1] != scores.shape[-1]:
        return False
    some = bool((mask.any(-1) & ~mask.all(-1)).any())  # a row that is hidden whole is given something to look at
    return some and value > float(scores.detach().mean(dtype=torch.float32)) - _HUNDREDTH


def mask_rows(
    shown: Mapping[str, tuple[Tensor, int]], blind: Mapping[str, str], attends: Mapping[str, Attends], batch: Batch
) -> tuple[MaskRow, ...]:
    """A row for each attention that is shown one value of a tensor of the batch alone, and for each whose end sees nothing."""
    hiding = {node: seen for node, seen in shown.items() if not bool(seen[0].all())}
    given = [*named_tensors(batch.args, "args"), *named_tensors(dict(batch.kwargs), "kwargs")] if hiding else []
    rows = ((attends[node], name) for node, seen in hiding.items() for name in _of_one_value(seen, given))
    found = tuple(MaskRow(each.queries, each.keys, name) for each, name in rows)
    ends = [] if found or not any(blind.values()) else list(_padded(batch))
    dark = ((attends[node], end) for node, end in blind.items() if end and end not in ends)
    return found or tuple(MaskRow(each.queries, each.keys, "", end) for each, end in dark)


def _padded(batch: Batch) -> Iterator[str]:
    """The ends at which a tensor of the batch holds one symbol in every sample, as padding does."""
    for _, value in [*named_tensors(batch.args, "args"), *named_tensors(dict(batch.kwargs), "kwargs")]:
        if value.ndim == _TWO and min(value.shape) >= _TWO:
            for end, place in (("first", 0), ("last", -1)):
                if bool((value[:, place] == value[0, place]).all()) and not bool((value == value[0, place]).all()):
                    yield end


def _of_one_value(seen: tuple[Tensor, int], given: list[tuple[str, Tensor]]) -> Iterator[str]:
    shown, length = seen
    for name, value in given:
        for symbols in _by_place(value.detach(), shown.shape[-1]):
            if length % len(symbols) == 0:
                heads = length // len(symbols)  # heads lie within the axis of samples where both are one
                rows = symbols[torch.arange(len(shown), device=symbols.device) // heads]
                if _alone(rows, shown.to(rows.device)):
                    yield name
                    return


def _by_place(value: Tensor, keys: int) -> Iterator[Tensor]:
    """The symbols of a batch, sample by place, whichever axis comes first; of vectors, whether one is all zero."""
    if value.ndim == _TWO + 1 and value.is_floating_point():
        value = value.ne(0).any(-1) * (1 + torch.arange(value[..., 0].numel(), device=value.device)).view_as(
            value[..., 0]
        )
    if value.ndim != _TWO or value.is_complex() or not value.numel():
        return
    if value.shape[1] == keys:
        yield value
    if value.shape[0] == keys:
        yield value.T


def _alone(rows: Tensor, shown: Tensor) -> bool:
    """What is shown is one value, which is hidden nowhere; what is hidden is several."""
    seen, hidden = rows[shown], rows[~shown]
    if seen.numel() < _TWO or not hidden.numel():  # one place is a choice, and not a value again and again
        return False
    value = seen[0]
    return bool((seen == value).all()) and bool((hidden != value).all()) and bool((hidden != hidden[0]).any())
