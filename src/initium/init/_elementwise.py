"""One law for every element, whatever the shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium import checks, random
from initium.init._door import Source, drawing, stream_of

if TYPE_CHECKING:
    from typing import SupportsFloat

    import torch


@drawing
def uniform_(
    tensor: torch.Tensor,
    a: SupportsFloat = 0.0,
    b: SupportsFloat = 1.0,
    generator: Source = None,
) -> torch.Tensor:
    r"""Fill with draws from U(a, b), as ``torch.nn.init.uniform_``.

    ``a + (b - a) u`` with u uniform; see ``initium.random.uniform_``.

    Args:
        tensor: A floating or complex tensor of any shape, filled in place.
        a: The lower bound.
        b: The upper bound, >= a.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: Reversed bounds, or too near to one another for float32, a bound that is NaN or infinite, an
            expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import uniform_
        >>> w = uniform_(torch.empty(3, 5), -1.0, 1.0, generator=torch.Generator().manual_seed(0))
        >>> bool(w.abs().max() <= 1)
        True

    Deviation:
        The same values on every device and layout; no bias in bfloat16 and float16; a complex tensor has the variance
        of a real one, and torch's twice that.
    """
    return random.uniform_(tensor, stream_of(generator), a, b)


@drawing
def normal_(
    tensor: torch.Tensor,
    mean: SupportsFloat = 0.0,
    std: SupportsFloat = 1.0,
    generator: Source = None,
) -> torch.Tensor:
    r"""Fill with draws from N(mean, std^2), as ``torch.nn.init.normal_``.

    ``mean + std z``, z ~ N(0, 1); see ``initium.random.normal_``.

    Args:
        tensor: A floating or complex tensor of any shape, filled in place.
        mean: The mean.
        std: The standard deviation, >= 0.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: std < 0 or lost beside the mean, a number that is NaN or infinite, an expanded tensor.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import normal_
        >>> normal_(torch.empty(3, 5), std=0.02).shape
        torch.Size([3, 5])

    Deviation:
        The same values on every device, CPU type and layout; NaN is refused.
    """
    return random.normal_(tensor, stream_of(generator), mean, std)


@drawing
def trunc_normal_(  # noqa: PLR0917  torch's own order
    tensor: torch.Tensor,
    mean: SupportsFloat = 0.0,
    std: SupportsFloat = 1.0,
    a: SupportsFloat = -2.0,
    b: SupportsFloat = 2.0,
    generator: Source = None,
    *,
    corrected: bool = False,
) -> torch.Tensor:
    r"""Fill with draws from N(mean, std^2) cut to [a, b], as ``torch.nn.init.trunc_normal_``.

    ``mean + s Phi^-1(Phi((a - mean) / s) + u (Phi((b - mean) / s) - Phi((a - mean) / s)))`` with s = std, or, if
    ``corrected``, the s that gives ``std`` after the cut. ``a`` and ``b`` are in the unit of the tensor: with
    std = 0.02 the default bounds cut nothing, so pass ``a=-2 * std, b=2 * std``.

    Args:
        tensor: A floating or complex tensor of any shape, filled in place.
        mean: The mean before the cut.
        std: The standard deviation, >= 0: before the cut, as torch has it, or after it if ``corrected``.
        a: The lower bound; may be ``-inf``.
        b: The upper bound, >= a; may be ``inf``.
        generator: torch's generator, which gives one key (None takes the default one for the CPU), or a named stream.
        corrected: Make ``std`` the standard deviation of what is written. It must then be below
            ``(b - a) / sqrt(12)``: no normal law cut to [a, b] is wider than the uniform one.

    Returns:
        ``tensor``.

    Raises:
        ArgumentError: std < 0 or lost beside the mean, reversed bounds, a NaN, an expanded tensor, or a corrected std that
            no cut law has.
        ArgumentTypeError: The tensor holds integers or truth values.

    Example:
        >>> import torch
        >>> from initium.init import trunc_normal_
        >>> w = trunc_normal_(torch.empty(400, 400), std=0.02, a=-0.04, b=0.04, corrected=True)
        >>> round(float(w.std()), 3)
        0.02

    Deviation:
        No value leaves [a, b] in float32 and wider (in narrower types the bounds are rounded like the values), however
        little mass lies inside; so there is no warning about it. Nothing is redrawn.
    """
    stream = stream_of(generator)
    before = _before(mean, std, a, b) if checks.truth(corrected, "corrected") else std
    return random.trunc_normal_(tensor, stream, mean, before, a, b)


def _before(mean: SupportsFloat, std: SupportsFloat, a: SupportsFloat, b: SupportsFloat) -> float:
    """The std before the cut for one after it; of 0, 0."""
    wanted, low, high = checks.scale(std, "std"), checks.number(a, "a"), checks.number(b, "b")
    checks.ordered(low, high)
    return random.std_before_truncation(wanted, low, high, checks.finite(mean, "mean")) if wanted else 0.0
