"""Independent draws whose std comes from a fan: variance scaling, and LeCun's case of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, assert_never

from initium import checks, random
from initium.errors import UnknownNameError
from initium.init._door import Source, drawing, stream_of
from initium.init._fans import Fans, chosen, one_fan

if TYPE_CHECKING:
    from typing import SupportsFloat

    import torch

    from initium.random import Stream

Distribution = Literal["normal", "uniform", "truncated_normal"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("normal", "uniform", "truncated_normal")
MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
# The cut of truncated_normal, in stds before it.
CUT = 2.0


def spread(tensor: torch.Tensor, stream: Stream, std: float, distribution: Distribution) -> torch.Tensor:
    """Fill by a law about 0 of this std."""
    match distribution:
        case "normal":
            return random.normal_(tensor, stream, 0.0, std)
        case "uniform":
            bound = math.sqrt(3.0) * std
            return random.uniform_(tensor, stream, -bound, bound)
        case "truncated_normal":
            before = std / random.truncated_std(1.0, -CUT, CUT)
            return random.trunc_normal_(tensor, stream, 0.0, before, -CUT * before, CUT * before)
        case _:
            assert_never(distribution)


@drawing
def variance_scaling_(
    tensor: torch.Tensor,
    scale: SupportsFloat = 1.0,
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"] = "fan_in",
    distribution: Distribution = "normal",
    generator: Source = None,
    *,
    fans: Fans | None = None,
) -> torch.Tensor:
    r"""Fill with draws about 0 of variance ``scale / fan``.

    ``std = sqrt(scale / fan)``: N(0, std^2), or U(-sqrt(3) std, sqrt(3) std), or the normal law of std
    ``s = std / 0.87962566`` cut at +-2 s, whose std after the cut is ``std``. ``fan_avg`` is the mean of the two fans,
    ``fan_geo_avg`` the root of their product.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        scale: The second moment wanted, in units of the input's, >= 0; 2 for ReLU.
        mode: ``fan_in``, ``fan_out``, ``fan_avg`` or ``fan_geo_avg``.
        distribution: ``normal``, ``uniform`` or ``truncated_normal``.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule, which reads the shape as (out, in, \*kernel).

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, scale < 0 or NaN, a fan of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.
        UnknownNameError: No mode or no distribution has that name.

    Example:
        >>> import torch
        >>> from initium.init import variance_scaling_
        >>> w = variance_scaling_(torch.empty(300, 400), 2.0, "fan_out", "uniform")
        >>> bool(w.abs().max() <= (3 * 2 / 300) ** 0.5)
        True

    Reference:
        Glorot & Bengio (2010), eqs. (10) to (12), for the three fans; the name is Keras's.
    """
    stream = stream_of(generator)
    if not isinstance(distribution, str) or distribution not in DISTRIBUTIONS:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UnknownNameError(
            f"no distribution is called {distribution!r}; the known ones are {', '.join(DISTRIBUTIONS)}."
        )
    fan, variance = chosen(checks.destination(tensor), fans), checks.scale(scale, "scale")
    if not tensor.numel():
        return tensor
    return spread(tensor, stream, math.sqrt(variance / one_fan(fan, mode, MODES)), distribution)


@drawing
def lecun_normal_(tensor: torch.Tensor, generator: Source = None, *, fans: Fans | None = None) -> torch.Tensor:
    r"""Fill with a normal law cut at 2 of its stds, of variance 1 / fan_in after the cut.

    ``s = sqrt(1 / fan_in) / 0.87962566``; N(0, s^2) cut to [-2 s, 2 s].

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a fan of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import lecun_normal_
        >>> bool(lecun_normal_(torch.empty(300, 400)).abs().max() <= 2 / 20 / 0.87962566)
        True

    Reference:
        LeCun, Bottou, Orr & Mueller (1998), Efficient BackProp, eq. (16).

    Deviation:
        LeCun asks for the std alone; the cut is JAX's and Keras's. transformers divides by 0.8796 but never cuts.
    """
    return variance_scaling_(tensor, 1.0, "fan_in", "truncated_normal", generator, fans=fans)


@drawing
def lecun_uniform_(tensor: torch.Tensor, generator: Source = None, *, fans: Fans | None = None) -> torch.Tensor:
    r"""Fill with a uniform law of variance 1 / fan_in.

    U(-b, b), ``b = sqrt(3 / fan_in)``.

    Args:
        tensor: A floating or complex tensor (out, in, \*kernel), filled in place.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        fans: The true fans; None takes torch's rule.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: A vector without ``fans``, a fan of 0, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import lecun_uniform_
        >>> bool(lecun_uniform_(torch.empty(100, 300)).abs().max() <= 0.1)
        True

    Reference:
        LeCun, Bottou, Orr & Mueller (1998), Efficient BackProp, eq. (16).
    """
    return variance_scaling_(tensor, 1.0, "fan_in", "uniform", generator, fans=fans)
