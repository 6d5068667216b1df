"""The door for a user's function: only what maps each number by itself, and always the same way, may pass."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from initium.checks import holds_nothing
from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._evaluate import differentiate
from initium.gains._law import Elementwise, TensorMap

_POINTS = 41
# Kernels for one number and for many may round differently; a function of the whole vector differs by far more.
_ROUNDINGS = 1024


def admit(function: Callable[..., Any]) -> tuple[Elementwise, float]:
    """The function as a law, and the rounding error of its values relative to their size."""
    owned = guarded(function)
    points = grid()
    values, slopes = differentiate(owned, points)
    again, _ = differentiate(owned, points)
    turned, _ = differentiate(owned, points.flip(0))
    single, _ = differentiate(owned, points[:1])
    stepped = slopes is None and _is_steps(owned, points)
    known = torch.ones_like(points) if slopes is None and not stepped else slopes
    precision = _precision(values, torch.zeros_like(points) if known is None else known)
    slack = _ROUNDINGS * precision * values.abs().clamp(min=1e-300)
    _insist(
        _agree(again, values, slack),
        function,
        "gives other values on a second call: it is random. Remove dropout and noise",
    )
    same = _agree(turned.flip(0), values, slack) and _agree(single, values[:1], slack[:1])
    _insist(
        same,
        function,
        "maps a number differently in other company: it is not elementwise. Pass the pointwise part only",
    )
    return Elementwise(owned, sloped=slopes is not None or stepped), precision


def grid() -> Tensor:
    """Points on both sides of zero, near and far, none of them a round number."""
    step = torch.arange(_POINTS, dtype=torch.float64, device="cpu") - _POINTS // 2
    return torch.sinh(step * 0.1771 + 0.0137)


def name_of(function: object) -> str:
    """What to call a function in a message."""
    return getattr(function, "__name__", None) or type(function).__name__


def _own(function: Callable[..., Any]) -> TensorMap:
    """A module as a double-precision copy, so that no buffer, hook or parameter of the user's can change."""
    if not isinstance(function, nn.Module):
        return function
    try:
        return copy.deepcopy(function).to("cpu", torch.float64)
    except Exception as error:
        message = f"cannot copy {name_of(function)} to read its moments: {error}. Give it real parameters first."
        raise ArgumentError(message) from error


def guarded(function: Callable[..., Any]) -> TensorMap:
    """The function, a module as a copy of its own, with what goes wrong inside it told as a lesson."""
    owned, name = _own(function), name_of(function)
    wanted = "moments need a function from a real tensor to one of the same shape"

    def call(x: Tensor) -> Tensor:
        try:
            values: Any = owned(x)
        except Exception as error:
            message = (
                f"{wanted}; {name} on a float64 vector of {len(x)} failed: {error}."
                " Write it in torch operations on one argument."
            )
            raise ArgumentTypeError(message) from error
        if not isinstance(values, Tensor):
            message = f"{wanted}; {name} made a {type(values).__name__}. Write it in torch operations."
            raise ArgumentTypeError(message)
        if not values.is_floating_point() or values.shape != x.shape or values.layout != torch.strided:
            message = (
                f"{wanted}; {name} made {values.dtype} of shape {tuple(values.shape)} ({values.layout}) from float64 of"
                f" shape {tuple(x.shape)}."
            )
            raise ArgumentTypeError(message)
        if holds_nothing(values):
            message = (
                f"{wanted}; {name} made one without values: it holds meta or fake tensors. Give it real ones first."
            )
            raise ArgumentTypeError(message)
        return values.cpu()

    return call


def _insist(holds: bool, asked: object, sentence: str) -> None:  # noqa: FBT001  a check reads like assert
    """Refuse the function, saying what is wrong with it."""
    if not holds:
        message = f"moments need one function of one number; {name_of(asked)} {sentence}."
        raise ArgumentError(message)


def _agree(a: Tensor, b: Tensor, slack: Tensor) -> bool:
    """Whether two results are the same, NaN and infinity included."""
    return bool((((a - b).abs() <= slack) | (a == b) | (a.isnan() & b.isnan())).all())


def _precision(values: Tensor, slopes: Tensor) -> float:
    """The epsilon of the arithmetic that made the values: by their dtype, or float32's where they fit into nothing less.

    Values that fit into half precision too are steps (a quantiser), which are exact.
    """
    sloped = values[slopes != 0]
    single = torch.equal(sloped.float().to(values.dtype), sloped)
    steps = any(torch.equal(sloped.to(d).to(values.dtype), sloped) for d in (torch.bfloat16, torch.float16))
    computed = torch.float32 if single and not steps and sloped.numel() > _POINTS // 4 else values.dtype
    return max(torch.finfo(values.dtype).eps, torch.finfo(computed).eps)


def _is_steps(owned: TensorMap, points: Tensor) -> bool:
    """Whether the function is constant but for steps, so that its slope is 0 wherever it has one."""
    with torch.no_grad():
        moved = owned(points + 1e-6) == owned(points.clone())
    return bool(moved.double().mean() > 3 / 4)
