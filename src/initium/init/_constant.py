"""One value throughout."""

from __future__ import annotations

import torch

from initium import checks
from initium.errors import ArgumentTypeError
from initium.init._door import overridable


@overridable
def constant_(tensor: torch.Tensor, val: float) -> torch.Tensor:
    r"""Fill with one value, as ``torch.nn.init.constant_``.

    ``val`` everywhere.

    Args:
        tensor: A tensor of any shape and dtype, filled in place.
        val: The value.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A tensor of inference mode outside it, a parameter that a lazy module has not made yet.
        ArgumentTypeError: What is to be filled is no tensor, or is sparse and so holds some elements only.

    Example:
        >>> import torch
        >>> from initium.init import constant_
        >>> constant_(torch.empty(2), 0.5)
        tensor([0.5000, 0.5000])
    """
    with torch.no_grad():
        return _everywhere(tensor).fill_(val)


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
