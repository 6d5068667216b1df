"""``initium gain``: the numbers behind the laws."""

import math
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from initium.cli._errors import told
from initium.cli._options import Json
from initium.cli._output import check_writable, say_written
from initium.errors import ArgumentError, InitiumError
from initium.gains import known_activations, moments, variance_slope
from initium.records import finite
from initium.terminal import page, table, write

_ROWS = (
    ("forward_gain", "forward gain", "1 / sqrt(E[phi(z)^2])"),
    ("backward_gain", "backward gain", "1 / sqrt(E[phi'(z)^2])"),
    ("mean", "E[phi]", "mean of the output"),
    ("second", "E[phi^2]", "second moment of the output"),
    ("slope_second", "E[phi'^2]", "second moment of the slope"),
    ("variance_slope", "variance slope", "above 1: what is off unit variance grows"),
)


def _shown(value: float | None) -> str:
    """To ten digits; of what has no such number, a word."""
    return "none" if value is None else f"{value:.10g}"


@told
def gain(
    activation: Annotated[
        str | None, typer.Argument(help="Its name, such as relu, gelu or tanh; none for a list.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of it, such as negative_slope=0.2.")
    ] = None,
    json: Json = None,
) -> None:
    """The exact gain of an activation, forward and backward.

    \b
    initium gain gelu
    initium gain gelu --json gelu.json
    initium gain leaky_relu --set negative_slope=0.2
    """  # noqa: D301 - a backspace tells click to keep the lines
    check_writable(json, "--json")
    if activation is None:
        names = known_activations()
        _write_json(json, {"activations": list(names)})
        write(" ".join(names))
        return
    given = dict(map(_parameter, param or []))
    found = moments(activation, **given)
    figures = {
        "forward_gain": _root(found.second),
        "backward_gain": _root(found.slope_second),
        "mean": found.mean,
        "second": found.second,
        "slope_second": found.slope_second,
        "variance_slope": _slope(activation, given),
    }
    _write_json(json, {"activation": activation, "parameters": given, "source": found.source, **figures})
    rows = [(title, _shown(figures[key]), told_as) for key, title, told_as in _ROWS]
    told_params = "".join(f", {name}={value:g}" for name, value in given.items())
    title = f"{activation}{told_params} ({found.source})"
    write(table(["", "value", "z ~ N(0, 1)"], rows, title=title, width=page()))


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise ArgumentError(f"--set takes name=number, such as negative_slope=0.2; got {text!r}.") from error


def _root(second: float) -> float | None:
    return 1 / math.sqrt(second) if second > 0 else None


def _slope(activation: str, given: dict[str, float]) -> float | None:
    try:
        return variance_slope(activation, **given)
    except InitiumError:
        return None


def _write_json(path: Path | None, values: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(dumps(finite(values), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        say_written(path)
