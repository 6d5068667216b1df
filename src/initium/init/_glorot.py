"""Glorot's fills, under torch's names and the field's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium import checks
from initium.errors import ArgumentError
from initium.init._door import Source, drawing, stream_of
from initium.init._fans import Fans, chosen
from initium.init._scaling import Distribution, spread

if TYPE_CHECKING:
    from typing import SupportsFloat

    import torch


def _glorot(
    tensor: torch.Tensor,
    gain: SupportsFloat,
    distribution: Distribution,
    generator: Source,
    fans: Fans | None,
) -> torch.Tensor:
    stream = stream_of(generator)
    of, gain = chosen(checks.destination(tensor), fans), checks.scale(gain, "gain")
    if not tensor.numel():
        return tensor
    if not of.fan_in + of.fan_out > 0:
        raise ArgumentError(f"fan_in + fan_out must be > 0 to divide by; got {of}.")
    return spread(tensor, stream, gain * math.sqrt(2.0 / (of.fan_in + of.fan_out)), distribution)


@drawing
def xavier_uniform_(
    tensor: torch.Tensor,
    gain: SupportsFloat = 1.0,
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by Glorot's uniform law, as ``torch.nn.init.xavier_uniform_``; ``glorot_uniform_`` is the same.

    U(-b, b), ``b = gain * sqrt(6 / (fan_in + fan_out))``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        gain: The factor of the activation, >= 0.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, gain < 0 or NaN, fans of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import xavier_uniform_
        >>> bool(xavier_uniform_(torch.empty(200, 400)).abs().max() <= 0.1)
        True

    Reference:
        Glorot & Bengio (2010), eq. (16).

    Deviation:
        An empty tensor of no fans at all is left as it is; torch divides by zero.
    """
    return _glorot(tensor, gain, "uniform", generator, fans)


@drawing
def xavier_normal_(
    tensor: torch.Tensor,
    gain: SupportsFloat = 1.0,
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by Glorot's variance and a normal law, as ``torch.nn.init.xavier_normal_``; ``glorot_normal_`` is the same.

    N(0, std^2), ``std = gain * sqrt(2 / (fan_in + fan_out))``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        gain: The factor of the activation, >= 0.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, gain < 0 or NaN, fans of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import xavier_normal_
        >>> xavier_normal_(torch.empty(3, 5)).shape
        torch.Size([3, 5])

    Reference:
        Glorot & Bengio (2010), eq. (12).

    Deviation:
        An empty tensor of no fans at all is left as it is; torch divides by zero.
    """
    return _glorot(tensor, gain, "normal", generator, fans)


glorot_uniform_ = xavier_uniform_
glorot_normal_ = xavier_normal_
