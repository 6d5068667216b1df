"""Panels as Vega-Lite, written with Altair; the page gives them data, colours and the layers that stand out.

The page gives three sets of data: the ``rows``, every second of the ``blocks``, and the stretches that are ``chosen``. What
it sets are parameters: ``at``, the layer under the pointer; ``first``, where the chosen finding begins; ``ticks``,
``labels`` and what begins with ``label_``, of the axis; and the palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from initium.report._panels import Panel, Series

_EDGE = 16
"""Pixels at the bottom edge that are kept for zero and for what is not finite."""
_TICKS = 4
_CROSS = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
_FEW = 120
"""Up to so many layers, each has a mark of its own on its line."""


def chart(alt: ModuleType, panel: Panel, count: int, *, named: bool) -> dict[str, Any]:
    """One panel over depth as a specification; ``named`` puts the layers' names below."""
    drawn = _Drawn(alt, panel, count, named)
    layers = [*drawn.ground(), *drawn.floats(), *drawn.series(), *drawn.front()]
    made = alt.layer(*layers, data=alt.NamedData("rows"), height=panel.height)
    told: dict[str, Any] = made.configure(**_style()).to_dict()
    return told


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The layers of one panel."""

    alt: Any
    panel: Panel
    count: int
    named: bool

    def ground(self) -> list[Any]:
        """Every second block, and the layers that are chosen."""
        alt = self.alt
        ends = {"left": "datum.first - 0.5", "right": "datum.last + 0.5"}
        return [
            alt.Chart(alt.NamedData(name))
            .transform_calculate(**ends)
            .mark_rect(color=_expr(colour), stroke=_expr(colour), strokeWidth=0.5)
            .encode(x=self._x("left"), x2="right")
            for name, colour in (("blocks", "band"), ("chosen", "chosen_band"))
        ]

    def floats(self) -> list[Any]:
        """Rules at the smallest normal numbers in range."""
        alt, made = self.alt, list[Any]()
        once = alt.Chart(alt.InlineData([{}]))
        for name, least in self.panel.floats:
            y = alt.YDatum(least, scale=self._scale(), axis=self._axis())
            made += [
                once.mark_rule(color=_expr("faint"), strokeDash=[2, 3]).encode(y=y),
                once.mark_text(color=_expr("faint"), align="left", baseline="middle", dx=4, fontSize=11).encode(
                    y=y, x=alt.value(_expr("width")), text=alt.value(name)
                ),
            ]
        return made

    def series(self) -> list[Any]:
        """Every series, the first on top but for predictions; zero and what is not finite at the bottom edge."""
        numbered = sorted(enumerate(self.panel.series), key=lambda each: (each[1].mark == "dashed", -each[0]))
        return [mark for place, each in numbered for mark in (*self._marks(each), *self._edge(each, place))]

    def front(self) -> list[Any]:
        """The first layer of the chosen finding, and the layer under the pointer."""
        alt = self.alt
        first = self._where("datum.place === first")
        return [
            first.mark_rule(color=_expr("mark"), strokeWidth=1.5).encode(x=self._x("place")),
            first.mark_point(shape="triangle-down", color=_expr("mark"), filled=True, opacity=1, size=90).encode(
                x=self._x("place"), y=alt.value(0)
            ),
            self._where("datum.place === at").mark_rule(color=_expr("ink"), opacity=0.7).encode(x=self._x("place")),
        ]

    def _marks(self, series: Series) -> list[Any]:
        alt = self.alt
        shown = f"isNumber(datum.{series.key}) && datum.{series.key} {'>= 0' if self.panel.scale is None else '> 0'}"
        y = alt.Y("shown:Q", scale=self._scale(), axis=self._axis(), title=None)
        held = alt.Chart().transform_calculate(shown=f"{shown} ? datum.{series.key} : null")
        many = self.count > _FEW
        colour = _expr(series.colour)
        made: list[Any] = []
        if series.mark != "dots":
            dash = {"strokeDash": [5, 4]} if series.mark == "dashed" else {}
            made.append(held.mark_line(color=colour, strokeWidth=1.4 if many else 2, **dash))
        if series.mark == "dots" or (series.mark == "line" and not many):
            made.append(
                held.transform_filter("datum.shown !== null").mark_circle(
                    color=colour, opacity=1, size=9 if many else 26
                )
            )
        return [each.encode(x=self._x("place"), y=y) for each in made]

    def _edge(self, series: Series, place: int) -> list[Any]:
        """A ring for zero, a cross for what is not finite; around those of the series before."""
        if not self.panel.edge:
            return []
        alt = self.alt
        zero = f"datum.{series.key} === 0" if self.panel.scale is not None else "false"
        y = alt.value(self.panel.height - _EDGE / 2)
        style = {"color": _expr(series.colour), "opacity": 1, "strokeWidth": 1.5}
        size = (24 + 60 * place) * (0.5 if self.count > _FEW else 1)
        shape = "stroke" if series.mark == "dashed" else "circle"
        marks = [
            self._where(zero).mark_point(shape=shape, size=size, **style),
            self._where(f"isString(datum.{series.key})").mark_point(shape=_CROSS, size=size + 10, **style),
        ]
        return [each.encode(x=self._x("place"), y=y) for each in marks]

    def _where(self, test: str) -> Any:  # noqa: ANN401 - a chart
        return self.alt.Chart().transform_filter(test)

    def _x(self, field: str) -> Any:  # noqa: ANN401 - a channel
        alt = self.alt
        names = {"labelExpr": "labels[datum.value]", "labelLimit": 120} | {
            f"label{what}": _expr(f"label_{what.lower()}") for what in ("Angle", "Align", "Baseline")
        }
        axis = alt.Axis(
            values=_expr("ticks"),
            format="d",
            title=None,
            grid=False,
            labelOverlap=False,
            **(names if self.named else {}),
        )
        scale = alt.Scale(domain=[0.5, self.count + 0.5], nice=False, zero=False)
        return alt.X(f"{field}:Q", scale=scale, axis=axis, title=None)

    def _scale(self) -> Any:  # noqa: ANN401 - a scale
        alt, scale = self.alt, self.panel.scale
        pixels = [self.panel.height - (_EDGE if self.panel.edge else 0), 4]
        if scale is None:
            return alt.Scale(domain=[0, 1], range=pixels, nice=False)
        return alt.Scale(type="log", domain=[10.0**scale.low, 10.0**scale.high], range=pixels, nice=False)

    def _axis(self) -> Any:  # noqa: ANN401 - an axis
        alt, scale = self.alt, self.panel.scale
        if scale is None:
            return alt.Axis(values=[0, 0.5, 1], format="%")
        step = -(-(scale.high - scale.low) // _TICKS)
        powers = range(scale.high, scale.low - 1, -step)
        shown = "'1e' + format(log(datum.value) / LN10, '.0f')"
        return alt.Axis(values=[10.0**power for power in powers], labelExpr=shown)


def losses(alt: ModuleType, values: list[dict[str, Any]]) -> dict[str, Any]:
    """The loss beside what guessing costs, one bar each: ``{"what", "value", "shown", "colour"}``."""
    y = alt.Y(
        "what:N",
        sort=None,
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelLimit=190, minExtent=180, maxExtent=180),
    )
    x = alt.X("value:Q", title=None, axis=None, scale=alt.Scale(zero=True))
    base = alt.Chart(alt.InlineData(values)).encode(y=y, x=x)
    bars = [
        base.transform_filter(f"datum.colour === '{colour}'").mark_bar(color=_expr(colour), height=11)
        for colour in dict.fromkeys(each["colour"] for each in values)
    ]
    told = base.mark_text(align="left", dx=6, fontSize=12, color=_expr("ink")).encode(text="shown:N")
    made: dict[str, Any] = alt.layer(*bars, told, height=alt.Step(22)).configure(**_style()).to_dict()
    return made


def _style() -> dict[str, Any]:
    """Text and lines in the page's own font and colours."""
    font = "system-ui, sans-serif"
    axis = {
        "labelColor": _expr("faint"),
        "labelFont": font,
        "labelFontSize": 11,
        "gridColor": _expr("grid"),
        "domainColor": _expr("grid"),
        "tickColor": _expr("grid"),
        "tickSize": 4,
    }
    return {"axis": axis, "text": {"font": font}, "view": {"stroke": None}, "background": "transparent"}


def _expr(name: str) -> dict[str, str]:
    """A parameter that the page sets."""
    return {"expr": name}
