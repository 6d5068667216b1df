"""MetaInit: the norms at which a step of gradient descent meets the least curvature."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, SupportsFloat

import torch

from initium.calibrate._commit import commit
from initium.calibrate._learned import (
    fixed,
    gradients,
    learning,
    left,
    loss_at,
    norm_of,
    scaled,
    together,
    trained,
    used_gradients,
)
from initium.checks import integer, number, positive
from initium.errors import ArgumentError, BatchError, LossError
from initium.network import as_batch
from initium.records import Receipt, ReceiptRow
from initium.signal import check_loss, needs_values
from initium.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from initium.network import Batch
    from initium.signal import Loss

# What keeps the quotient finite where a gradient is zero: the paper's.
_EPS = 1e-5
# A step takes no more than this share of a norm, so that none reaches zero.
_MOST = 0.5


def metainit(
    model: nn.Module,
    batch: object,
    loss: Loss | None = None,
    *,
    steps: int = 500,
    lr: SupportsFloat = 0.1,
    momentum: SupportsFloat = 0.9,
) -> Receipt:
    r"""Tunes the norm of every weight so that the gradient changes least along a step of gradient descent.

    $$GQ = \frac{1}{N} \left\| \frac{g - H g}{g + \epsilon \cdot \text{sign}(g)} - 1 \right\|_1, \qquad
    m \leftarrow \mu m - \eta \, \text{sign} \frac{\partial GQ}{\partial \|w\|}, \qquad \|w\| \leftarrow \|w\| + m$$

    with the gradient g of the loss and its Hessian H at all N trained parameters, $\epsilon = 10^{-5}$, and sign(0) = 1.

    Only norms change, of every trained parameter of two or more axes, whatever layer it is in: the model is called as it
    is, on other values. Attention and recurrent layers run in their plain form, because their fused kernels have no second
    derivative. Each step is a forward pass and the derivative of a Hessian-vector product: about as much time as eight
    forward passes, and several times the memory of a training step. The norms of the step with the smallest quotient are
    kept, so it never ends higher than it began. All or nothing: an error, an interrupt or a value that is not finite
    leaves the model as it was, bit for bit.

    The model runs in its own train or eval mode, and every step draws the same dropout masks (the paper's runs in eval).

    Args:
        model: Any module with real tensors; it need not be traceable.
        batch: A tensor, a tuple of positional arguments, a dict of keyword arguments, or :class:`~initium.network.Batch`,
            with the target that the loss takes. The paper's is noise: inputs from N(0, 1) and random classes.
        loss: ``loss(output)``, or ``loss(output, target)`` where the batch has a target; without it ``output.loss`` where
            there is one, else a fixed random linear function of the output.
        steps: How many.
        lr: By how much a norm moves in the first step, in units of the norm, > 0.
        momentum: Of the moves, in [0, 1).

    Returns:
        A receipt with a row for each weight: its norm before, the factor, its norm after. The notes have the quotient
        before and after.

    Raises:
        ArgumentError: A number out of its range, or a tensor on ``meta``, or a parameter of inference mode.
        BatchError: The batch is empty, holds NaN or does not fit the model; or the loss or the quotient is not finite.
        LossError: The loss is not one real number with a gradient, or has no second derivative; or nothing is trained.
        PlanError: A weight is too large for its dtype.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import metainit
        >>> from initium.network import Batch
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        >>> _ = net[0].weight.data.mul_(3), net[2].weight.data.mul_(3)
        >>> batch = Batch((torch.randn(64, 8),), target=torch.arange(64) % 4)
        >>> receipt = metainit(net, batch, nn.functional.cross_entropy, steps=50)
        >>> all(row.factor < 1 for row in receipt.rows), receipt.notes[0].partition(" ")[0]
        (True, 'gradient')

    Reference:
        Dauphin & Schoenholz (2019), "MetaInit", eq. (1) and algorithm 1.

    Deviation:
        The best step is kept, and not the last; a step takes at most half of a norm; a parameter without a gradient
        does not count in N.
    """
    given, count, rate, decay = as_batch(batch), integer(steps, "steps", 1), positive(lr, "lr"), _share(momentum)
    check_loss(loss)
    needs_values(model, "metainit", given, gradients=True)
    values, rest = trained(model), fixed(model)
    norms = {name: norm_of(value) for name, value in values.items() if value.ndim > 1}  # the paper's: matrices alone
    norms = {name: norm for name, norm in norms.items() if norm > 0}
    if not norms:
        raise LossError(
            "metainit tunes the norms of matrices that are trained, and there is none: are all frozen or zero?"
        )
    with learning(model):
        found = _Search(model, given, loss, values=values, rest=rest, norms=norms).run(count, rate, decay)
    factors = {name: found.norms[name] / norm for name, norm in norms.items()}
    new = scaled(values, factors)
    receipt = Receipt(
        action=f"metainit steps={count} lr={rate:g} momentum={decay:g}",
        seed=None,
        rows=tuple(_row(name, norms[name], factors[name], new.get(name, values[name])) for name in norms),
        notes=(
            f"gradient quotient {found.first:.6g}, after {found.least:.6g} at step {found.step} of {count}",
            *left(model, norms),
        ),
    )
    commit(model, new)
    return receipt


def _row(name: str, before: float, factor: float, value: Tensor) -> ReceiptRow:
    return ReceiptRow(name, before, factor, norm_of(value), "norm, by sign descent on the gradient quotient")


class _Search:
    """Sign descent with momentum on the norms, and the best that it met."""

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        loss: Loss | None,
        *,
        values: Mapping[str, Tensor],
        rest: Mapping[str, Tensor],
        norms: Mapping[str, float],
    ) -> None:
        self._model, self._batch, self._loss = model, batch, loss
        self._values, self._rest, self._start = values, rest, norms
        self.norms, self.first, self.least, self.step = dict(norms), math.inf, math.inf, 0

    def run(self, steps: int, lr: float, momentum: float) -> _Search:
        now, moves = dict(self._start), dict.fromkeys(self._start, 0.0)
        with progress("metainit", steps) as tick:
            for step in range(steps + 1):  # the last one is only looked at
                quotient, slopes = self._look(now, last=step == steps)
                if quotient < self.least:
                    self.norms, self.least, self.step = dict(now), quotient, step
                self.first = quotient if step == 0 else self.first
                for name, slope in slopes.items():
                    moves[name] = momentum * moves[name] - lr * math.copysign(float(slope != 0), slope)
                    moves[name] = max(moves[name], -_MOST * now[name])
                    now[name] += moves[name]
                if step < steps:
                    tick(f"gradient quotient {quotient:.4g}")
        return self

    def _look(self, norms: Mapping[str, float], *, last: bool) -> tuple[float, dict[str, float]]:
        """The quotient at these norms, and its slope along each."""
        free = {
            name: torch.tensor(norm / self._start[name], dtype=torch.float64, device="cpu").requires_grad_()
            for name, norm in norms.items()
        }
        at = {
            name: value * free[name].to(value.device, value.dtype) if name in free else value.clone().requires_grad_()
            for name, value in self._values.items()
        }
        value = gradient_quotient(
            loss_at(self._model, {**self._rest, **at}, self._batch, self._loss), list(at.values())
        )
        quotient = float(value.detach())
        if not math.isfinite(quotient):
            raise BatchError(
                f"the gradient quotient is {quotient}: a gradient of this loss, or its curvature, is not finite. Nothing was "
                "changed. Start from smaller weights, a smaller lr, or in float64."
            )
        slopes = (
            [torch.zeros((), device="cpu")] * len(free) if last else gradients(value, list(free.values()), again=False)
        )
        return quotient, {name: float(slope) for name, slope in zip(free, slopes, strict=True)}


def gradient_quotient(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """How much the gradient changes, element by element, along a step of gradient descent of rate 1; differentiable.

    Raises:
        LossError: The loss depends on none of them, or has no second derivative.
    """
    first = used_gradients(loss, parameters, again=True)
    used = [(given, grad) for given, grad in zip(parameters, first, strict=True) if grad is not None]
    square = together([_wide(grad).square().sum() for _, grad in used]) / 2
    curved = gradients(square, [given for given, _ in used], again=True)
    apart = [_apart(grad, product) for (_, grad), product in zip(used, curved, strict=True)]
    return together([each.sum() for each in apart]) / sum(given.numel() for given, _ in used)


def _apart(grad: Tensor, product: Tensor) -> Tensor:
    grad, product = _wide(grad), _wide(product)
    away = torch.where(grad.detach() >= 0, _EPS, -_EPS).to(grad.dtype)
    return ((grad - product) / (grad + away) - 1).abs()


def _wide(grad: Tensor) -> Tensor:
    return grad.to(torch.promote_types(grad.dtype, torch.float32))


def _share(given: SupportsFloat) -> float:
    value = number(given, "momentum")
    if not 0 <= value < 1:
        raise ArgumentError(f"momentum is a number in [0, 1); got {given!r}.")
    return value
