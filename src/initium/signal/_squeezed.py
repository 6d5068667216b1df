"""Whether a loss squeezes what it then takes for scores, proved by asking it about answers of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.network import map_tensors
from initium.signal._inside import inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_MATRIX = 2
# What chances keep, too: no share of their softmax is more than e times another.
_APART = 1.0
_FAR = 1000.0


def squeezed(output: object, batch: Batch, function: Loss | None) -> bool:
    """Whether a cross-entropy inside of a loss is given scores that lie within 1 of each other, whatever the output is.

    Answers that are all alike, that differ in every way, and a thousand times as large, bring cosines, chances and what a tanh gives
    to their ends. Scores that none of them moves (a mask of the pair with itself) are left out.

    Args:
        output: What the model returned.
        batch: With the target.
        function: The loss, to be asked again.
    """
    probes: tuple[Callable[[Tensor], Tensor], ...] = (torch.ones_like, _wave, lambda value: _FAR * _wave(value))
    asked = [_scores(map_tensors(output, lambda each, to=probe: _put(each, to)), batch, function) for probe in probes]
    if not asked[0] or len({tuple(each.shape for each in scores) for scores in asked}) > 1:
        return False
    return any(_near(torch.stack(scores)) for scores in zip(*asked, strict=True))


def _put(value: Tensor, to: Callable[[Tensor], Tensor]) -> Tensor:
    return to(value) if value.is_floating_point() else value


def _wave(value: Tensor) -> Tensor:
    """Different numbers throughout; one number alone, a scale that goes out beside what it multiplies, stays what it is."""
    if value.numel() == 1:
        return value
    steps = torch.arange(value.numel(), device=value.device, dtype=torch.float32)
    return steps.sin().reshape(value.shape).to(value.dtype)


def _scores(output: object, batch: Batch, function: Loss | None) -> list[Tensor]:
    seen = inside(output, batch, function)
    return [
        each.mine
        for each in seen
        if each.kind == "cross-entropy" and each.mine.ndim >= _MATRIX and each.mine.shape[1] > 1
    ]


def _near(scores: Tensor) -> bool:
    moved = (scores != scores[0]).any(0) & scores.isfinite().all(0)
    there = scores[:, moved].double()
    return there.numel() > 0 and float(there.max() - there.min()) <= _APART
