"""Whether a loss compares each answer with each target: the shapes broadcast where nobody meant it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from initium.signal._asking import asking
from initium.signal._classes import same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_DIFFERENCES: frozenset[Any] = frozenset(
    {
        torch.sub,
        torch.subtract,
        torch.Tensor.sub,
        torch.Tensor.__sub__,
        torch.Tensor.__rsub__,
        F.mse_loss,
        F.l1_loss,
        F.smooth_l1_loss,
        F.huber_loss,
    }
)
_COLUMN, _PAIR = 2, 2


def spread_out(output: Tensor, target: Tensor, batch: Batch, loss: Tensor, function: Loss | None) -> bool:
    """Whether the loss compares each number with each: a column against a row, as they are given or inside of it.

    Args:
        output: What the model returned.
        target: What it is compared with.
        batch: Where the target comes from: labels that the model itself compares are its own affair.
        loss: The loss that was computed.
        function: What computed it.
    """
    if function is None or batch.target is None or output.shape == target.shape:
        return False
    return _as_given(output, target, loss, function) or _inside(output, target, function)


def _as_given(output: Tensor, target: Tensor, loss: Tensor, function: Loss) -> bool:
    if output.numel() != target.numel():
        return False
    try:
        wide = torch.broadcast_shapes(output.shape, target.shape)
        if wide.numel() == output.numel():
            return False
        with asking(function):
            asked = function(output.expand(wide).clone(), target.expand(wide).clone())
    except Exception:  # noqa: BLE001 - shapes that do not broadcast, and somebody's loss, which need not answer this question
        return False
    return isinstance(asked, torch.Tensor) and asked.numel() == 1 and same(asked, loss)


def _inside(output: Tensor, target: Tensor, function: Loss) -> bool:
    """A difference of a column of what the output gives and a row of what it does not give (an action's value, a return)."""
    if target.ndim != 1 or target.numel() < _PAIR or not target.is_floating_point():
        return False
    try:
        with asking(function), torch.enable_grad(), _Differences(target.numel()) as seen:
            function(output.detach().clone().requires_grad_(), target.clone())
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return False
    return seen.met


class _Differences(TorchFunctionMode):
    """Looks whether a column that carries a gradient meets a row of as many that carries none, or the other way round."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._shapes = [(count,), (count, 1)]
        self.met = False

    def __torch_function__(  # noqa: PLW3201 - torch's own name
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function gives
        if func in _DIFFERENCES:
            given = [each for each in (*args, *(kwargs or {}).values()) if isinstance(each, torch.Tensor)]
            odd = sorted(tuple(each.shape) for each in given) == self._shapes
            self.met |= odd and given[0].requires_grad != given[1].requires_grad
        return func(*args, **(kwargs or {}))
