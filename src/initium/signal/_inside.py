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
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from initium.network import Batch
    from initium.signal._objective import Loss

_ERRORS: frozenset[Any] = frozenset({F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss})
_DISTANCES: frozenset[Any] = _ERRORS | {
    torch.sub,
    torch.subtract,
    torch.Tensor.sub,
    torch.Tensor.__sub__,
    torch.Tensor.__rsub__,
}
_PRODUCTS: frozenset[Any] = frozenset(
    {torch.mul, torch.multiply, torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__}
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
    """One comparison: its kind (``distance``; ``error``, of torch's own of unlike shapes; ``own``, of two that learn; ``product``, ``nll``, ``kl``, ``ctc``, ``cross-entropy``, ``chances``, ``margins``, ``variance``, ``softmax``: over which axis), what learns, and with what."""

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
    if function is None:
        return ()
    given = [map_tensors(output, _learning)]
    if batch.target is not None:
        given.append(map_tensors(batch.target, torch.clone))
    watch = _Watch()
    try:
        with asking(function), torch.enable_grad(), watch:
            function(*given)
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
        given = dict(kwargs or {})
        tensors = [each for each in (*args, *given.values()) if isinstance(each, torch.Tensor)]
        if func in _SOFTMAXES:
            self.seen += _softmax(tensors, given.get("dim", args[1] if len(args) > 1 else None))
        elif func is F.gaussian_nll_loss:
            self.seen += _variance(given.get("var", args[2] if len(args) > 2 else None))  # noqa: PLR2004 - after mean and target
        elif func in _MARGINS:
            self.seen += _margins(tensors)
        elif func in _DISTANCES | _PRODUCTS or func in _LIKELIHOODS:
            self.seen += _pair(func, tensors[:2])
        return func(*args, **given)


def _softmax(tensors: Sequence[Tensor], axis: object) -> Iterator[Compared]:
    if isinstance(axis, int) and tensors and tensors[0].requires_grad:
        yield Compared("softmax", tensors[0].detach(), torch.tensor(axis))


def _variance(value: object) -> Iterator[Compared]:
    if isinstance(value, torch.Tensor) and value.requires_grad:
        yield Compared("variance", value.detach(), value.detach())


def _margins(tensors: Sequence[Tensor]) -> Iterator[Compared]:
    if len(tensors) > 1 and tensors[0].requires_grad and not tensors[-1].requires_grad:
        yield Compared("margins", tensors[0].detach(), tensors[-1].detach())


def _pair(func: Callable[..., Any], pair: Sequence[Tensor]) -> Iterator[Compared]:
    """What depends on the output beside what does not; of a difference, also two that both do."""
    learning = [each.requires_grad for each in pair]
    mine, *theirs = (each.detach() for each in sorted(pair, key=lambda each: not each.requires_grad))
    if sorted(learning) == [False, True]:
        kind = "distance" if func in _DISTANCES else "product" if func in _PRODUCTS else _LIKELIHOODS[func]
        yield Compared(kind, mine, theirs[0])
        if func in _ERRORS and mine.shape != theirs[0].shape:
            yield Compared("error", mine, theirs[0])
    elif func in _DISTANCES and learning == [True, True]:
        yield Compared("own", mine, theirs[0])
