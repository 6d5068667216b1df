"""What is differentiated: a loss, the output's own loss, or a random cotangent."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import nn

from initium.errors import LossError
from initium.network import map_tensors, tensors_in
from initium.signal._cotangent import cotangent

if TYPE_CHECKING:
    from torch import Tensor

    from initium.network import Batch

Loss: TypeAlias = Callable[..., Any]
"""``loss(output)``, or ``loss(output, target)`` where the batch has a target; a tensor of one real number."""

# Beside these a transformers output holds caches and hidden states: no part of what the model answers.
_ANSWERS = ("logits", "last_hidden_state")
_UNUSED = "the batch has a target, but no loss= to compare it with the output: the target was not used"


@dataclass(frozen=True, slots=True)
class Objective:
    """The roots of the backward pass.

    Attributes:
        roots: The tensors to differentiate; none where nothing in the output carries a gradient.
        cotangents: The gradient at each root; ``None`` for a loss.
        loss: The loss, ``None`` where cotangents take its place.
        text: The objective in words.
        notes: What a reader should know.
    """

    roots: tuple[Tensor, ...]
    cotangents: tuple[Tensor | None, ...]
    loss: Tensor | None
    text: str
    notes: tuple[str, ...] = ()

    def backward(self, leaves: list[Tensor]) -> None:
        """Runs the backward pass; only these leaves are given gradients, whatever else the loss depends on.

        Args:
            leaves: What is given a gradient; nothing is run where there is none.

        Raises:
            LossError: It has none.
        """
        if not (self.roots and leaves):
            return
        try:
            torch.autograd.backward(list(map(_pulled, self.roots, self.cotangents)), inputs=leaves)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise LossError(
                f"{self.text} cannot be differentiated: {reason}. Look for values that are changed in place after an "
                "operation that needs them on the way back."
            ) from error


def objective(output: object, batch: Batch, loss: Loss | None) -> Objective:
    """Chooses by what there is: the loss, else ``output.loss``, else the one number that a model gives, else a random cotangent.

    Args:
        output: What a model returned.
        batch: What it was called with, and its target.
        loss: The loss that was asked for.

    Returns:
        What is differentiated.

    Raises:
        LossError: The loss is not one real number, or has no gradient while the output has one, or cannot be called.
    """
    if loss is not None:
        text = "loss(output)" if batch.target is None else "loss(output, target)"
        try:
            value = _called(loss, output, batch)
        except LossError as error:
            if _finite(output):
                raise
            return replace(
                _of_cotangent(output, batch), notes=(f"the output is not finite, and the loss refuses it: {error}",)
            )
        return _of_loss(value, text, output)
    own = part(output, "loss")
    if own is not None:
        return _of_loss(own, "output.loss", output)
    numbers = _numbers(output)
    if numbers:
        return _of_loss(
            sum(numbers),
            "the one number of the output" if len(numbers) == 1 else "the sum of the output's numbers",
            output,
        )
    return _of_cotangent(output, batch)


def _numbers(output: object) -> list[Tensor]:
    """What a model that computes its loss itself gives: one number that learns, beside tensors of any shape; or a table of such alone.

    A table (``{"loss_box": ..., "loss_class": ...}``) is summed, as those who train such models do.
    """
    found = [tensor for tensor in tensors_in(output) if tensor.requires_grad and not tensor.is_complex()]
    numbers = [tensor for tensor in found if tensor.ndim == 0]
    others = [tensor for tensor in found if tensor.ndim]
    if not others:
        return numbers if len(numbers) == 1 or isinstance(output, Mapping) else []
    return numbers if len(numbers) == 1 and _made_of(numbers[0], others) else []  # a penalty is made of none of them


def _made_of(number: Tensor, others: list[Tensor]) -> bool:
    """Whether a number was computed from one of some tensors."""
    wanted = {tensor.grad_fn for tensor in others}
    seen, waiting = set[Any](), [number.grad_fn]
    while waiting:
        here = waiting.pop()
        if here in wanted:
            return True
        if here is not None and here not in seen:
            seen.add(here)
            waiting += [following for following, _ in here.next_functions]
    return False


class _Pull(torch.autograd.Function):
    """A number whose gradient at a tensor is the one that is given. Asked for gradients of tensors, torch loads an algebra system."""

    @staticmethod
    def forward(ctx: Any, root: Tensor, cotangent: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        ctx.save_for_backward(cotangent)
        return torch.zeros((), device=root.device)

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401, ARG004 - it is one
        return ctx.saved_tensors[0], None


def _pulled(root: Tensor, cotangent: Tensor | None) -> Tensor:
    return root if cotangent is None else cast("Tensor", _Pull.apply(root, cotangent))


def check_loss(loss: object) -> None:
    """Refuses what is no function of the output, before the model runs.

    Args:
        loss: What was given as one.

    Raises:
        LossError: Naming what came and what to pass.
    """
    if loss is None or (callable(loss) and not isinstance(loss, type)):
        return
    if isinstance(loss, type):
        raise LossError(
            f"loss= takes a function of the output and the target; got the class {loss.__name__}, whose call makes an "
            f"object. Pass an instance: loss={loss.__name__}()."
        )
    raise LossError(
        f"loss= takes a function of the output and the target; got {_described(loss)}. Pass the function itself, "
        "loss=torch.nn.functional.mse_loss, or a module such as loss=torch.nn.CrossEntropyLoss()."
    )


def part(output: object, name: str) -> Any:  # noqa: ANN401 - whatever the model returns
    """A field of an output, by key or by attribute; ``None`` where it has none."""
    if isinstance(output, Mapping):
        return cast("Mapping[str, Any]", output).get(name)
    return getattr(output, name, None)


def _called(loss: Loss, output: object, batch: Batch) -> object:
    # A copy, since a loss may write to its target.
    target = map_tensors(batch.target, torch.clone)
    arguments = (output,) if batch.target is None else (output, target)
    _check_signature(loss, arguments)
    try:
        return loss(*arguments)
    except Exception as error:
        given = ", ".join(_described(argument) for argument in arguments)
        raise LossError(
            f"{_name(loss)}({given}) raised {type(error).__name__}: {error}. A loss takes the model's output as it is, "
            "and the batch's target where it has one; pick what it needs: "
            "loss=lambda output, target: F.cross_entropy(output.logits, target)."
        ) from error


def _finite(output: object) -> bool:
    """No number of what the model gave is NaN: a loss that refuses one of those refuses what is measured, not how it is asked."""
    return not any(bool(tensor.detach().isnan().any()) for tensor in tensors_in(output))


def _check_signature(loss: Loss, arguments: tuple[object, ...]) -> None:
    try:
        signature = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        cure = (
            "the batch has no target: give it one, initium.Batch((x,), target=y), or close over it: "
            "loss=lambda output: F.cross_entropy(output, y)."
            if len(arguments) == 1
            else "the batch has a target, so the loss is called as loss(output, target): let it take both."
        )
        raise LossError(f"{_name(loss)}{signature} cannot be called with {len(arguments)} arguments: {cure}") from error


def _of_loss(value: object, text: str, output: object) -> Objective:
    if not isinstance(value, torch.Tensor):
        raise LossError(
            f"a loss is a tensor with one element and a gradient; {text} gave {_described(value)}. Return the tensor "
            "itself, before .item() or float(); add several losses to one."
        )
    if value.numel() != 1 or not value.is_floating_point():
        raise LossError(
            f"a loss is one real number; {text} gave {_described(value)}. Reduce it with .mean() (of a complex value: "
            "its .abs(), or its .real)."
        )
    if not value.requires_grad:
        if not any(tensor.requires_grad for tensor in tensors_in(output)):
            return Objective((), (), value, text, (_without_gradient(tensors_in(output)),))
        raise LossError(
            f"{text} depends on no parameter through differentiable operations, so there is nothing to measure "
            "backwards. Look for .detach(), .data, torch.no_grad() or argmax between the parameters and the loss."
        )
    return Objective((value,), (None,), value, text)


def _of_cotangent(output: object, batch: Batch) -> Objective:
    answered, text = answer(output)
    found = tensors_in(answered)
    roots = [tensor for tensor in found if tensor.requires_grad]
    if not roots:
        return Objective((), (), None, f"nothing of {text}", (_without_gradient(found),))
    count = "" if len(roots) == 1 else f"{len(roots)} tensors of "
    return Objective(
        tuple(roots),
        tuple(cotangent(root, index) for index, root in enumerate(roots)),
        None,
        f"a random unit-variance cotangent on {count}{text}",
        () if batch.target is None else (_UNUSED,),
    )


def _without_gradient(found: list[Tensor]) -> str:
    shown = ", ".join(_described(tensor) for tensor in found[:3]) or "it holds no tensor"
    return (
        f"no tensor of the output carries a gradient ({shown}), so nothing was measured backwards: look for .detach(), "
        ".data, torch.no_grad() or argmax in forward(), where it has weights to train"
    )


def answer(output: object) -> tuple[object, str]:
    """What of an output a model is asked for, beside caches and hidden states; and what it is called.

    Args:
        output: What a model returned.

    Returns:
        ``output.logits`` or ``output.last_hidden_state`` where there is one, else the output; and its name.
    """
    if not isinstance(output, torch.Tensor):
        for name in _ANSWERS:
            if isinstance(part(output, name), torch.Tensor):
                return part(output, name), f"output.{name}"
    return output, "output"


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
    return (
        f"{type(value).__name__} {value!r}"[:80]
        if isinstance(value, bool | int | float | str)
        else type(value).__name__
    )


def _name(loss: Loss) -> str:
    return str(getattr(loss, "__name__", type(loss).__name__))
