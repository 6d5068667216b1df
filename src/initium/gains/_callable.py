"""The door for a user's function: only what maps each number by itself, and always the same way, may pass."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from initium.errors import ArgumentError, ArgumentTypeError
from initium.gains._evaluate import differentiate
from initium.gains._law import Elementwise, TensorMap

_POINTS = 41
# Kernels for one number and for many may round differently; a function of the whole vector differs by far more.
_ROUNDINGS = 1024


def admit(function: Callable[..., Any]) -> tuple[Elementwise, float]:
    """The function as a law, and the rounding error of its values relative to their size."""
    owned = _own(function)
    points = grid()
    with torch.random.fork_rng(devices=[]):
        values, slopes = _call(owned, points, function)
        again, _ = _call(owned, points, function)
        turned, _ = _call(owned, points.flip(0), function)
        single, _ = _call(owned, points[:1], function)
    precision = _precision(values, slopes)
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
    _insist(
        _has_slope(owned, points),
        function,
        "varies, but autograd cannot differentiate it: use torch operations, without detach()",
    )
    return Elementwise(owned), precision


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
    except (RuntimeError, NotImplementedError) as error:
        message = f"cannot copy {name_of(function)} to read its moments: {error}. Give it real parameters first."
        raise ArgumentError(message) from error


def _call(owned: TensorMap, points: Tensor, asked: object) -> tuple[Tensor, Tensor]:
    """The values of one call, checked for kind and shape."""
    try:
        values, slopes = differentiate(owned, points)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        message = (
            f"moments need a function from a real tensor to one of the same shape; {name_of(asked)} on a float64"
            f" vector of {len(points)} failed: {error}. Write it in torch operations on one argument."
        )
        raise ArgumentTypeError(message) from error
    if not values.is_floating_point() or values.shape != points.shape:
        message = (
            f"moments need a function from a real tensor to one of the same shape; {name_of(asked)} made {values.dtype}"
            f" of shape {tuple(values.shape)} from float64 of shape {tuple(points.shape)}."
        )
        raise ArgumentTypeError(message)
    return values, slopes


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


def _has_slope(owned: TensorMap, points: Tensor) -> bool:
    """Whether autograd knows the function, or else it is constant but for steps."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        tracked = owned(points.clone().requires_grad_().clone()).requires_grad
    moved = owned(points + 1e-6) == owned(points.clone())
    return tracked or bool(moved.double().mean() > 3 / 4)
