"""What the figures of a run say, and no more than they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.terminal import Line, Span, gauge, number, paragraph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.demo._train import Point

WIDTH = 80
_SIGMAS = 2.0
_BAR = 20


def heading(text: str) -> tuple[Line, ...]:
    """A title over a rule."""
    return ((Span(""),), (Span(text, "bold"),), (Span("-" * len(text), "dim"),))


def said(text: str, style: str = "") -> tuple[Line, ...]:
    """A paragraph."""
    return paragraph(Span(""), text, WIDTH, 0, style)


def curves(
    names: tuple[str, str], sick: Sequence[Point], cured: Sequence[Point], *, ascii_only: bool
) -> tuple[Line, ...]:
    """Test accuracy of two networks at the same steps, side by side."""
    head = f"{'step':>6}  {names[0]:<{_BAR + 15}} {names[1]}"
    rows = zip(sick, cured, strict=True)
    return (
        (Span(head, "bold"),),
        *(
            (Span(f"{a.step:>6}  "), *_cell(a, "red", ascii_only=ascii_only), *_cell(b, "green", ascii_only=ascii_only))
            for a, b in rows
        ),
    )


def _cell(point: Point, style: str, *, ascii_only: bool) -> Line:
    bar = gauge(point.accuracy, _BAR, ascii_only=ascii_only)
    return (Span(f"{100 * point.accuracy:5.1f} % "), Span(bar, style), Span("        "))


def outcome(sick: Point, cured: Point, samples: int, what: str = "the cure") -> tuple[Line, ...]:
    """Whether a cure helped, by more than two standard errors of the difference on so many test samples."""
    variance = sum(p.accuracy * (1 - p.accuracy) / samples for p in (sick, cured))
    gap = cured.accuracy - sick.accuracy
    figures = f"{100 * sick.accuracy:.1f} % without and {100 * cured.accuracy:.1f} % with {what}"
    end = f"after {cured.step} steps, on {samples} test images"
    if gap > _SIGMAS * math.sqrt(variance):
        return said(f"Test accuracy {figures} {end}: {what} helped.", "bold green")
    if gap < -_SIGMAS * math.sqrt(variance):
        return said(f"Test accuracy {figures} {end}: {what} did NOT help here.", "bold red")
    return said(f"Test accuracy {figures} {end}: no difference beyond chance.", "bold yellow")


def losses(sick: Point, cured: Point) -> tuple[Line, ...]:
    """The losses at the end."""
    return said(f"Test loss {_loss(sick.loss)} and {_loss(cured.loss)}.", "dim")


def _loss(value: float) -> str:
    return number(value) if math.isfinite(value) else "not finite (it diverged)"
