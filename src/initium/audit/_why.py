"""Why a std is not the planned one: the factors by which it is usually missed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.audit._fans import Place
    from initium.audit._law import Law

_CUT = 0.8796256610342398


def why(law: Law, std: float, place: Place) -> tuple[str, str]:
    """The code and the cause: the first factor that lies in the interval."""
    for code, factor, cause in _factors(place):
        if law.low <= factor * std <= law.high and factor != 1:
            return code, cause
    if law.kind == "other":
        return "trained-or-mixed", "trained, or a mixture"
    return "wrong-std", "another recipe, or a gain or fan that differs from the plan's"


def _factors(place: Place) -> Iterator[tuple[str, float, str]]:
    for depth in dict.fromkeys(place.depths):
        told = f"the scaling of residual branches, 1/sqrt({{}}) in {depth} blocks, never landed"
        yield "missed-residual-scaling", math.sqrt(2 * depth), told.format(2 * depth)
        yield "missed-residual-scaling", math.sqrt(depth), told.format(depth)
    yield "wrong-gain", 1 / _CUT, "divided by 0.8796, the std of a normal cut at 2, and never cut there"
    yield "wrong-gain", _CUT, "cut at 2 std, and not divided by the 0.8796 that this leaves"
    yield "wrong-gain", math.sqrt(2), "the gain of ReLU, sqrt(2), where none was planned"
    yield "wrong-gain", math.sqrt(0.5), "the gain of ReLU, sqrt(2), is missing"
    yield "wrong-gain", 5 / 3, "torch's gain of tanh, 5/3, where none was planned"
    if place.fans:
        fans = place.fans[0]
        yield "wrong-fan", math.sqrt(fans.into / fans.out), "fan_out was taken for fan_in"
        yield "wrong-fan", math.sqrt(fans.out / fans.into), "fan_in was taken for fan_out"
    if place.taps > 1:
        yield "wrong-fan", math.sqrt(place.taps), "the kernel's area was left out of the fan"
    for fans in place.fans[1:]:
        yield (
            "wrong-fan",
            math.sqrt(place.fans[0].into / fans.into),
            "fans were read off the shape, and are not the true ones",
        )
