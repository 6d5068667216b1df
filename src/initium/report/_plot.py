"""A report as a matplotlib figure: signal and gradient by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initium.errors import ArgumentError
from initium.records import counted
from initium.report._entries import entries
from initium.report._extras import extra
from initium.report._panels import panels
from initium.report._stretches import layers
from initium.report._verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.records import Finding, Signal
    from initium.report._entries import Figure
    from initium.report._panels import Panel, Series

_COLOURS = {"blue": "#1a67ad", "grey": "#87929d", "orange": "#c2540a", "violet": "#7a4fb5", "ink": "#1c2228"}
_MARK, _BAND = "#b3261e", "#ffb000"
_AXES = 2
_FEW = 120
_NAMES = 30
_EDGE = 0.09
"""Share of the height that is kept for zero and for what is not finite."""


def plot(
    findings: tuple[Finding, ...], signal: Signal, title: str, axes: Sequence[Any] | None, predicted: Signal | None
) -> Any:  # noqa: ANN401 - a figure
    """The figure.

    Raises:
        ArgumentError: The extra ``plot`` is not installed, or ``axes`` are not two.
    """
    figures = extra("matplotlib.figure", "plot", "a plot")
    if axes is not None and len(axes) != _AXES:
        raise ArgumentError(f"a plot takes 2 axes, one for the signal and one for the gradient; {len(axes)} came.")
    made: Sequence[Any] = (
        axes
        if axes is not None
        else figures.Figure(figsize=(9, 6), dpi=120, layout="constrained").subplots(_AXES, 1, sharex=True)
    )
    rows = entries(signal, predicted)
    for axis, panel in zip(made, panels(rows), strict=False):
        _draw(axis, panel, rows)
        _mark(axis, findings, signal)
    _name(made[-1], rows)
    told = f"{title}: {verdict(findings)} ({counted(findings)})"
    made[0].set_title(told, loc="left", fontweight="bold", fontsize=12, pad=24, parse_math=False)
    return made[0].figure


def _draw(axis: Any, panel: Panel, rows: Sequence[dict[str, Figure]]) -> None:  # noqa: ANN401 - axes
    for order, series in enumerate(panel.series):
        _series(axis, series, rows, 3 - order / 10 + (series.mark == "dashed"))
    axis.set_ylabel(panel.title)
    axis.set_yscale("log")
    if panel.scale:
        low, high = panel.scale.low, panel.scale.high
        axis.set_ylim(10.0 ** (low - (high - low) * _EDGE * panel.edge), 10.0**high * 1.2)
    for name, least in panel.floats:
        axis.axhline(least, color=_COLOURS["grey"], linestyle=":", linewidth=1.2, label=f"smallest normal {name}")
        axis.text(1.005, least, name, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
    axis.grid(visible=True, axis="y", linewidth=0.5, alpha=0.5)
    axis.spines[["top", "right"]].set_visible(False)
    if panel.series:
        axis.legend(fontsize=8, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)


def _series(axis: Any, series: Series, rows: Sequence[dict[str, Figure]], order: float) -> None:  # noqa: ANN401 - axes
    many = len(rows) > _FEW
    colour, values = _COLOURS[series.colour], [(row["place"], row[series.key]) for row in rows]
    shown = [value if isinstance(value, float) and value > 0 else float("nan") for _, value in values]
    style = {"dots": "", "dashed": "--"}.get(series.mark, "-")
    marker = "o" if series.mark == "dots" or (series.mark == "line" and not many) else ""
    axis.plot(
        [place for place, _ in values],
        shown,
        linestyle=style,
        marker=marker,
        markersize=1.5 if many else 3.5,
        linewidth=1.2 if many else 1.8,
        color=colour,
        label=series.title,
        zorder=order,
    )
    zero = [place for place, value in values if value == 0]
    bad = [place for place, value in values if isinstance(value, str)]
    for found, kind, fill in ((zero, "o", "none"), (bad, "x", colour)):
        if found:
            edge = {"transform": axis.get_xaxis_transform(), "linestyle": "", "zorder": order}
            axis.plot(
                found, [_EDGE / 2.5] * len(found), marker=kind, markersize=5, color=colour, markerfacecolor=fill, **edge
            )


def _mark(axis: Any, findings: tuple[Finding, ...], signal: Signal) -> None:  # noqa: ANN401 - axes
    """The layers of the first finding that is more than an info, and where it begins."""
    worst = next((each for each in findings if each.severity != "info"), None)
    if worst is None:
        return
    held = layers(worst, signal)
    for run in held.runs:
        axis.axvspan(run.first - 0.5, run.last + 0.5, color=_BAND, alpha=0.14, linewidth=0, zorder=0)
    if held.first:
        axis.axvline(held.first, color=_MARK, linewidth=1.2, zorder=2)
        axis.plot(held.first, 1, marker="v", color=_MARK, transform=axis.get_xaxis_transform(), clip_on=False, zorder=5)


def _name(axis: Any, rows: Sequence[dict[str, Figure]]) -> None:  # noqa: ANN401 - axes
    """Names below, as many as there is room for."""
    kept = rows[:: max(1, -(-len(rows) // _NAMES))]
    axis.set_xticks([row["place"] for row in kept])
    turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    flat = all(len(str(row["label"])) <= 3 for row in kept)  # noqa: PLR2004 - digits lie side by side
    axis.set_xticklabels([row["label"] for row in kept], fontsize=8, parse_math=False, **({} if flat else turned))
    axis.set_xlim(0.5, len(rows) + 0.5)
