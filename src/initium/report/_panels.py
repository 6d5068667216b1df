"""What each panel over depth shows, whatever draws it: its series, its scale, and a word where there is nothing to see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initium.terminal import Scale, scales

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.report._entries import Figure

FLOATS = (("fp16", 2.0**-14), ("bf16", 2.0**-126))
"""The smallest normal number of each: what is below loses digits, then everything."""


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over depth.

    Attributes:
        key: Its name in the data.
        title: What the legend calls it.
        colour: Its colour, by name in the page's palette.
        mark: ``line``, ``dashed`` or ``dots``.
    """

    key: str
    title: str
    colour: str
    mark: str = "line"


@dataclass(frozen=True, slots=True)
class Panel:
    """Figures that share an axis.

    Attributes:
        key: Its name in the page.
        title: Its heading.
        tip: How to read it.
        series: What it shows.
        height: Pixels.
        edge: True where a figure is zero or not finite, and needs a place below the axis.
        scale: Its axis; ``None`` for shares, from 0 to 1.
        floats: Smallest normal numbers in its range, by name.
        nothing: What to say in its place where there is nothing to draw; empty where there is.
    """

    key: str
    title: str
    tip: str
    series: tuple[Series, ...]
    height: int
    edge: bool
    scale: Scale | None
    floats: tuple[tuple[str, float], ...] = ()
    nothing: str = ""


_SIGNAL = (
    Series("unit_std", "unit std over the batch", "blue"),
    Series("out_rms", "rms", "grey"),
    Series("predicted_unit_std", "unit std, predicted", "ink", "dashed"),
)
_GRADIENT = (
    Series("grad_rms", "gradient at the output (rms)", "orange"),
    Series("weight_grad_norm", "gradient of the weight (norm)", "violet", "dots"),
    Series("predicted_grad_rms", "gradient at the output, predicted", "ink", "dashed"),
)
_SHARES = (Series("dead", "dead units", "red"), Series("saturated", "saturated elements", "amber"))
_RATIO = (Series("update_ratio", "|g| / |w|", "green"),)
_GAIN = (Series("gain", "gain", "teal"),)
_FLAT = "Flat is health; a straight fall or rise multiplies from layer to layer."
_BACK = "What reaches each layer on the way back."
_MOVES = "How fast a weight moves for its size."
_SUITS = "The weight's rms times sqrt(fan_in): 1.41 suits ReLU, 1 no activation."


def panels(rows: Sequence[dict[str, Figure]]) -> tuple[Panel, ...]:
    """The panels of a report, in the order in which they are read."""
    signal, gradient, ratio, gain = (_known(series, rows) for series in (_SIGNAL, _GRADIENT, _RATIO, _GAIN))
    # The two pictures that are compared have axes of one length, so that slopes compare.
    first, second = scales([_values(signal, rows), _values(gradient, rows)])
    shares = Panel(
        "shares",
        "Dead and saturated",
        "Shares of what cannot learn.",
        _SHARES,
        84,
        _edge(_SHARES, rows, zero=False),
        None,
    )
    return (
        Panel("signal", "Signal", _told(_FLAT, signal, rows), signal, 190, _edge(signal, rows), first),
        Panel(
            "gradient",
            "Gradient",
            _told(_BACK, gradient, rows),
            gradient,
            190,
            _edge(gradient, rows),
            second,
            _floats(second),
        ),
        replace(shares, nothing=_no_shares(rows)),
        _alone(Panel("ratio", "Gradient over weight", _MOVES, ratio, 110, _edge(ratio, rows), None), rows),
        _alone(Panel("gain", "Gain", _SUITS, gain, 110, _edge(gain, rows), None), rows),
    )


def _told(tip: str, series: tuple[Series, ...], rows: Sequence[dict[str, Figure]]) -> str:
    """How to read a panel, or that it has nothing above its edge."""
    return tip if any(value > 0 for value in _values(series, rows)) else "No figure is positive and finite."


def _known(series: tuple[Series, ...], rows: Sequence[dict[str, Figure]]) -> tuple[Series, ...]:
    return tuple(each for each in series if any(row[each.key] is not None for row in rows))


def _values(series: tuple[Series, ...], rows: Sequence[dict[str, Figure]]) -> list[float]:
    return [value for each in series for row in rows if isinstance(value := row[each.key], float)]


def _floats(scale: Scale) -> tuple[tuple[str, float], ...]:
    return tuple((name, least) for name, least in FLOATS if 0 < scale.share(least) < 1)


def _alone(panel: Panel, rows: Sequence[dict[str, Figure]]) -> Panel:
    """A panel with a scale of its own."""
    nothing = "" if panel.series else "Not known: the signal was recorded without it."
    scale = scales([_values(panel.series, rows)], fewest=2)[0]
    return replace(panel, tip=_told(panel.tip, panel.series, rows), scale=scale, nothing=nothing)


def _edge(series: tuple[Series, ...], rows: Sequence[dict[str, Figure]], *, zero: bool = True) -> bool:
    return any(isinstance(row[each.key], str) or (zero and row[each.key] == 0) for each in series for row in rows)


def _no_shares(rows: Sequence[dict[str, Figure]]) -> str:
    found = any(row[each.key] != 0 for each in _SHARES for row in rows)
    return "" if found else "None: no unit is dead, and nothing is saturated."
