"""The exact gain for He's fills, and whose slope counts where the activation is leaky."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from initium import checks, gains
from initium.errors import ArgumentError, InitiumError
from initium.init._gain import LINEAR

if TYPE_CHECKING:
    from typing import SupportsFloat

# What is leaky_relu with no slope of its own.
_BARE = frozenset({F.leaky_relu, F.leaky_relu_, nn.LeakyReLU})


def exact(nonlinearity: gains.Nonlinearity, a: SupportsFloat | None, mode: str) -> float:
    """The gain that keeps the second moment: of the signal for fan_in, of the gradient for fan_out."""
    backward = mode.lower() == "fan_out"
    slope = None if a is None else checks.finite(a, "negative_slope")
    if isinstance(nonlinearity, str) and nonlinearity in LINEAR:
        _unused(slope, nonlinearity)
        return 1.0
    given = _leaky(nonlinearity)
    if given is None:
        _unused(slope, nonlinearity)
        return gains.gain(nonlinearity, backward=backward)
    own, free = given
    if slope is not None and not free and slope != own:
        raise ArgumentError(
            f"a={slope!r} is the slope of leaky_relu, and {nonlinearity} has {own!r} of its own. Leave one of them out."
        )
    return gains.gain("leaky_relu", backward=backward, negative_slope=own if slope is None else slope)


def _leaky(nonlinearity: gains.Nonlinearity) -> tuple[float, bool] | None:
    """The slope of what is leaky_relu, and whether ``a`` may take its place; None of what is not.

    By name the slope is 0, torch's default for ``a``; of torch's class or function as such, the slope it has by default.
    """
    with suppress(InitiumError):
        found = gains.describe(nonlinearity)
        if found.name == "leaky_relu":
            own = dict(found.parameters)["negative_slope"]
            named = isinstance(nonlinearity, str)
            return (0.0 if named else own), named or nonlinearity in _BARE
    return None


def _unused(slope: float | None, nonlinearity: object) -> None:
    """Refuse a slope that nothing would use."""
    if slope:
        raise ArgumentError(
            f"a={slope!r} is the slope of leaky_relu; {nonlinearity} has no use for it. Leave it out, or set the "
            'activation\'s own parameter: `nonlinearity=Activation("elu", (("alpha", 2.0),))`.'
        )
