"""Numbers as a report writes them."""

from __future__ import annotations

import math
from fractions import Fraction

_SMALL, _WHOLE, _LARGE = 1e-3, 100.0, 1e5
_TITLES = {"relu": "ReLU", "gelu": "GELU", "selu": "SELU", "elu": "ELU", "silu": "SiLU", "mish": "Mish"}


def shown(value: float) -> str:
    """Three digits; powers of ten where they are far from one."""
    if value == 0 or not math.isfinite(value):
        return f"{abs(value) if value == 0 else value:.0f}"
    if _SMALL <= abs(value) < _LARGE:
        return f"{value:.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e{int(power)}"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.0f} %"


def several(count: int, what: str = "layer") -> str:
    """A count with its noun."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def titled(activation: str) -> str:
    """An activation as papers write it."""
    return _TITLES.get(activation, activation)


def fraction(value: float) -> str:
    """A simple fraction where the value is one within two per cent, else three digits."""
    near = Fraction(min(value, 1.0)).limit_denominator(12)
    simple = 0 < near < 1 and abs(float(near) / value - 1) < 0.02  # noqa: PLR2004 - what a draw of weights leaves open
    return str(near) if simple else shown(value)
