"""What every fill checks before it writes: the destination and the numbers."""

from __future__ import annotations

import math
from typing import SupportsFloat

import torch

from initium.errors import ArgumentError, ArgumentTypeError

_SMALLEST = torch.finfo(torch.float32).smallest_normal
_LARGEST = torch.finfo(torch.float32).max


def described(tensor: torch.Tensor) -> str:
    """A tensor in a message: shape and dtype."""
    return f"shape {tuple(tensor.shape)}, {tensor.dtype}"


def tensor(out: object) -> torch.Tensor:
    """Refuse what is no tensor."""
    if not isinstance(out, torch.Tensor):
        raise ArgumentTypeError(
            f"a torch.Tensor is filled in place; got a {type(out).__name__}. For a module, pass its `.weight`."
        )
    return out


def destination(out: object, *, truth: bool = False) -> torch.Tensor:
    """Refuse what cannot hold random values of its own, each element once."""
    out = tensor(out)
    if not (out.is_floating_point() or out.is_complex() or (truth and out.dtype == torch.bool)):
        raise ArgumentTypeError(
            f"random values need a floating or complex tensor; got {described(out)}. "
            "Fill a float32 tensor and convert it."
        )
    if out.layout != torch.strided:
        raise ArgumentTypeError(f"a strided tensor is filled; got layout {out.layout}. Fill its `.values()`.")
    return writable(out)


def writable(out: torch.Tensor) -> torch.Tensor:
    """Refuse an expanded tensor, and one of inference mode outside it."""
    if any(stride == 0 and size > 1 for stride, size in zip(out.stride(), out.shape, strict=True)):
        raise ArgumentError(
            f"each element needs memory of its own; got an expanded tensor of {described(out)} and strides "
            f"{out.stride()}. Fill the tensor that was expanded, or its `.clone()`."
        )
    if out.is_inference() and not torch.is_inference_mode_enabled():
        raise ArgumentError(
            f"a tensor made under torch.inference_mode() can only be filled there; got {described(out)}. "
            "Fill its `.clone()`, or make it outside inference mode."
        )
    return out


def holds_nothing(out: torch.Tensor) -> bool:
    """Nothing to write to: no elements, or no values behind them (meta and fake tensors)."""
    return out.is_meta or not out.numel() or getattr(out, "fake_mode", None) is not None


def number(value: SupportsFloat, what: str) -> float:
    """A Python float of any real number (numpy's and 0-dim tensors too); truth values, text and NaN are refused."""
    if isinstance(value, bool | str | bytes | complex) or not hasattr(value, "__float__"):
        raise ArgumentTypeError(f"{what} must be a real number; got {value!r} of type {type(value).__name__}.")
    real = float(value)
    if math.isnan(real):
        raise ArgumentError(f"{what} must be a number; got nan.")
    return real


def finite(value: SupportsFloat, what: str) -> float:
    """A number that float32 can hold."""
    real = number(value, what)
    if abs(real) > _LARGEST:
        raise ArgumentError(f"{what} must be finite in float32, where values are made; got {real!r}.")
    return real


def scale(value: SupportsFloat, what: str) -> float:
    """A finite number >= 0."""
    real = finite(value, what)
    if 0 < real < _SMALLEST:
        raise ArgumentError(f"{what} must be 0 or at least {_SMALLEST} (values are made in float32); got {real!r}.")
    if real < 0:
        raise ArgumentError(f"{what} must be >= 0; got {real!r}. To flip signs, fill and then multiply by -1.")
    return real


def ordered(low: float, high: float) -> None:
    """Refuse reversed bounds."""
    if low > high:
        raise ArgumentError(f"the lower bound must not exceed the upper; got {low!r} and {high!r}. Swap them.")
