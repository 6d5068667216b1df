"""He's fills: torch's names keep torch's gains; the ``he_`` names take the exact gain of any activation."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Literal

from initium import checks, gains
from initium.init._door import Source, drawing, stream_of
from initium.init._exact import exact
from initium.init._fans import Fans, chosen, one_fan
from initium.init._gain import calculate_gain
from initium.init._scaling import Distribution, spread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import SupportsFloat

    import torch

Mode = Literal["fan_in", "fan_out"]
MODES = ("fan_in", "fan_out")
# The frames between the user's call and the warning: _he, the function by its name, what `overridable` wraps it in.
USER = 4


def _he(
    tensor: torch.Tensor,
    *,
    mode: str,
    distribution: Distribution,
    generator: Source,
    fans: Fans | None,
    gain: Callable[[], float],
) -> torch.Tensor:
    if 0 in checks.one_shape(checks.tensor(tensor)).shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=USER)
        return tensor
    stream = stream_of(generator)
    fan = one_fan(chosen(checks.destination(tensor), fans), mode, MODES)
    return spread(tensor, stream, gain() / math.sqrt(fan), distribution)


@drawing
def kaiming_uniform_(
    tensor: torch.Tensor,
    a: SupportsFloat = 0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by He's variance and a uniform law, as ``torch.nn.init.kaiming_uniform_``.

    U(-b, b), ``b = gain * sqrt(3 / fan)``, with the gain of ``calculate_gain(nonlinearity, a)``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        a: The negative slope of leaky_relu; no other name uses it.
        mode: ``fan_in`` keeps the signal's second moment, ``fan_out`` the gradient's.
        nonlinearity: A name that ``calculate_gain`` knows; for any other activation use ``he_uniform_``.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a slope that is NaN or infinite, a fan of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values, or the slope is no number.
        UnknownNameError: No mode or no activation has that name.

    Example:
        >>> import torch
        >>> from initium.init import kaiming_uniform_
        >>> w = kaiming_uniform_(torch.empty(200, 600), nonlinearity="relu")
        >>> bool(w.abs().max() <= 0.1)
        True

    Reference:
        He et al. (2015), eqs. (10), (14) and (15).

    Deviation:
        numpy's scalars are welcome as slopes. An empty tensor gives the same warning as torch's.
    """
    return _he(
        tensor,
        mode=mode,
        distribution="uniform",
        generator=generator,
        fans=fans,
        gain=lambda: calculate_gain(nonlinearity, a),
    )


@drawing
def kaiming_normal_(
    tensor: torch.Tensor,
    a: SupportsFloat = 0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by He's variance and a normal law, as ``torch.nn.init.kaiming_normal_``.

    N(0, std^2), ``std = gain / sqrt(fan)``, with the gain of ``calculate_gain(nonlinearity, a)``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        a: The negative slope of leaky_relu; no other name uses it.
        mode: ``fan_in`` keeps the signal's second moment, ``fan_out`` the gradient's.
        nonlinearity: A name that ``calculate_gain`` knows; for any other activation use ``he_normal_``.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a slope that is NaN or infinite, a fan of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values, or the slope is no number.
        UnknownNameError: No mode or no activation has that name.

    Example:
        >>> import torch
        >>> from initium.init import fans, kaiming_normal_
        >>> depthwise = torch.empty(64, 1, 3, 3)
        >>> true = fans(depthwise, layout="conv", groups=64)
        >>> kaiming_normal_(depthwise, mode="fan_out", nonlinearity="relu", fans=true).shape
        torch.Size([64, 1, 3, 3])

    Reference:
        He et al. (2015), eqs. (10), (14) and (15).

    Deviation:
        numpy's scalars are welcome as slopes. An empty tensor gives the same warning as torch's.
    """
    return _he(
        tensor,
        mode=mode,
        distribution="normal",
        generator=generator,
        fans=fans,
        gain=lambda: calculate_gain(nonlinearity, a),
    )


@drawing
def he_uniform_(
    tensor: torch.Tensor,
    a: SupportsFloat | None = None,
    mode: Mode = "fan_in",
    nonlinearity: gains.Nonlinearity = "leaky_relu",
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by He's variance and a uniform law, for any activation, with its exact gain.

    U(-b, b), ``b = g * sqrt(3 / fan)``, ``g = 1 / sqrt(E[phi(z)^2])`` for ``fan_in`` and ``1 / sqrt(E[phi'(z)^2])``
    for ``fan_out``, z ~ N(0, 1).

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        a: The negative slope of leaky_relu; None takes 0 for the name, as torch does, and the activation's own for a
            module, class or function. A slope that nothing uses, or that contradicts a module's, is refused.
        mode: ``fan_in`` keeps the signal's second moment, ``fan_out`` the gradient's.
        nonlinearity: Whatever ``initium.gains.gain`` takes: a name, a module, a function of your own.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a slope that is NaN, infinite or of no use, a fan of 0, an expanded
            tensor.
        ArgumentTypeError: The tensor holds integers or truth values.
        UnknownNameError: No mode or no activation has that name.

    Example:
        >>> import torch
        >>> from initium.init import he_uniform_
        >>> he_uniform_(torch.empty(64, 64), nonlinearity="gelu").shape
        torch.Size([64, 64])

    Reference:
        He et al. (2015), eqs. (10), (14) and (15), with the second moment of the activation for their 1/2.

    Deviation:
        ``kaiming_uniform_`` keeps torch's gains: 5/3 for tanh, 3/4 for selu, 1 for sigmoid.
    """
    return _he(
        tensor,
        mode=mode,
        distribution="uniform",
        generator=generator,
        fans=fans,
        gain=lambda: exact(nonlinearity, a, mode),
    )


@drawing
def he_normal_(
    tensor: torch.Tensor,
    a: SupportsFloat | None = None,
    mode: Mode = "fan_in",
    nonlinearity: gains.Nonlinearity = "leaky_relu",
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill by He's variance and a normal law, for any activation, with its exact gain.

    N(0, std^2), ``std = g / sqrt(fan)``, ``g = 1 / sqrt(E[phi(z)^2])`` for ``fan_in`` and ``1 / sqrt(E[phi'(z)^2])``
    for ``fan_out``, z ~ N(0, 1).

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        a: The negative slope of leaky_relu; None takes 0 for the name, as torch does, and the activation's own for a
            module, class or function. A slope that nothing uses, or that contradicts a module's, is refused.
        mode: ``fan_in`` keeps the signal's second moment, ``fan_out`` the gradient's.
        nonlinearity: Whatever ``initium.gains.gain`` takes: a name, a module, a function of your own.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a slope that is NaN, infinite or of no use, a fan of 0, an expanded
            tensor.
        ArgumentTypeError: The tensor holds integers or truth values.
        UnknownNameError: No mode or no activation has that name.

    Example:
        >>> import torch
        >>> from initium.init import he_normal_
        >>> he_normal_(torch.empty(64, 64), nonlinearity=torch.nn.SiLU()).shape
        torch.Size([64, 64])

    Reference:
        He et al. (2015), eqs. (10), (14) and (15), with the second moment of the activation for their 1/2.

    Deviation:
        ``kaiming_normal_`` keeps torch's gains: 5/3 for tanh, 3/4 for selu, 1 for sigmoid.
    """
    return _he(
        tensor,
        mode=mode,
        distribution="normal",
        generator=generator,
        fans=fans,
        gain=lambda: exact(nonlinearity, a, mode),
    )
