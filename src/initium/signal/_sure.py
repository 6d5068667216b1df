"""Scores that a loss nobody knows takes the softmax of (a policy's, a distribution's): whether it does is asked, and how sure they are."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import torch

from initium.network import map_tensors, tensors_in
from initium.records import PartRow
from initium.signal._asking import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_MATRIX, _ROUNDINGS, _ASKED = 2, 64, 3


def softmaxed(output: object, batch: Batch, function: Loss | None, samples: int) -> Iterator[Tensor]:
    """The tensors of an output, a row of scores for each sample, of which the loss takes a softmax.

    Formula:
        ``L(z + c) = L(z)`` for any ``c`` that is the same for all scores of a row, and ``L(z / 2)`` is another. What is out of the question
        (``z_j = -10^4``) may be more so, for all ``j`` but the one that was chosen: differences of scores hear that.
    """
    if function is None or batch.target is None:
        return
    tensors = tensors_in(output)
    for place, scores in enumerate(tensors):
        if scores.is_floating_point() and scores.ndim == _MATRIX and scores.shape[0] == samples and scores.shape[1] > 1:
            mine = scores.detach()
            shift = torch.arange(samples, device=mine.device, dtype=mine.dtype).sin()[:, None]
            others = [_replaced(output, place, each) for each in (mine, mine + shift, mine / 2)]
            asked = [float(each) for each in answers(function, others, batch.target)]
            shiftless = bool(asked) and _equal(asked[0], asked[1], mine) and not _equal(asked[0], asked[2], mine)
            if shiftless and _saturates(partial(_replaced, output, place), mine, batch, function):
                yield mine


def _saturates(replaced: Callable[[Tensor], object], scores: Tensor, batch: Batch, function: Loss) -> bool:
    places = range(min(scores.shape[1], _ASKED))
    others = [replaced(_without(scores, place, far)) for place in places for far in (1e4, 2e4)]
    asked = [float(each) for each in answers(function, others, batch.target)]
    still = sum(_equal(one, other, scores) for one, other in zip(asked[::2], asked[1::2], strict=True))
    return bool(asked) and still >= len(places) - 1


def _without(scores: Tensor, place: int, far: float) -> Tensor:
    other = scores.clone()
    other[0, place] = -far
    return other


def _replaced(output: object, place: int, other: Tensor) -> object:
    places = iter(range(len(tensors_in(output))))
    return map_tensors(output, lambda each: other if next(places) == place else each.detach())


def _equal(one: float, other: float, scores: Tensor) -> bool:
    eps = torch.finfo(scores.dtype).eps
    return abs(one - other) <= _ROUNDINGS * eps * max(1.0, abs(one), float(scores.abs().max()))


def likelihoods_of_any(scores: Tensor) -> PartRow:
    """What such scores cost where every class is as likely as the others."""
    wide = scores.float()
    loss = (wide.logsumexp(1) - wide.mean(1)).mean()
    classes = scores.shape[1]
    return PartRow(float(loss), classes, math.log(classes), len(scores))


def shares(scores: Tensor) -> bool:
    """Whether each row is a distribution already."""
    whole = (scores.sum(1) - 1).abs().amax() <= _ROUNDINGS * torch.finfo(scores.dtype).eps
    return bool((scores >= 0).all()) and bool(whole)
