"""What a loss compares inside of itself: it is run once more, and watched.

A loss may pick of the output what it compares (an action's value), take a part of several outputs, or make chances of scores itself.
Its value alone does not tell; the calls that it makes of torch's own losses do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from initium.network import map_tensors
from initium.signal._asking import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_DISTANCES: frozenset[Any] = frozenset(
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
_LIKELIHOODS: Mapping[Any, str] = {
    F.nll_loss: "nll",
    F.kl_div: "kl",
    F.ctc_loss: "ctc",
    F.cross_entropy: "cross-entropy",
    F.binary_cross_entropy_with_logits: "chances",
}
_SOFTMAXES: frozenset[Any] = frozenset(
    {F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, torch.Tensor.softmax, torch.Tensor.log_softmax}
)
# These take labels -1 and 1, after one value or two.
_MARGINS: frozenset[Any] = frozenset(
    {F.hinge_embedding_loss, F.margin_ranking_loss, F.soft_margin_loss, F.cosine_embedding_loss}
)


class Compared(NamedTuple):
    """One comparison: its kind (``distance``, ``nll``, ``kl``, ``ctc``, ``cross-entropy``, ``chances``, ``margins``, ``softmax``: over which axis), what learns, and with what."""

    kind: str
    mine: Tensor
    theirs: Tensor


def inside(output: object, batch: Batch, function: Loss | None) -> tuple[Compared, ...]:
    """The comparisons of what depends on the output with what does not; none where the loss does not run again.

    Args:
        output: What the model returned.
        batch: With the target; labels that the model itself compares are its own affair.
        function: The loss.
    """
    if function is None or batch.target is None:
        return ()
    given = map_tensors(output, _learning)
    watch = _Watch()
    try:
        with asking(function), torch.enable_grad(), watch:
            function(given, map_tensors(batch.target, torch.clone))
    except Exception:  # noqa: BLE001 - somebody's loss, which need not answer this question
        return ()
    return tuple(watch.seen)


def _learning(value: Tensor) -> Tensor:
    mine = value.detach().clone()
    return mine.requires_grad_() if mine.is_floating_point() else mine


class _Watch(TorchFunctionMode):
    """Notes the calls of torch's losses, and differences; what they call themselves goes unseen."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Compared] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function gives
        if func in _SOFTMAXES:
            axis = (kwargs or {}).get("dim", args[1] if len(args) > 1 else None)
            if isinstance(axis, int) and isinstance(args[0], torch.Tensor) and args[0].requires_grad:
                self.seen.append(Compared("softmax", args[0].detach(), torch.tensor(axis)))
        if func in _MARGINS:
            given = [each for each in (*args, *(kwargs or {}).values()) if isinstance(each, torch.Tensor)]
            if len(given) > 1 and given[0].requires_grad and not given[-1].requires_grad:
                self.seen.append(Compared("margins", given[0].detach(), given[-1].detach()))
        kind = "distance" if func in _DISTANCES else _LIKELIHOODS.get(func, "")
        if kind:
            pair = [each for each in (*args, *(kwargs or {}).values()) if isinstance(each, torch.Tensor)][:2]
            learning = [each.requires_grad for each in pair]
            if sorted(learning) == [False, True]:
                mine, theirs = pair if learning[0] else reversed(pair)
                self.seen.append(Compared(kind, mine.detach(), theirs.detach()))
        return func(*args, **(kwargs or {}))
