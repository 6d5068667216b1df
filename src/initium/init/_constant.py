"""One value throughout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium import checks
from initium.errors import ArgumentError, ArgumentTypeError
from initium.init._door import overridable

if TYPE_CHECKING:
    from typing import SupportsFloat


@overridable
def constant_(tensor: torch.Tensor, val: SupportsFloat | complex) -> torch.Tensor:
    r"""Fill with one value, as ``torch.nn.init.constant_``.

    ``val`` everywhere.

    Args:
        tensor: A tensor of any shape and dtype, filled in place.
        val: The value: a number, or a complex one for a complex tensor.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A value that the dtype cannot hold (too large, or a fraction for integers), a tensor of inference
            mode outside it, a parameter that a lazy module has not made yet.
        ArgumentTypeError: The value is no number, or what is to be filled is no tensor, or is sparse and so holds some
            elements only.

    Example:
        >>> import torch
        >>> from initium.init import constant_
        >>> constant_(torch.empty(2), 0.5)
        tensor([0.5000, 0.5000])

    Deviation:
        torch cuts a fraction off for integers (0.5 becomes 0) and wraps -1 round in uint8; both are refused.
    """
    out = _everywhere(tensor)
    value = held(val, out, "val")
    with torch.no_grad():
        return out.fill_(value)


@overridable
def ones_(tensor: torch.Tensor) -> torch.Tensor:
    r"""Fill with ones, as ``torch.nn.init.ones_``.

    1 everywhere.

    Args:
        tensor: A tensor of any shape and dtype, filled in place.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A tensor of inference mode outside it, a parameter that a lazy module has not made yet.
        ArgumentTypeError: What is to be filled is no tensor, or is sparse and so holds some elements only.

    Example:
        >>> import torch
        >>> from initium.init import ones_
        >>> ones_(torch.empty(2))
        tensor([1., 1.])
    """
    with torch.no_grad():
        return _everywhere(tensor).fill_(1)


@overridable
def zeros_(tensor: torch.Tensor) -> torch.Tensor:
    r"""Fill with zeros, as ``torch.nn.init.zeros_``.

    0 everywhere.

    Args:
        tensor: A tensor of any shape and dtype, filled in place.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A tensor of inference mode outside it, a parameter that a lazy module has not made yet.
        ArgumentTypeError: What is to be filled is no tensor.

    Example:
        >>> import torch
        >>> from initium.init import zeros_
        >>> zeros_(torch.empty(2))
        tensor([0., 0.])
    """
    out = checks.open_here(checks.tensor(tensor))
    with torch.no_grad():
        return out.fill_(0) if out.is_quantized else out.zero_()


def _everywhere(tensor: torch.Tensor) -> torch.Tensor:
    """Refuse what has no place for every element: another layout than strided (or nested, whose parts are strided)."""
    out = checks.open_here(checks.tensor(tensor))
    if out.layout != torch.strided and not out.is_nested:
        raise ArgumentTypeError(
            f"one value throughout needs a strided tensor; got layout {out.layout}, {checks.described(out)}. "
            "Fill its `.to_dense()` and convert it, or its `.values()` where only the stored elements count."
        )
    return out


def held(value: SupportsFloat | complex, out: torch.Tensor, what: str) -> complex:
    """The value as a Python number that ``out`` can hold; a real one where it is real."""
    plain = checks.scalar(value, what)
    if isinstance(plain, complex) and plain.imag and out.is_complex():
        number: complex = plain
    elif isinstance(plain, complex) and not plain.imag:
        number = plain.real
    elif isinstance(plain, int) and not (out.is_floating_point() or out.is_complex()):
        number = plain
    else:
        # torch takes a truth value for 0 or 1; what is no number is refused.
        number = float(plain) if isinstance(plain, bool) else checks.real(plain, what)  # pyright: ignore[reportArgumentType]
    if not (_fits(number.real, out) and _fits(number.imag, out)):
        raise ArgumentError(
            f"{what} must be a number that {out.dtype} holds; got {value!r}. Convert the tensor or change the number."
        )
    return number


def _fits(number: float, out: torch.Tensor) -> bool:
    if out.is_quantized:
        return True
    if out.dtype == torch.bool:
        return number in {0, 1}
    if out.is_floating_point() or out.is_complex():
        return not math.isfinite(number) or abs(number) <= torch.finfo(out.dtype).max
    bounds = torch.iinfo(out.dtype)
    return bounds.min <= number <= bounds.max and number == int(number)
