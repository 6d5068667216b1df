"""Fills that pass their input on: nothing is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium import checks
from initium.errors import ArgumentError
from initium.init._constant import held
from initium.init._door import overridable

if TYPE_CHECKING:
    from typing import SupportsFloat

MATRIX = 2
CONVOLUTION = (3, 4, 5)


@overridable
def eye_(tensor: torch.Tensor) -> torch.Tensor:
    r"""Fill a matrix with the identity, as ``torch.nn.init.eye_``.

    ``W[i, j] = 1 if i == j else 0``: as many inputs are passed on as there are outputs.

    Args:
        tensor: A matrix (out, in) of any dtype, filled in place.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Not 2 axes, or an expanded tensor.
        ArgumentTypeError: What is to be filled is no tensor.

    Example:
        >>> import torch
        >>> from initium.init import eye_
        >>> eye_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    return _eye(tensor, 1)


@overridable
def dirac_(tensor: torch.Tensor, groups: int = 1) -> torch.Tensor:
    r"""Fill a convolution's weight so that it passes its channels on, as ``torch.nn.init.dirac_``.

    In each group ``W[d, d, centre] = 1`` for d below both channel counts, ``centre = size // 2`` on each kernel axis,
    and 0 elsewhere.

    Args:
        tensor: A tensor (out, in/groups, \*kernel) of 3 to 5 axes and any dtype, filled in place.
        groups: Of the convolution; each passes its own channels on.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Another number of axes, an out axis that does not split into the groups, or an expanded tensor.
        ArgumentTypeError: What is to be filled is no tensor, or the groups are no integer.

    Example:
        >>> import torch
        >>> from initium.init import dirac_
        >>> dirac_(torch.empty(2, 2, 3))[1]
        tensor([[0., 0., 0.],
                [0., 1., 0.]])
    """
    return _dirac(tensor, 1, groups)


@overridable
def identity_(tensor: torch.Tensor, gain: SupportsFloat = 1.0, groups: int = 1) -> torch.Tensor:
    r"""Fill a matrix or a convolution's weight so that it passes its input on, times a gain.

    ``gain * eye`` for a matrix, ``gain * dirac`` for a convolution; where out and in differ, as many units as both have.

    Args:
        tensor: A matrix (out, in), or (out, in/groups, \*kernel) of 3 to 5 axes; floating or complex, filled in place.
        gain: What the input is multiplied by.
        groups: Of a convolution.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Another number of axes, a gain that is NaN, infinite or more than the dtype holds, groups that do
            not fit, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values, or the groups are no integer.

    Example:
        >>> import torch
        >>> from initium.init import identity_
        >>> identity_(torch.empty(2, 3), gain=0.5)
        tensor([[0.5000, 0.0000, 0.0000],
                [0.0000, 0.5000, 0.0000]])

    Reference:
        Le, Jaitly & Hinton (2015), A Simple Way to Initialize Recurrent Networks, section 3 (no equation number).
    """
    value = held(checks.finite(gain, "gain"), checks.destination(tensor), "gain")
    groups = checks.integer(groups, "groups")
    if tensor.dim() != MATRIX:
        return _dirac(tensor, value, groups)
    if groups != 1:
        raise ArgumentError(f"a matrix has no groups; got groups {groups} for {checks.described(tensor)}.")
    return _eye(tensor, value)


def _eye(tensor: torch.Tensor, value: complex) -> torch.Tensor:
    if checks.one_shape(checks.tensor(tensor)).dim() != MATRIX:
        raise ArgumentError(
            f"an identity matrix has 2 axes (out, in); got {checks.described(tensor)}. "
            "For a convolution use `dirac_`, or `identity_` for either."
        )
    with torch.no_grad():
        checks.writable(tensor).zero_().diagonal().fill_(value)
    return tensor


def _dirac(tensor: torch.Tensor, value: complex, groups: int) -> torch.Tensor:
    if checks.one_shape(checks.tensor(tensor)).dim() not in CONVOLUTION:
        raise ArgumentError(
            f"a convolution's weight has 3, 4 or 5 axes (out, in, *kernel); got {checks.described(tensor)}. "
            "For a matrix use `eye_`, or `identity_` for either."
        )
    groups = checks.integer(groups, "groups")
    if groups < 1 or len(tensor) % groups:
        raise ArgumentError(f"the out axis of size {len(tensor)} does not split into {groups} groups.")
    with torch.no_grad():
        checks.writable(tensor).zero_()
        if tensor.numel():
            centre = tensor[(slice(None), slice(None), *(size // 2 for size in tensor.shape[2:]))]
            for group in centre.tensor_split(groups):
                group.diagonal().fill_(value)
    return tensor
