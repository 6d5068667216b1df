"""A report as one HTML file that asks the network for nothing: the page, its data, and Vega to draw with."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from initium.records import counted
from initium.report._charts import chart, losses
from initium.report._entries import COLUMNS, entries
from initium.report._extras import extra
from initium.report._panels import panels
from initium.report._stretches import blocks, layers
from initium.report._verdict import verdict
from initium.report._visible import visible
from initium.terminal import number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from types import ModuleType

    from initium.records import Finding, Signal
    from initium.report._entries import Figure

_FOLDER = "_page"


def html(
    findings: tuple[Finding, ...],
    signal: Signal,
    title: str,
    predicted: Signal | None = None,
    laws: Mapping[str, str] | None = None,
) -> str:
    """The page.

    Raises:
        ArgumentError: The extra ``html`` is not installed.
    """
    altair, convert = (extra(package, "html", "an HTML report") for package in ("altair", "vl_convert"))
    with ThreadPoolExecutor(1) as beside:  # it takes longer than all the rest, and leaves Python to it
        vega = beside.submit(_vega, altair, convert)
        return _page(altair, findings, signal, title, entries(signal, predicted, laws), vega)


def _page(  # noqa: PLR0917 - what a page is made of
    altair: ModuleType,
    findings: tuple[Finding, ...],
    signal: Signal,
    title: str,
    rows: list[dict[str, Figure]],
    vega: Future[str],
) -> str:
    shown = panels(rows) if rows else ()
    last = max((place for place, panel in enumerate(shown) if not panel.nothing), default=0)
    charts = {
        panel.key: chart(altair, panel, len(rows), named=place == last)
        for place, panel in enumerate(shown)
        if not panel.nothing
    }
    loss = _losses(signal)
    if loss:
        charts["loss"] = losses(altair, loss)
    tree = _tree(findings)
    page: str = _template().render(
        title=title,
        verdict=verdict(findings),
        tone=_tone(findings),
        counted=counted(findings),
        tree=tree,
        panels=shown,
        last=last,
        columns=COLUMNS,
        rows=rows,
        lawful=any(row["law"] for row in rows),
        cell=_cell,
        number=number,
        signal=signal,
        loss=loss,
        data=visible(
            {
                "rows": rows,
                "blocks": [asdict(each) for each in blocks(signal)],
                "findings": [asdict(layers(each, signal)) for each in findings],
                "charts": charts,
                "last": shown[last].key if shown else "",
            }
        ),
        vega=vega.result(),
    )
    return page


def _template() -> Any:  # noqa: ANN401 - a template
    jinja2 = extra("jinja2", "html", "an HTML report")
    loader = jinja2.PackageLoader("initium.report", _FOLDER)
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=visible,
    )
    made.filters["ticked"] = _ticked
    return made.get_template("page.html")


def _ticked(text: str) -> Any:  # noqa: ANN401 - a string that is markup
    """What stands in backticks as code, and everything as text."""
    markup = extra("markupsafe", "html", "an HTML report")
    pieces = str(markup.escape(visible(text))).split("`")
    return markup.Markup("".join(f"<code>{each}</code>" if place % 2 else each for place, each in enumerate(pieces)))


def _vega(altair: ModuleType, convert: ModuleType) -> str:
    """Vega, Vega-Lite and their embedding as one script, of the version that Altair writes for."""
    version = altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
    script: str = convert.javascript_bundle(vl_version=version)
    return script.replace("</script", "<\\/script")


def _tree(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings with those below each that it explains; one whose cause is no finding stands by itself."""
    given: dict[tuple[str, str], str] = {}
    nodes = list[dict[str, Any]]()
    for place, each in enumerate(findings):
        # A cure that was given already is not given again.
        same = given.get((each.cure, each.fix), "")
        given.setdefault((each.cure, each.fix), each.code)
        nodes.append({"place": place, "finding": each, "same": same, "below": []})
    roots = list[dict[str, Any]]()
    for node in nodes:
        cause = _cause(node, nodes)
        (roots if cause is None else cause["below"]).append(node)
    return roots


def _cause(node: dict[str, Any], nodes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The finding that explains this one: an earlier one, so that no two explain each other."""
    code = node["finding"].part_of
    return next((each for each in nodes[: node["place"]] if code and each["finding"].code == code), None)


def _tone(findings: tuple[Finding, ...]) -> str:
    return "healthy" if verdict(findings) == "healthy" else findings[0].severity


def _losses(signal: Signal) -> list[dict[str, Any]]:
    """The loss and what guessing costs; nothing where there is no finite loss to compare."""
    if signal.loss is None or not math.isfinite(signal.loss):
        return []
    told = [("loss at the start", signal.loss, "blue")]
    if signal.classes:
        told.append((f"guessing (log {signal.classes})", math.log(signal.classes), "grey"))
    if signal.prior_loss is not None:
        told.append(("by the class frequencies", signal.prior_loss, "grey"))
    return [{"what": what, "value": value, "shown": number(value), "colour": colour} for what, value, colour in told]


def _cell(value: float | str | None) -> str:
    """A figure in a table."""
    return "-" if value is None else value if isinstance(value, str) else number(value)
