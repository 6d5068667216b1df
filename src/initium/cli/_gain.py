"""``initium gain``: the numbers behind the laws."""

import math
from typing import Annotated

import typer

from initium.cli._errors import told
from initium.errors import ArgumentError, InitiumError
from initium.gains import known_activations, moments, variance_slope
from initium.terminal import page, table, write


@told
def gain(
    activation: Annotated[
        str | None, typer.Argument(help="Its name, such as relu, gelu or tanh; none for a list.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of it, such as negative_slope=0.2.")
    ] = None,
) -> None:
    """The exact gain of an activation, forward and backward.

    \b
    initium gain gelu
    initium gain leaky_relu --set negative_slope=0.2
    """  # noqa: D301 - a backspace tells click to keep the lines
    if activation is None:
        write(" ".join(known_activations()))
        return
    given = dict(map(_parameter, param or []))
    found = moments(activation, **given)
    rows = [
        ("forward gain", _root(found.second), "1 / sqrt(E[phi(z)^2])"),
        ("backward gain", _root(found.slope_second), "1 / sqrt(E[phi'(z)^2])"),
        ("E[phi]", f"{found.mean:.10g}", "mean of the output"),
        ("E[phi^2]", f"{found.second:.10g}", "second moment of the output"),
        ("E[phi'^2]", f"{found.slope_second:.10g}", "second moment of the slope"),
        ("variance slope", _slope(activation, given), "above 1: what is off unit variance grows"),
    ]
    told_params = "".join(f", {name}={value:g}" for name, value in given.items())
    title = f"{activation}{told_params} ({found.source})"
    write(table(["", "value", "z ~ N(0, 1)"], rows, title=title, width=page()))


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise ArgumentError(f"--set takes name=number, such as negative_slope=0.2; got {text!r}.") from error


def _root(second: float) -> str:
    return f"{1 / math.sqrt(second):.10g}" if second > 0 else "none"


def _slope(activation: str, given: dict[str, float]) -> str:
    try:
        return f"{variance_slope(activation, **given):.10g}"
    except InitiumError:
        return "unknown"
