"""What every fill checks before it writes: the destination and the numbers."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, SupportsFloat, cast

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]  no public name does it

from initium.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from collections.abc import Sequence

# What almost every call fills, with nothing of its own to say about it: known to be sound by a few cheap questions, so that small fills cost little.
PLAIN = frozenset((torch.Tensor, nn.Parameter))
_COMMON = frozenset((torch.float32, torch.float64, torch.bfloat16, torch.float16))
_EXACT = 1 << 53
_SPELLED = 64
_SMALLEST = torch.finfo(torch.float32).smallest_normal
_LARGEST = torch.finfo(torch.float32).max
# Floating types that hold no values of both signs: bare exponents, and two numbers in one element. torch 2.6 has none.
_UNFIT = frozenset(getattr(torch, name) for name in ("float8_e8m0fnu", "float4_e2m1fn_x2") if hasattr(torch, name))


def described(tensor: torch.Tensor) -> str:
    """A tensor in a message: shape and dtype."""
    return f"shape {tuple(tensor.shape)}, {tensor.dtype}"


def tensor(out: object) -> torch.Tensor:
    """Refuse what is no tensor, and a parameter that a lazy module has not made yet."""
    if not isinstance(out, torch.Tensor):
        raise ArgumentTypeError(
            f"a torch.Tensor is filled in place; got a {type(out).__name__}. For a module, pass its `.weight`."
        )
    made(out)
    return out


def made(out: object) -> None:
    """Refuse a parameter without a shape."""
    if type(out) not in PLAIN and isinstance(out, torch.Tensor) and is_lazy(out):
        raise ArgumentError(
            "the parameter of a lazy module has no shape yet. Run the module once on a batch, then fill its parameters."
        )


def one_shape(out: torch.Tensor) -> torch.Tensor:
    """Refuse a nested tensor: its parts differ in shape."""
    if out.is_nested:
        raise ArgumentTypeError(
            f"a nested tensor ({out.layout}) has no one shape; got {out.size(0)} parts. Take them from its `.unbind()`."
        )
    return out


def destination(out: object, *, truth: bool = False) -> torch.Tensor:
    """Refuse what cannot hold random values of its own, each element once."""
    if sound(out):
        return present(cast("torch.Tensor", out))
    out = one_shape(tensor(out))
    if not (out.is_floating_point() or out.is_complex() or (truth and out.dtype == torch.bool)):
        raise ArgumentTypeError(
            f"random values need a floating or complex tensor; got {described(out)}. "
            "Fill a float32 tensor and convert it."
        )
    if out.dtype in _UNFIT:
        raise ArgumentTypeError(
            f"random values need a dtype with numbers of both signs, one an element; got {described(out)}. "
            "Fill a float32 tensor and quantise it."
        )
    return writable(out)


def sound(out: object) -> bool:
    """Whether a few cheap questions already tell that nothing is wrong; one element after the other cannot overlap."""
    return (
        type(out) in PLAIN
        and isinstance(out, torch.Tensor)
        and out.dtype in _COMMON
        and out.layout is torch.strided
        and not out.is_nested
        and out.is_contiguous()
        and not out.is_inference()
    )


def writable(out: torch.Tensor) -> torch.Tensor:
    """Refuse what is stored otherwise than element by element in memory of its own, each element once."""
    one_shape(out)
    if out.layout != torch.strided:
        raise ArgumentTypeError(
            f"a strided tensor is filled; got layout {out.layout}, {described(out)}. Fill its `.to_dense()` and convert "
            "it, or its `.values()` where only the stored elements count."
        )
    if out.is_quantized:
        raise ArgumentTypeError(
            f"numbers are written as they are; got a quantized tensor of {described(out)}. "
            "Fill a float32 tensor and quantise it."
        )
    if getattr(out, "device_mesh", None) is not None:
        raise ArgumentTypeError(
            f"a DTensor holds one part of a whole; got {type(out).__name__} of {described(out)}. Fill the whole tensor, "
            "then `distribute_tensor` it: from one seed every rank draws the same values."
        )
    if overlaps(out):
        raise ArgumentError(
            f"each element needs memory of its own; got an expanded or overlapping tensor of {described(out)} and "
            f"strides {out.stride()}. Fill the tensor that it was made from, or its `.clone()`."
        )
    return open_here(out)


def present(out: torch.Tensor) -> torch.Tensor:
    """Refuse a plain tensor whose memory was freed."""
    if type(out) not in PLAIN or out.layout != torch.strided or out.is_nested or holds_nothing(out):
        return out
    try:
        held = out.untyped_storage().nbytes()
    except (NotImplementedError, RuntimeError):  # a transform's tensor has its memory elsewhere
        return out
    last = sum((size - 1) * stride for size, stride in zip(out.shape, out.stride(), strict=True))
    if held < (out.storage_offset() + last + 1) * out.element_size():
        raise ArgumentError(
            f"the tensor of shape {tuple(out.shape)} has no memory any more: its storage was freed, as sharded training "
            "does between steps. Gather it first, or fill it before it is sharded."
        )
    return out


def open_here(out: torch.Tensor) -> torch.Tensor:
    """Refuse a tensor of inference mode outside it, and one whose memory was freed."""
    if out.is_inference() and not torch.is_inference_mode_enabled():
        raise ArgumentError(
            f"a tensor made under torch.inference_mode() can only be filled there; got {described(out)}. "
            "Fill its `.clone()`, or make it outside inference mode."
        )
    return present(out)


def overlaps(out: torch.Tensor) -> bool:
    """Whether two elements share a place in memory: exact, whatever the strides."""
    if not out.numel():
        return False
    axes = [(stride, size) for stride, size in zip(out.stride(), out.shape, strict=True) if size > 1]
    if any(stride == 0 for stride, _ in axes) or holds_nothing(out):
        return any(stride == 0 for stride, _ in axes)
    span, nested = 0, True
    for stride, size in sorted(axes):
        nested = nested and stride > span
        span += stride * (size - 1)
    return not nested and (out.numel() > span + 1 or _collides(axes))


def _collides(axes: Sequence[tuple[int, int]]) -> bool:
    """The same for interleaved axes: the places that are taken are the bits of one integer."""
    taken: int | None = 1
    for stride, size in axes:
        taken = _repeated(taken, stride, size)
        if taken is None:
            return True
    return False


def _repeated(taken: int, stride: int, size: int) -> int | None:
    """The places of so many copies, one stride apart; None where two meet. Copies of copies, so few steps do."""
    if size == 1:
        return taken
    half = _repeated(taken, stride, size // 2)
    if half is None or half & (shifted := half << stride * (size // 2)):
        return None
    whole = half | shifted
    if size % 2:
        last = taken << stride * (size - 1)
        return None if whole & last else whole | last
    return whole


def holds_nothing(out: torch.Tensor) -> bool:
    """Nothing to write to: no elements, or no values behind them (meta and fake tensors)."""
    fake = type(out) not in PLAIN and getattr(out, "fake_mode", None) is not None
    return fake or out.is_meta or not out.numel()


def scalar(value: object, what: str) -> object:
    """The one Python value in a tensor, an array or a scalar of numpy; anything else as it is."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1 or value.is_nested or holds_nothing(value):
            held = "no value" if value.numel() == 1 else f"{value.numel()} values"
            raise ArgumentTypeError(
                f"{what} must be one number; got a tensor with {held} ({described(value)}, {value.device}). "
                "Pass a Python number."
            )
        # Inside a trace or a fake mode the question must not become an operation, which would have no answer.
        with _disable_current_modes():
            return value.detach().item()
    if isinstance(value, (np.ndarray, np.generic)):
        if value.size != 1 or value.dtype.kind not in "biufc":
            raise ArgumentTypeError(f"{what} must be one number; got {value!r} of dtype {value.dtype}.")
        return value.item()
    return value


def real(value: SupportsFloat, what: str) -> float:
    """A Python float of any real number, NaN included; truth values, text and what a float cannot hold are refused."""
    if type(value) is float or (type(value) is int and -_EXACT < value < _EXACT):
        return float(value)
    plain = scalar(value, what)
    if isinstance(plain, bool | str | bytes | complex) or not hasattr(plain, "__float__"):
        raise ArgumentTypeError(f"{what} must be a real number; got {value!r} of type {type(value).__name__}.")
    try:
        found = float(cast("SupportsFloat", plain))
        lost = (not found or math.isinf(found)) and bool(found != plain)
    except OverflowError:
        found, lost = math.inf, True
    except Exception as error:
        raise ArgumentTypeError(f"{what} must be a real number; {type(value).__name__} gave none: {error}.") from error
    if lost:
        raise ArgumentError(
            f"{what} is too {'large' if found else 'small'} for a float; got one of type {type(value).__name__}."
        )
    return found


def number(value: SupportsFloat, what: str) -> float:
    """A Python float of any real number (numpy's, and tensors of one element too); NaN is refused as well."""
    found = real(value, what)
    if math.isnan(found):
        raise ArgumentError(f"{what} must be a number; got nan.")
    return (
        found + 0.0
    )  # of the two zeros the one that equals both, so that what is remembered by it depends on no order


def integer(value: object, what: str, least: int | None = None) -> int:
    """A Python int of any integer, numpy's too; truth values and floats are refused."""
    plain = value if type(value) is int else scalar(value, what)
    try:
        found = operator.index(cast("int", None if isinstance(plain, bool) else plain))
    except Exception as error:  # an integer of the user's own class may raise anything
        raise ArgumentTypeError(f"{what} must be an integer; got {value!r} of type {type(value).__name__}.") from error
    if least is not None and found < least:
        raise ArgumentError(f"{what} must be >= {least}; got {counted(found)}.")
    return found


def counted(value: int) -> str:
    """An integer in a message; of one that is too long to read, and that Python may refuse to spell, its length."""
    return str(value) if value.bit_length() <= _SPELLED else f"one of {value.bit_length()} bits"


def truth(value: object, what: str) -> bool:
    """A truth value, numpy's too."""
    plain = scalar(value, what)
    if not isinstance(plain, bool):
        raise ArgumentTypeError(f"{what} must be True or False; got {value!r} of type {type(value).__name__}.")
    return plain


def generator(value: object) -> torch.Generator | None:
    """One of torch's generators, or None for the default one."""
    if value is None or isinstance(value, torch.Generator):
        return value
    raise ArgumentTypeError(
        f"generator must be a torch.Generator or None; got {value!r} of type {type(value).__name__}. "
        "For a seed, pass `torch.Generator().manual_seed(seed)`, or to a function of initium.init a named stream, "
        "`Stream(seed).child(name)`."
    )


def finite(value: SupportsFloat, what: str) -> float:
    """A number that float32 can hold."""
    found = number(value, what)
    if abs(found) > _LARGEST:
        raise ArgumentError(f"{what} must be finite in float32, where values are made; got {found!r}.")
    return found


def positive(value: SupportsFloat, what: str, role: str = "") -> float:
    """A finite number above zero; ``role`` says what it is for."""
    found = number(value, what)
    if not (math.isfinite(found) and found > 0):
        raise ArgumentError(f"{what} is {role}{', ' if role else ''}a finite number > 0; got {value!r}.")
    return found


def scale(value: SupportsFloat, what: str) -> float:
    """A finite number >= 0."""
    found = finite(value, what)
    if 0 < found < _SMALLEST:
        raise ArgumentError(f"{what} must be 0 or at least {_SMALLEST} (values are made in float32); got {found!r}.")
    if found < 0:
        raise ArgumentError(f"{what} must be >= 0; got {found!r}. To flip signs, fill and then multiply by -1.")
    return found


def ordered(low: float, high: float) -> None:
    """Refuse reversed bounds."""
    if low > high:
        raise ArgumentError(f"the lower bound must not exceed the upper; got {low!r} and {high!r}. Swap them.")
