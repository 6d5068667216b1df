"""Whether the loss takes what the model gives: the loss is recomputed from the output, and the output is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from initium.signal._asking import answers
from initium.signal._broadcast import repeated_inside, spread_inside, spread_out
from initium.signal._chances import of_chances
from initium.signal._classes import IGNORED, compared, counts, pairs, same
from initium.signal._inside import inside
from initium.signal._likelihoods import takes_logarithms
from initium.signal._sides import hears_one_side
from initium.signal._squeezed import squeezed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._inside import Compared
    from initium.signal._objective import Loss

_MATRIX = 2
# Sums of many probabilities, each rounded.
_ROUNDINGS = 64
_OTHERS = frozenset({"distance", "error", "own", "product", "chances", "margins", "softmax", "variance"})
# A shift that would show in the loss, were it felt.
_ROOM = 0.01
_TENTH = 0.1


def misfit(
    output: object,
    batch: Batch,
    loss: Tensor | None,
    function: Loss | None = None,
    *,
    known: bool = False,
    end: str = "",
) -> str:
    r"""How an output does not fit its loss; empty where it does, or where the loss is not recognised.

    Formula:
        ``CE(z, y) = -log softmax(z)_y`` takes any ``z``; where every ``z >= 0`` and ``sum_c z_c = 1``, a softmax was applied
        before. ``NLL(z, y) = -z_y`` is a likelihood only where ``sum_c exp(z_c) = 1``. A loss of another form (class
        weights, smoothed labels, a sum) applies a softmax where ``L(z + c) = L(z)`` for any ``c`` that is the same for all
        classes of a sample, and ``L(z / 2)`` is another. Where an output and a target have as many elements, and shapes that
        broadcast to more, each number is compared with each if the loss of both broadcast is the same. Chances of which one
        row sums to 1 are those of one class, and a target of ones in several places wants several; so it is where the loss applies the softmax. A
        likelihood of counts, ``exp(z) - t z``, takes the logarithm of the rate, which is on both sides of 0. A loss of margins hears nothing of label 0
        (:mod:`._sides`), and one of chances is told by theirs (:mod:`._chances`). What nothing of this tells, the loss itself may: what it hands to torch's losses is looked at.

    Args:
        output: What the model returned.
        batch: With the target, or with labels among what the model was called with.
        loss: The loss that was computed; ``None`` for none.
        function: What computed it, to be asked again where its value tells nothing.
        known: That the loss is a cross-entropy of scores, which need not be asked whether it is another.
        end: The model's last operation, which tells a ReLU's zeros from chances.
    """
    if loss is None or not bool(loss.isfinite()):
        return ""
    asked = compared(output, batch)
    with torch.no_grad():
        told = _by_value(*asked, batch, loss.detach(), function) if asked else ""
        if told or known:
            return told
        if asked and isinstance(output, torch.Tensor) and _numbers(asked[0]):
            told = _by_asking(asked[0], batch, function)
        seen = () if told else inside(output, batch, function)
        told = told or ("over samples" if _over_samples(seen, output, batch) else "") or next(watched(seen), "")
        if asked and not told and _numbers(asked[0]):
            told = of_chances(asked[0], batch, function, end)
        if not told and any(each.kind == "cross-entropy" for each in seen) and squeezed(output, batch, function):
            told = "squeezed scores"
    return told or ("one side" if hears_one_side(output, batch, function) else "")


def _by_value(scores: Tensor, target: Tensor, batch: Batch, loss: Tensor, function: Loss | None) -> str:
    if not _numbers(scores):
        return ""
    if spread_out(scores, target, batch, loss, function):
        return "broadcast"
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if _takes_log_rates(wide, target, loss):
        return "rates as logarithms"
    if target.is_floating_point():
        return _of_chances(wide, target, loss)
    return next(_of_classes(wide, target, loss, _rounding(scores)), "")


def _numbers(scores: Tensor) -> bool:
    return scores.is_floating_point() and scores.numel() > 0 and scores.element_size() > 1


def _rounding(scores: Tensor) -> float:
    return _ROUNDINGS * torch.finfo(scores.dtype).eps


def watched(seen: tuple[Compared, ...]) -> Iterator[str]:
    """What a loss hands to torch's losses, in the words of :func:`misfit`."""
    if spread_inside(seen):
        yield "broadcast"
    if repeated_inside(seen):
        yield "repeated"
    yield from filter(None, map(_unfit, seen))
    for each in seen:
        if each.kind not in _OTHERS and _numbers(each.mine) and each.mine.ndim >= _MATRIX:
            yield from _unlikely(each)
    if any(each.kind == "variance" for each in seen):
        yield "variance"


def _unfit(each: Compared) -> str:
    """What torch's losses of chances, of variances and of margins are given."""
    numbers = _numbers(each.mine)
    if each.kind == "chances" and numbers and _chances(each.mine) and not _level(each.mine):
        return "chances as logits"
    if each.kind in {"chances", "cross-entropy"} and numbers and _rectified(each.mine):
        return "rectified scores"
    return "one side" if each.kind == "margins" and _zeros_and_ones(each.theirs) else ""


def _unlikely(each: Compared) -> Iterator[str]:
    """What likelihoods are given in the place of log-probabilities, and cross-entropies in that of scores."""
    axis, rounding = -1 if each.kind == "ctc" else 1, _rounding(each.mine)
    shares = _chances(each.mine) and _sums_to_one(each.mine.movedim(axis, 1), rounding)
    if each.kind == "cross-entropy":
        if shares and each.mine.shape[1] > 1:
            yield "softmax twice"
    elif (each.kind != "kl" or _distribution(each.theirs)) and not _normalised(each.mine, axis):
        yield "no log" if shares else "no softmax"


def _over_samples(seen: tuple[Compared, ...], output: object, batch: Batch) -> bool:
    """A softmax that the loss takes of the output itself, over the only axis that is as long as the target."""
    if not isinstance(output, torch.Tensor) or not isinstance(batch.target, torch.Tensor) or not batch.target.ndim:
        return False
    samples = len(batch.target)
    if (
        batch.target.is_floating_point() and batch.target.shape != output.shape
    ):  # one distribution of classes, for all samples
        return False
    wide = samples > 1 and output.shape.count(samples) == 1 and output.numel() > samples
    return wide and any(
        each.kind == "softmax" and each.mine.shape == output.shape and output.shape[int(each.theirs)] == samples
        for each in seen
    )


def _zeros_and_ones(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all()) and bool((labels == 0).any())


def _distribution(target: Tensor) -> bool:
    """Along the axis of classes, as they are or as logarithms."""
    return any(
        _chances(each) and _sums_to_one(each, _rounding(target))
        for each in (target, target.exp())
        if target.is_floating_point() and target.ndim >= _MATRIX
    )


def _of_classes(output: Tensor, target: Tensor, loss: Tensor, rounding: float) -> Iterator[str]:
    if target.dtype == torch.bool or target.is_complex() or output.ndim < _MATRIX:
        return
    for scores, labels in pairs(output, target.long()):
        if scores.shape[1] > 1 and counts(scores, labels):
            within = _chances(scores)
            if within and same(F.cross_entropy(scores, labels, ignore_index=IGNORED), loss):
                yield "softmax twice" if _sums_to_one(scores, rounding) else "chances as logits"
            elif bool(loss != 0) and same(F.nll_loss(scores, labels, ignore_index=IGNORED), loss):
                yield from _of_likelihoods(scores, rounding)


def _of_likelihoods(scores: Tensor, rounding: float) -> Iterator[str]:
    if not _normalised(scores, 1):
        yield "no log" if _chances(scores) and _sums_to_one(scores, rounding) else "no softmax"


def _by_asking(scores: Tensor, batch: Batch, function: Loss | None) -> str:
    """For losses whose value nobody can recompute: they are asked about other scores."""
    return (
        _of_another_form(scores, batch, function)
        or _of_one_class(scores, batch, function)
        or _without_bottom(scores, batch, function)
    )


def _of_another_form(scores: Tensor, batch: Batch, function: Loss | None) -> str:
    """A loss that takes a softmax or a sigmoid of what is chances already."""
    if function is None or batch.target is None or scores.ndim < _MATRIX or not _chances(scores):
        return ""
    if isinstance(function, nn.BCEWithLogitsLoss):
        return "chances as logits"
    axes = [axis for axis in {1, scores.ndim - 1} if _sums_to_one(scores.movedim(axis, 1), _rounding(scores))]
    if any(scores.shape[axis] > 1 and _shiftless(scores, batch, function, axis) for axis in axes):
        return "softmax twice"
    return ""


def _of_one_class(scores: Tensor, batch: Batch, function: Loss | None) -> str:
    """One unit, and a loss that is zero whatever it answers: the logarithm of a softmax over it, which is 1."""
    if function is None or batch.target is None or scores.ndim < _MATRIX or scores.shape[1] != 1:
        return ""
    asked = answers(function, (scores, 2 * scores + 1, -scores), batch.target)
    return "one class" if asked and not any(bool(each) for each in asked) else ""


def _without_bottom(scores: Tensor, batch: Batch, function: Loss | None) -> str:
    """A likelihood of another form (a divergence, CTC) of numbers that are no log-probabilities."""
    axes, rounding = {1, scores.ndim - 1} if scores.ndim >= _MATRIX else set[int](), _rounding(scores)
    if any(_normalised(scores, axis) for axis in axes):
        return ""
    if not takes_logarithms(scores, batch, function):
        return ""
    likely = _chances(scores) and any(_sums_to_one(scores.movedim(axis, 1), rounding) for axis in axes)
    return "no log" if likely else "no softmax"


def _shiftless(scores: Tensor, batch: Batch, function: Loss, axis: int) -> bool:
    """Whether a loss takes a softmax over this axis; asked of chances alone, since a loss of chances may refuse others."""
    room = (1 - scores.amax(axis, keepdim=True)) / 2
    if float(room.max()) < _ROOM:
        return False
    asked = answers(function, (scores, scores + room, scores / 2), batch.target)
    return bool(asked) and same(asked[1], asked[0]) and not same(asked[2], asked[0])


def _takes_log_rates(scores: Tensor, target: Tensor, loss: Tensor) -> bool:
    """The likelihood of counts by the logarithms of their rates, of an output that is nowhere below zero."""
    counted = scores.shape == target.shape and not target.is_complex() and target.dtype != torch.bool
    if not counted or bool((scores < 0).any()) or bool((target < 0).any()):
        return False
    counts = target.to(scores.dtype)
    forms = ((full, reduction) for full in (False, True) for reduction in ("mean", "sum"))
    return any(same(F.poisson_nll_loss(scores, counts, full=full, reduction=how), loss) for full, how in forms)


def _of_chances(scores: Tensor, target: Tensor, loss: Tensor) -> str:
    """Against numbers from 0 to 1, in the same shape."""
    if scores.shape != target.shape:
        return ""
    labels = target.to(scores.dtype)
    if not _chances(target):
        return "no chances" if same(F.binary_cross_entropy_with_logits(scores, labels), loss) else ""
    several = scores.ndim >= _MATRIX and bool((labels.sum(1) >= _MATRIX).any())
    if several and scores.shape[1] > 1 and same(F.cross_entropy(scores, labels), loss):
        return "one of several"
    if not _chances(scores):
        return ""
    if several and _sums_to_one(scores, _rounding(scores)):
        return "one of several"
    return "chances as logits" if same(F.binary_cross_entropy_with_logits(scores, labels), loss) else ""


def _chances(value: Tensor) -> bool:
    return bool(((value >= 0) & (value <= 1)).all())


def _rectified(scores: Tensor) -> bool:
    """A tenth of the numbers or more are exactly zero, and none is below: what a ReLU leaves."""
    zero = scores == 0
    return bool((scores >= 0).all()) and _TENTH * scores.numel() < int(zero.sum()) < scores.numel()


def _level(scores: Tensor) -> bool:
    """One number throughout: a head of zeros gives 0, which is a chance by no sigmoid."""
    return scores.numel() > 1 and bool((scores == scores.flatten()[0]).all())


def _normalised(logarithms: Tensor, axis: int) -> bool:
    """Log-probabilities: what their normaliser is off, a small number before the logarithm for one, shows in no loss."""
    return bool((logarithms.logsumexp(axis).abs() <= _ROOM).all())


def _sums_to_one(scores: Tensor, rounding: float) -> bool:
    slack = rounding * max(1.0, float(scores.shape[1]) ** 0.5)
    return bool(((scores.sum(1) - 1).abs() <= slack).all())
