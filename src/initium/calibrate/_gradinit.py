"""GradInit: one factor a parameter, so that the first step of training lowers the loss most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, SupportsFloat

import torch

from initium.calibrate._batches import endless, is_one
from initium.calibrate._commit import commit
from initium.calibrate._learned import (
    any_loss_at,
    fixed,
    gradients,
    learning,
    left,
    loss_at,
    norm_of,
    scaled,
    trained,
)
from initium.checks import integer, positive
from initium.errors import ArgumentError, BatchError, LossError, UnknownNameError
from initium.network import Batch
from initium.records import Receipt, ReceiptRow
from initium.signal import check_loss, needs_values
from initium.terminal import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from initium.signal import Loss

Step = Literal["sgd", "adam"]
# What an optimiser's first step moves along, and the norm of the gradient that is dual to it.
_STEPS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "sgd": (lambda grad: grad, 2.0),
    "adam": (torch.sign, 1.0),
}


def gradinit(
    model: nn.Module,
    batches: object,
    loss: Loss | None = None,
    *,
    optimizer: Step = "sgd",
    lr: SupportsFloat = 0.1,
    gamma: SupportsFloat = 1.0,
    steps: int = 300,
    rate: SupportsFloat = 0.01,
    least: SupportsFloat = 0.01,
) -> Receipt:
    r"""Learns one factor for every parameter so that the loss after the first step of training is least.

    $$\min_\alpha L\big(\tilde S;\; \theta_\alpha - \eta A[g_\alpha]\big) \quad \text{subject to} \quad
    \|g_\alpha\|_p \le \gamma, \qquad g_\alpha = \nabla L(S; \theta_\alpha), \quad \theta_\alpha = \{\alpha_i w_i\}$$

    where A is the optimiser's step, the gradient itself and p = 2 for SGD, its sign and p = 1 for Adam, and $S$ and
    $\tilde S$ are a batch and the next one. Where the gradient is longer than $\gamma$, the factors follow the slope of its
    length downwards; else that of the loss after the step. They are moved by Adam, from 1, and never fall below ``least``.

    Every trained parameter has a factor, biases and scales of norms too, whatever layer it is in: the model is called as
    it is, on other values. Attention and recurrent layers run in their plain form, because their fused kernels have no
    second derivative. A step is about six forward passes in time. At the end both starts are held against each other on the
    first two batches, and the one with the shorter gradient, where it is above gamma, or else the smaller loss after the
    step is kept: it never ends higher than it began. All or nothing: an error, an interrupt or a value that is not finite
    leaves the model as it was, bit for bit.

    Args:
        model: Any module with real tensors, in the mode in which it will be trained; it need not be traceable.
        batches: One batch, or a list or a ``DataLoader`` of batches, which is begun anew when it ends: each as for
            :func:`lsuv` with the target that the loss takes. A list of two within it is an input and its target.
        loss: ``loss(output)``, or ``loss(output, target)`` where a batch has a target; without it ``output.loss`` where there
            is one, else a fixed random linear function of the output.
        optimizer: With what the model will be trained: ``"sgd"`` or ``"adam"``.
        lr: The learning rate of that training.
        gamma: What the gradient's norm may be: L2 for ``"sgd"``, L1 for ``"adam"``.
        steps: How often the factors are moved.
        rate: By how much, about.
        least: What no factor falls below.

    Returns:
        A receipt with a row for each parameter: its norm before, the factor, its norm after. The notes have the loss after
        one step, and the gradient's norm, before and after.

    Raises:
        ArgumentError: A number out of its range, or a tensor on ``meta``, or a parameter of inference mode.
        ArgumentTypeError: The batches are none.
        BatchError: A batch is empty, holds NaN or does not fit the model; or the loss is not finite.
        LossError: The loss is not one real number with a gradient, or has no second derivative; or nothing is trained.
        PlanError: A parameter is too large for its dtype.
        UnknownNameError: ``optimizer`` is no known step.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from initium.calibrate import gradinit
        >>> from initium.network import Batch
        >>> _ = torch.manual_seed(0)
        >>> net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        >>> _ = net[2].weight.data.mul_(30)
        >>> batch = Batch((torch.randn(64, 8),), target=torch.arange(64) % 4)
        >>> receipt = gradinit(net, batch, nn.functional.cross_entropy, steps=50)
        >>> receipt.rows[2].name, receipt.rows[2].factor < 1
        ('2.weight', True)

    Reference:
        Zhu et al. (2021), "GradInit", eq. (1) and algorithm 1.

    Deviation:
        The two batches of a step are one after the other; in the paper the second shares half of the first. The better of
        the two ends is kept. The defaults of lr and gamma are the paper's, steps and rate are not.
    """
    if optimizer not in _STEPS:
        raise UnknownNameError(f"optimizer={optimizer!r} is no known step; known: {', '.join(map(repr, _STEPS))}.")
    count, how = integer(steps, "steps", 1), _How(*_STEPS[optimizer], positive(lr, "lr"), positive(gamma, "gamma"))
    pace, floor = positive(rate, "rate"), _floor(least)
    check_loss(loss)
    needs_values(model, "gradinit", Batch(), gradients=True)
    values, rest = trained(model), fixed(model)
    values = {name: value for name, value in values.items() if bool(value.any())}
    with learning(model):
        found = _Search(model, batches, loss, how, values=values, rest=rest).run(count, pace, floor)
    new = scaled(values, found.factors)
    receipt = Receipt(
        action=f"gradinit optimizer={optimizer} lr={how.lr:g} gamma={how.gamma:g} steps={count}",
        seed=None,
        rows=tuple(_row(name, value, found.factors[name], new.get(name, value)) for name, value in values.items()),
        notes=(*_told(found, how, single=is_one(batches)), *left(model, values)),
    )
    commit(model, new)
    return receipt


def _floor(given: SupportsFloat) -> float:
    floor = positive(given, "least")
    if floor > 1:
        raise ArgumentError(f"least is a factor that none falls below, and all begin at 1; got {given!r}.")
    return floor


def _row(name: str, before: Tensor, factor: float, after: Tensor) -> ReceiptRow:
    return ReceiptRow(name, norm_of(before), factor, norm_of(after), "norm, for the loss after one step")


@dataclass(frozen=True, slots=True)
class _How:
    """The first step of training: its direction, the norm that is bounded, its rate and the bound."""

    direction: Callable[[Tensor], Tensor]
    order: float
    lr: float
    gamma: float


@dataclass(frozen=True, slots=True)
class _Stand:
    """How a start stands: the gradient's norm, and the loss after one step (infinite where that step overflows)."""

    norm: float
    loss: float


@dataclass(frozen=True, slots=True)
class _Found:
    """The factors that are kept, and how both starts stand."""

    factors: dict[str, float]
    before: _Stand
    after: _Stand
    learned: bool


def _told(found: _Found, how: _How, *, single: bool) -> list[str]:
    order = f"L{how.order:g} norm of the gradient"
    told = [
        f"loss after one step {found.before.loss:.6g}, after {found.after.loss:.6g}",
        f"{order} {found.before.norm:.6g}, after {found.after.norm:.6g}, bound {how.gamma:g}",
    ]
    if not found.learned:
        told.append("what was learned is no better on the first batches: every factor is 1")
    if single:
        told.append("one batch was given: the step and the loss after it are on the same samples")
    return told


class _Search:
    """The factors on their way."""

    def __init__(
        self,
        model: nn.Module,
        batches: object,
        loss: Loss | None,
        how: _How,
        *,
        values: Mapping[str, Tensor],
        rest: Mapping[str, Tensor],
    ) -> None:
        self._model, self._batches, self._loss, self._how = model, batches, loss, how
        self._values, self._rest = values, rest

    def run(self, steps: int, rate: float, least: float) -> _Found:
        if not self._values:
            raise LossError(
                "gradinit learns a factor for each trained parameter, and there is none: are all frozen or zero?"
            )
        coming = endless(self._batches)
        this, following = next(coming), next(coming)
        first = this, following
        needs_values(self._model, "gradinit", this, gradients=True)
        factors = {name: torch.ones((), requires_grad=True, device="cpu") for name in self._values}
        mover = torch.optim.Adam(factors.values(), lr=rate)
        before = self._stand(dict.fromkeys(factors, 1.0), *first)
        with progress("gradinit", steps) as tick:
            for _ in range(steps):
                words, slopes = self._slopes(factors, this, following)
                for factor, slope in zip(factors.values(), slopes, strict=True):
                    factor.grad = slope
                with torch.device("cpu"):  # where Adam of torch 2.6 would else count its steps: on the caller's default
                    mover.step()
                with torch.no_grad():
                    for factor in factors.values():
                        factor.clamp_(min=least)
                this, following = following, next(coming)
                tick(words)
        learned = {name: float(factor.detach()) for name, factor in factors.items()}
        after = self._stand(learned, *first)
        if self._key(after) <= self._key(before):
            return _Found(learned, before, after, learned=True)
        return _Found(dict.fromkeys(learned, 1.0), before, before, learned=False)

    def _key(self, stand: _Stand) -> tuple[float, float]:
        """Smaller is better: within the bound first, then the loss."""
        return max(stand.norm, self._how.gamma), stand.loss

    def _slopes(self, factors: Mapping[str, Tensor], this: Batch, following: Batch) -> tuple[str, list[Tensor]]:
        """The slopes of what is to be lowered, along each factor."""
        at = self._at(factors)
        norm, grads = self._gradient(at, this)
        if float(norm.detach()) > self._how.gamma:
            aim, words = norm, f"gradient {float(norm.detach()):.4g}"
        else:
            aim = self._after(at, grads, following)
            words = f"loss after a step {float(aim.detach()):.4g}"
        slopes = gradients(aim, list(factors.values()), again=False)
        for name, slope in zip(factors, slopes, strict=True):
            if not math.isfinite(float(slope)):
                raise BatchError(
                    f"the slope of {words} along the factor of `{name}` is {float(slope)}. Nothing was changed. Start "
                    "from smaller weights, or work in float64."
                )
        return words, slopes

    def _stand(self, factors: Mapping[str, float], this: Batch, following: Batch) -> _Stand:
        at = self._at({name: torch.tensor(factor, device="cpu") for name, factor in factors.items()})
        norm, grads = self._gradient(at, this)
        after = float(any_loss_at(self._model, self._stepped(at, grads), following, self._loss).detach())
        # A first step that overflows is what the search is there to mend.
        return _Stand(float(norm.detach()), after if math.isfinite(after) else math.inf)

    def _at(self, factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters at these factors, each ready to be differentiated by."""
        at = {name: value * factors[name].to(value.device, value.dtype) for name, value in self._values.items()}
        return {name: value if value.requires_grad else value.requires_grad_() for name, value in at.items()}

    def _gradient(self, at: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, list[Tensor]]:
        value = loss_at(self._model, {**self._rest, **at}, batch, self._loss)
        grads = gradients(value, list(at.values()), again=True)
        wide = [grad.to(torch.promote_types(grad.dtype, torch.float32)) for grad in grads]
        norms = [torch.linalg.vector_norm(grad, self._how.order) for grad in wide if bool(grad.detach().any())]
        if not norms:
            return value.new_zeros(()), grads
        norm = torch.linalg.vector_norm(torch.stack([each.to(norms[0].device) for each in norms]), self._how.order)
        if not math.isfinite(float(norm.detach())):
            raise BatchError(
                f"the gradient's norm is {float(norm.detach())}. Nothing was changed. Start from weights at which it is "
                "finite: initium.lsuv(model, batch), or initium.initialize(model, batch)."
            )
        return norm, grads

    def _after(self, at: Mapping[str, Tensor], grads: list[Tensor], batch: Batch) -> Tensor:
        """The loss after one step of the optimiser."""
        return loss_at(self._model, self._stepped(at, grads), batch, self._loss)

    def _stepped(self, at: Mapping[str, Tensor], grads: list[Tensor]) -> dict[str, Tensor]:
        """All parameters after one step of the optimiser."""
        moved = {
            name: value - self._how.lr * self._how.direction(grad)
            for (name, value), grad in zip(at.items(), grads, strict=True)
        }
        return {**self._rest, **moved}
