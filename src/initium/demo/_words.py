"""What the figures of a run say, and no more than they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from initium.terminal import Line, Span, gauge, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.demo._train import Point

_SIGMAS = 2.0
_RULE = 60


def heading(text: str) -> tuple[Line, ...]:
    """A title over a rule."""
    return ((Span(""),), (Span(text, "bold"),), (Span("-" * min(len(text), _RULE), "dim"),))


def steps(count: int) -> str:
    """Some steps, or one."""
    return f"{count} step{'' if count == 1 else 's'}"


def said(text: str, style: str = "") -> tuple[Line, ...]:
    """A paragraph."""
    return ((Span(text, style),),)


def curves(
    names: tuple[str, str], sick: Sequence[Point], cured: Sequence[Point], width: int, *, ascii_only: bool
) -> tuple[Line, ...]:
    """Test accuracy of two networks at the same steps, side by side."""
    # Two cells beside the steps: a share of eight columns, a bar, and a gap of three.
    bar = (width - 8) // 2 - 11
    rows = zip(sick, cured, strict=True)
    return (
        (Span(f"{'step':>6}  {names[0]:<{bar + 11}}{names[1]}", "bold"),),
        *(
            (
                Span(f"{a.step:>6}  "),
                *_cell(a, "red", bar, ascii_only=ascii_only),
                *_cell(b, "green", bar, ascii_only=ascii_only),
            )
            for a, b in rows
        ),
    )


def _cell(point: Point, style: str, width: int, *, ascii_only: bool) -> Line:
    # The largest of ten logits that are not numbers is no answer.
    if not math.isfinite(point.loss):
        return (Span("not finite".ljust(8 + width)), Span("   "))
    bar = gauge(point.accuracy, width, ascii_only=ascii_only)
    return (Span(f"{100 * point.accuracy:5.1f} % "), Span(bar, style), Span("   "))


def outcome(sick: Point, cured: Point, samples: int, what: str = "the cure") -> tuple[Line, ...]:
    """Whether a cure helped, by more than two standard errors of the difference on so many test samples."""
    variance = sum(p.accuracy * (1 - p.accuracy) / samples for p in (sick, cured))
    gap = cured.accuracy - sick.accuracy
    figures = f"{_share(sick)} without and {_share(cured)} with {what}"
    end = f"after {steps(cured.step)}, on {samples} test images"
    if gap > _SIGMAS * math.sqrt(variance):
        return said(f"Test accuracy {figures} {end}: {what} helped.", "bold green")
    if gap < -_SIGMAS * math.sqrt(variance):
        return said(f"Test accuracy {figures} {end}: {what} did NOT help here.", "bold red")
    return said(f"Test accuracy {figures} {end}: no difference beyond chance.", "bold yellow")


def _share(point: Point) -> str:
    return f"{100 * point.accuracy:.1f} %{'' if math.isfinite(point.loss) else ' (its loss is not finite)'}"


def divergence(sick: Point, cured: Point, what: str = "the cure") -> tuple[Line, ...]:
    """After how many steps training ended, where it did."""
    return tuple(
        line
        for word, point in (("Without", sick), ("With", cured))
        if point.diverged is not None
        for line in said(
            f"{word} {what} the training loss was not finite after {steps(point.diverged)}: "
            "no step was taken from there on."
        )
    )


def losses(sick: Point, cured: Point, what: str = "the cure") -> tuple[Line, ...]:
    """The losses at the end."""
    return said(f"Test loss {_loss(sick.loss)} without and {_loss(cured.loss)} with {what}.", "dim")


def _loss(value: float) -> str:
    return number(value) if math.isfinite(value) else "not finite"
