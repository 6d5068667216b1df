"""Losses of torch's by name; where the batch has no target, on one that is drawn to suit the output."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch.nn import functional as F

from initium.errors import LossError
from initium.network import tensors_in
from initium.random import normal_, uniform_
from initium.signal import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from initium.random import Stream
    from initium.records import Signal

_IMAGE = 4


class _Kind(NamedTuple):
    """What a loss compares with the output: classes, or values that are told."""

    function: Callable[..., Any]
    draw: Callable[[Tensor, Stream], Tensor]
    told: str = ""

    @property
    def classes(self) -> bool:
        return not self.told


def _drawn_classes(scores: Tensor, stream: Stream) -> Tensor:
    shape = (*scores.shape[:1], *scores.shape[2:]) if scores.ndim > 1 else ()
    even = uniform_(torch.empty(shape), stream) * scores.shape[min(1, scores.ndim - 1)]
    return even.long().to(scores.device)


def _drawn_chances(scores: Tensor, stream: Stream) -> Tensor:
    return (uniform_(torch.empty(scores.shape), stream) >= 1 / 2).to(scores)


def _drawn_values(scores: Tensor, stream: Stream) -> Tensor:
    return normal_(torch.empty(scores.shape), stream).to(scores)


_EVEN, _NORMAL = "zeros and ones, one as often as the other", "standard normal values"
NAMED: Mapping[str, _Kind] = {
    "cross_entropy": _Kind(F.cross_entropy, _drawn_classes),
    "nll": _Kind(F.nll_loss, _drawn_classes),
    "bce_with_logits": _Kind(F.binary_cross_entropy_with_logits, _drawn_chances, _EVEN),
    "bce": _Kind(F.binary_cross_entropy, _drawn_chances, _EVEN),
    "mse": _Kind(F.mse_loss, _drawn_values, _NORMAL),
    "l1": _Kind(F.l1_loss, _drawn_values, _NORMAL),
}


def loss_named(text: str, stream: Stream) -> NamedLoss | None:
    """The loss of a name, written with ``_`` or ``-``; ``None`` where no loss has it."""
    name = text.replace("-", "_")
    return NamedLoss(name, stream) if name in NAMED else None


@final
class NamedLoss:
    """``loss(output)`` on a target that is drawn, ``loss(output, target)`` on the batch's own.

    The same target is drawn at every call, and ``told`` says in words what it was.
    """

    def __init__(self, name: str, stream: Stream) -> None:
        self.__name__ = name
        self.told = ""
        self._kind, self._stream = NAMED[name], stream

    def __call__(self, output: object, target: object = None) -> Tensor:
        """The mean loss."""
        scores, where = self._scores(output)
        if isinstance(target, torch.Tensor):
            self.told = f"{self.__name__}({where}, target)"
            scores, own = _fitted(scores, target, self._kind)
        else:
            axis = _class_axis(scores)
            count = scores.shape[axis]
            classes = (
                f"{count} classes evenly, along axis {axis % scores.ndim} of {tuple(scores.shape)}; "
                f"guessing costs log {count} = {math.log(count):.4g}"
            )
            drawn = classes if self._kind.classes else self._kind.told
            self.told = f"{self.__name__}({where}, target); the batch has no target, so one was drawn: {drawn}"
            scores = scores.movedim(axis, min(1, scores.ndim - 1)) if self._kind.classes else scores
            own = self._kind.draw(scores.detach(), self._stream)
        return self._kind.function(scores, own)

    def _scores(self, output: object) -> tuple[Tensor, str]:
        answered, where = answer(output)
        found = [each for each in tensors_in(answered) if each.is_floating_point() and each.ndim]
        if not found:
            raise LossError("the output holds no tensor of floats with an axis")
        return found[0], where if found[0] is answered else f"the first tensor of {where}"


def _class_axis(scores: Tensor) -> int:
    """Classes are last in vectors, of samples and of positions (samples, positions, classes); of images they are channels."""
    return 1 if scores.ndim >= _IMAGE else -1


def _fitted(scores: Tensor, target: Tensor, kind: _Kind) -> tuple[Tensor, Tensor]:
    """As torch's function takes them: classes on axis 1, values in the output's shape and dtype."""
    if not kind.classes:
        return scores, (target.reshape(scores.shape) if target.numel() == scores.numel() else target).to(scores)
    if target.is_floating_point():  # shares of the classes, in the output's shape
        return scores, target.to(scores)
    first = scores.shape[:1] + scores.shape[2:] == target.shape
    last = scores.ndim > 1 and scores.shape[:-1] == target.shape
    return (scores.movedim(-1, 1) if last and not first else scores), target.long()


def said(signal: Signal, loss: object, *, noted: bool = False) -> Signal:
    """The signal, its objective in the words of the loss that was named; in a note too, where no objective is shown."""
    if not isinstance(loss, NamedLoss) or not loss.told:
        return signal
    return replace(signal, objective=loss.told, notes=(loss.told, *signal.notes) if noted else signal.notes)
