"""Why the inputs of an activation lie where they lie: a bias, weights that are not centred, their gain, or what comes in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.diagnose._expected import flat, needed
from initium.diagnose._figures import shown
from initium.diagnose._words import Because, gain_of

if TYPE_CHECKING:
    from initium.diagnose._links import Link

_TOO_MUCH, _DROWNS = 2.0, 3.0
# The mean of so many draws around zero is below their std by four standard deviations of its own.
_FEWEST = 17
CENTRED = "Draw the weights around zero (torch.rand draws from 0 to 1)."


def mean_of(link: Link) -> float:
    """The magnitude of the mean of a weight."""
    return math.sqrt(max(0.0, link.row.weight_rms**2 - link.row.weight_std**2))


def uncentred(link: Link) -> bool:
    """True where a weight's mean is larger than its std: its outputs are one sum of the inputs, nearly alike for all units."""
    drawn = link.plain and math.prod(link.facts.shape) >= _FEWEST and math.isfinite(link.row.weight_rms)
    return drawn and 0 < link.row.weight_std < mean_of(link)


def off_centre(link: Link) -> str:
    """Where the values of a weight lie."""
    return (
        f"the values of `{link.use.name}` are not centred: their mean is {shown(mean_of(link))} away from zero, their std "
        f"{shown(link.row.weight_std)}"
    )


def biased(link: Link) -> bool:
    """True where the bias outweighs what depends on the input."""
    return link.row.bias_rms > link.row.unit_std and 2 * link.row.bias_rms > link.row.out_rms


def drowned(link: Link) -> bool:
    """True where it is three times what depends on the input, so that it decides for nearly every sample."""
    return biased(link) and link.row.bias_rms > _DROWNS * link.row.unit_std


def place(link: Link) -> Because:
    """The reason and the cure, by the figures of this one link."""
    row, use = link.row, link.use
    low, high = needed(use.after) or (1.0, 1.0)
    if flat(use.after):
        return Because(
            f"{use.after} has the slope 0 everywhere, whatever its inputs",
            "Use a smooth function in its place, or pass the gradient straight through (x + (f(x) - x).detach()).",
            None,
        )
    if biased(link):
        return Because(
            f"the bias of `{use.name}` has rms {shown(row.bias_rms)}, beside which what depends on the input has std "
            f"{shown(row.unit_std)}",
            "Set the biases to zero.",
            code="large-bias",
        )
    if uncentred(link):
        return Because(off_centre(link), CENTRED)
    if link.plain and link.gain > _TOO_MUCH * high:
        right = shown(high) if math.isclose(low, high, rel_tol=0.01) else f"{shown(low)} to {shown(high)}"
        return Because(
            f"`{use.name}` has gain {shown(link.gain)} (std {shown(row.weight_rms)} at fan_in {use.fan_in:g}), "
            f"{use.after} needs {right}",
            gain_of(use.after),
        )
    arriving = f" (rms about {shown(row.out_rms / link.gain)})" if link.plain and link.gain > 0 else ""
    if use.before.kind == "input":
        return Because(
            f"the network's input is too large or not centred{arriving}", "Standardise the input.", None, "input-scale"
        )
    # How large the weight is for what multiplies the data is not known of one that is squared, or summed, before it does.
    made = "" if link.plain else f", or the weight itself (rms {shown(row.weight_rms)})"
    return Because(
        f"what reaches `{use.name}`{made} is too large or not centred{arriving}",
        f"Give the layers before it{'' if link.plain else ', and it,'} their usual size.",
    )
