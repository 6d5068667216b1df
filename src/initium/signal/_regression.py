"""Whether the loss compares numbers, proved by asking it and not guessed from its name; and how far off the target is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.network import Bounds, map_tensors, tensors_in
from initium.records import TargetRow
from initium.signal._asking import asking
from initium.signal._fetched import fetched
from initium.signal._inside import inside
from initium.signal._moments import all_moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._inside import Compared
    from initium.signal._objective import Loss

# What a loss of nothing may be beside the loss, and by how much the loss of twice as much has to differ.
_NOTHING, _FELT = 1e-6, 0.01


def regression(
    output: object, batch: Batch, loss: Tensor | None, function: Loss | None, ends: Sequence[Bounds] = ()
) -> TargetRow | None:
    r"""The target beside the output where the loss is a distance between them that feels their size, else ``None``.

    Formula:
        A distance has ``L(t, t) = 0`` and ``L(y, t) > 0``. It feels the size where ``L(2 y, 2 t)`` is not ``L(y, t)``: a cosine
        and a relative error do not, nor does a loss of chances, which takes no numbers above 1. Where the shapes differ, the loss is
        watched: a difference, or a distance of torch's, of some of an output's numbers and the whole target.

    Args:
        output: What the model returned.
        batch: With the target, or several.
        loss: The loss that was computed; ``None`` for none.
        function: What computed it, to be asked again.
        ends: Between which numbers each tensor of the output lies.
    """
    if loss is None or function is None:
        return None
    targets = [each for each in tensors_in(batch.target) if each.is_floating_point() and each.numel()]
    target = batch.target
    answers = [each.detach() for each in tensors_in(output) if each.is_floating_point() and each.numel()]
    if (
        isinstance(output, torch.Tensor)
        and isinstance(target, torch.Tensor)
        and output.shape == target.shape
        and targets
    ):
        distant = bool(answers) and _is_distance(answers[0], target, float(loss.detach()), function)
        return _row(answers[0], target, ends[0] if len(ends) == 1 else Bounds()) if distant else None
    picked = (each for each in inside(output, batch, function) if each.kind == "distance")
    return next(
        (
            _row(each.mine, each.theirs, _end_of(each.mine, output, ends))
            for each in picked
            if any(_are_picked(each, answers, mine) for mine in targets)
        ),
        None,
    )


def _are_picked(pair: Compared, answers: list[Tensor], target: Tensor) -> bool:
    """Some of an output's own numbers (an action's value) beside all of the target's, or one column of it, in one shape."""
    mine, theirs = pair.mine, pair.theirs
    columns = target.reshape(len(target), -1).unbind(1) if target.ndim > 1 else ()
    whole = (each for each in (target, *columns) if each.numel() == theirs.numel() > 1)
    same = mine.shape == theirs.shape and any(bool((theirs.flatten() == each.flatten()).all()) for each in whole)
    return same and any(mine.dtype == each.dtype and bool(torch.isin(mine, each).all()) for each in answers)


def _is_distance(output: Tensor, target: Tensor, loss: float, function: Loss) -> bool:
    if not (math.isfinite(loss) and loss > 0):
        return False
    asked = [(target.to(output.dtype), target), (2 * output, 2 * target)]
    try:
        with asking(function):
            itself, twice = (float(function(mine.clone(), map_tensors(theirs, torch.clone))) for mine, theirs in asked)
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return False
    return abs(itself) <= _NOTHING * loss and math.isfinite(twice) and abs(twice / loss - 1) > _FELT


def _end_of(mine: Tensor, output: object, ends: Sequence[Bounds]) -> Bounds:
    """What bounds the tensor of the output that is compared whole, be it in another shape."""
    tensors = tensors_in(output)
    if len(tensors) != len(ends):
        return Bounds()
    whole = (
        end
        for each, end in zip(tensors, ends, strict=True)
        if each.numel() == mine.numel() and torch.equal(each.detach().flatten(), mine.flatten())
    )
    return next(whole, Bounds())


def _row(output: Tensor, target: Tensor, end: Bounds) -> TargetRow:
    of_target, of_output = all_moments(target), all_moments(output)
    away = all_moments(output.to(torch.promote_types(output.dtype, torch.float32)) - target)
    (found,) = fetched(
        [
            {
                "rms": of_target.rms,
                "mean": of_target.total_mean,
                "std": of_target.std,
                "largest": of_target.largest,
                "away": away.rms,
                "out_std": of_output.std,
                "lowest": target.min().to(of_target.std),
                "highest": target.max().to(of_target.std),
                "missed": _missed(target, end).to(of_target.std),
            }
        ]
    )
    return TargetRow(**found, least=end.low, most=end.high, end=end.op)


def _missed(target: Tensor, end: Bounds) -> Tensor:
    """The mean square of what lies beyond, as a share of the variance: no answer makes it less."""
    wide = target.detach().to(torch.float32)
    if end.free:
        return wide.new_zeros(())
    beyond = (wide - wide.clamp(end.low, end.high)).square().mean()
    return torch.where(beyond > 0, beyond / wide.var(correction=0), 0.0)
