"""What the learned starts share: a loss that can be differentiated again and again, whatever the model is made of."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from initium.calibrate._plain import Plain
from initium.errors import BatchError, LossError, PlanError
from initium.network import output_of, random_state_kept, unchanged
from initium.signal import objective

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from torch import Tensor

    from initium.network import Batch
    from initium.signal import Loss


@contextlib.contextmanager
def learning(model: nn.Module) -> Generator[None]:
    """Gradients of gradients, and a model that is as it was afterwards.

    Fused kernels (attention, cuDNN's recurrent networks) have no second derivative: what they compute is computed by plain
    operations instead.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    plain = torch.backends.cudnn.flags(enabled=False) if recurrent else contextlib.nullcontext()
    math_only = sdpa_kernel(SDPBackend.MATH)
    with unchanged(model), torch.inference_mode(mode=False), torch.enable_grad(), math_only, plain:
        yield


def loss_at(model: nn.Module, values: Mapping[str, Tensor], batch: Batch, loss: Loss | None) -> Tensor:
    """The loss with these values in the place of the parameters; every call draws the same dropout masks.

    Raises:
        LossError: It is not one real number, or does not depend on the values.
        BatchError: It is not finite, or the model cannot take the batch.
    """
    value = any_loss_at(model, values, batch, loss)
    if not math.isfinite(float(value.detach())):
        raise BatchError(
            f"the loss is {float(value.detach())}, and nothing can be learned from that. Nothing was changed. Start from "
            "weights at which it is finite: initium.lsuv(model, batch), or initium.initialize(model, batch)."
        )
    return value


def any_loss_at(model: nn.Module, values: Mapping[str, Tensor], batch: Batch, loss: Loss | None) -> Tensor:
    """The same, finite or not."""
    with random_state_kept(model), Plain():
        try:
            output = output_of(model, batch, values)
        except (LossError, BatchError):
            raise
        except Exception as error:
            raise BatchError(
                f"{type(model).__name__} cannot take this batch: {type(error).__name__}: {str(error).rstrip('.')}. Give "
                "what model(...) takes, as initium.Batch((x,), target=y) where the loss compares with a target."
            ) from error
        aim = objective(output, batch, loss)
    if not aim.roots:
        raise LossError(f"{aim.text} depends on no parameter that is trained: {'; '.join(aim.notes)}.")
    return aim.roots[0].reshape(()) if aim.loss is not None else _weighed(aim.roots, aim.cotangents)


def _weighed(roots: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> Tensor:
    """The number whose gradient at the roots is the cotangents."""
    parts = [
        (root * given.conj()).real if root.is_complex() else root * given for root, given in _pairs(roots, cotangents)
    ]
    return together([part.sum() for part in parts])


def together(numbers: Sequence[Tensor]) -> Tensor:
    """The sum of numbers, which may stand on several devices."""
    return torch.stack([number.to(numbers[0].device) for number in numbers]).sum()


def _pairs(roots: Sequence[Tensor], cotangents: Sequence[Tensor | None]) -> list[tuple[Tensor, Tensor]]:
    return [(root, given) for root, given in zip(roots, cotangents, strict=True) if given is not None]


def gradients(value: Tensor, of: Sequence[Tensor], *, again: bool) -> list[Tensor]:
    """The gradient at each tensor, zero where there is none; ``again`` for one that can be differentiated itself.

    Raises:
        LossError: An operation on the way has no derivative of that order.
    """
    if not value.requires_grad:
        return [torch.zeros_like(each) for each in of]
    try:
        found = used_gradients(value, of, again=again)
    except RuntimeError as error:
        raise LossError(
            f"this takes derivatives of derivatives, and one is missing: {str(error).partition(chr(10))[0].rstrip('.')}. "
            "Nothing was changed. Take the plain form of that operation (attn_implementation='eager', no compiled or custom "
            "autograd.Function), or a start that needs no gradients: initium.lsuv."
        ) from error
    return [torch.zeros_like(each) if grad is None else grad for each, grad in zip(of, found, strict=True)]


def used_gradients(value: Tensor, of: Sequence[Tensor], *, again: bool) -> list[Tensor | None]:
    """The gradient at each tensor, ``None`` where there is none."""
    return list(torch.autograd.grad(value, list(of), create_graph=again, allow_unused=True))


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, detached, by name."""
    return {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.is_floating_point() and parameter.numel()
    }


def fixed(model: nn.Module) -> dict[str, Tensor]:
    """All the others."""
    mine = trained(model)
    return {name: parameter.detach() for name, parameter in model.named_parameters() if name not in mine}


def norm_of(value: Tensor) -> float:
    """The L2 norm, in float64."""
    return float(torch.linalg.vector_norm(value.detach(), dtype=torch.float64))


def scaled(values: Mapping[str, Tensor], factors: Mapping[str, float]) -> dict[str, Tensor]:
    """What a factor other than 1 makes of values.

    Raises:
        PlanError: It does not fit into its dtype.
    """
    made: dict[str, Tensor] = {}
    for name, factor in factors.items():
        if factor != 1:
            made[name] = values[name] * factor
            if not bool(torch.isfinite(made[name]).all()):
                raise PlanError(
                    f"`{name}` times {factor:.4g} does not fit into {made[name].dtype}. Nothing was changed. Start from "
                    "smaller weights, or work in float32."
                )
    return made


def left(model: nn.Module, done: Mapping[str, Any]) -> tuple[str, ...]:
    """What was left alone, and why (law 4)."""
    reasons: dict[str, list[str]] = {}
    for name, parameter in model.named_parameters():
        if name not in done:
            reasons.setdefault(_why(parameter), []).append(name)
    return tuple(f"left alone, {why}: {', '.join(f'`{name}`' for name in names)}" for why, names in reasons.items())


def _why(parameter: Tensor) -> str:
    if not (parameter.is_floating_point() or parameter.is_complex()):
        return "not a floating number"
    if not parameter.requires_grad:
        return "frozen"
    if parameter.is_complex():
        return "complex"
    if not parameter.numel():
        return "no element"
    return "no matrix" if bool(parameter.detach().any()) else "zero throughout: no factor changes it"
