"""Whether a law's spread survives beside its centre: float32, in which values are made, has only so many numbers there."""

from __future__ import annotations

from initium.errors import ArgumentError
from initium.random._float32 import nearest, step
from initium.random._laws import Bernoulli, Curved, Law, Normal, Truncated, Uniform


def kept(law: Law, asked: str) -> Law:
    """Refuse a law whose centre plus its spread is the centre again: what should be drawn would be a constant."""
    match law:
        case Normal(mean, std) | Truncated(mean, std):
            centre, spread = mean, std
        case Uniform(centre, half):
            spread = half
        case Curved(edge, width):
            centre, spread = edge, abs(width)
        case Bernoulli():
            return law
    if spread > 0 and centre not in {nearest(centre + spread), nearest(centre - spread)}:
        return law
    gap = step(abs(centre), float("inf")) - abs(centre)
    raise ArgumentError(
        f"{asked} would be one constant: values are made in float32, whose next number after {abs(centre):g} is "
        f"{gap:.2g} away. Fill about 0, in float64, and add the rest: `normal_(w, 0.0, std).add_(mean)`."
    )
