"""``initium diagnose``: whether a model starts healthy, for people and for CI."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from initium import _front
from initium.cli import _target
from initium.cli._errors import FOUND, reader_may_leave, told
from initium.cli._libraries import library_of
from initium.cli._losses import said
from initium.cli._options import BatchTarget, FailOn, Json, Least, Loss, Seed, Shape, Target, severity_of
from initium.cli._place import place_of
from initium.cli._views import Beside, Files
from initium.diagnose import explained
from initium.errors import ArgumentError, InitiumError
from initium.records import Ignore
from initium.report import accepted, github
from initium.terminal import write

_NO_DATA = "a diagnosis needs data: --shape 32,64 for standard normal values, or --batch file.py:name."


class Format(StrEnum):
    """What standard output is for."""

    text = "text"
    github = "github"


@told
def diagnose(
    target: Target,
    shape: Shape = None,
    batch: BatchTarget = None,
    *,
    loss: Loss = None,
    seed: Seed = 0,
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write it to this file as a page that a browser shows.")
    ] = None,
    json: Json = None,
    sarif: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write it to this file as SARIF, for code scanning.")
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write it to this file as JUnit XML, a test case for each check."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="What is printed: text, or github for annotations in GitHub Actions.")
    ] = Format.text,
    fail_on: FailOn = Least.error,
    select: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Judge by this code alone; again for more of them.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Leave this code out of the verdict; again for more of them."),
    ] = None,
) -> None:
    """Whether a model starts healthy; if not, which layers, why, and what to do.

    What a project accepts, with the reason, stands in its pyproject.toml:

    \b
    [[tool.initium.ignore]]
    code = "dead-units"
    layers = "experts.*"
    reason = "the experts are sparse on purpose"

    \b
    Exit code
    0    no finding at or above --fail-on
    1    a finding at or above --fail-on
    2    it could not run
    130  interrupted

    \b
    initium diagnose models.py:build --shape 32,64
    initium diagnose models.py:build --shape 32,64 \\
        --fail-on warning --ignore output-prior
    initium diagnose models.py:build --shape 32,64 \\
        --format github --sarif initium.sarif
    initium diagnose shop.models:build \\
        --batch shop.data:batch \\
        --loss torch.nn.functional:cross_entropy
    """  # noqa: D301 - a backspace tells click to keep the lines
    if batch is None and shape is None and library_of(target) is None:
        raise ArgumentError(_NO_DATA)
    files, least = Files(html, json, sarif, junit), severity_of(fail_on)
    files.check()
    known = _known(select or (), ignore or ())
    _target.seeded(seed)
    model, function = _target.model(target), _target.loss(loss, seed)
    given = _target.batch(batch, shape, seed, (target, model))
    if given is None:
        raise ArgumentError(_NO_DATA)
    report = _front.diagnose(model, given, function).only(select or (), known)
    report = replace(report, signal=said(report.signal, function, noted=True))
    at = place_of(target)
    files.write(report, at, least, lambda: _beside(model, given, function))
    with reader_may_leave():
        if form is Format.github:
            write(github(report, at))
        else:
            report.print()
    if least is not None and report.at_least(least):
        raise typer.Exit(FOUND)


def _beside(model: nn.Module, given: object, loss: Callable[..., object] | None) -> Beside:
    """The prediction, where there is one, and the laws."""
    laws = _front.audit(model).laws
    try:
        return {"predicted": _front.predict(model, given, loss=loss), "laws": laws}
    except InitiumError as error:
        typer.echo(f"initium: the page shows no prediction: {error}", err=True)
        return {"predicted": None, "laws": laws}


def _known(select: Sequence[str], ignore: Sequence[str]) -> tuple[Ignore, ...]:
    """What is left out, and why; a code that no check has is told before the work."""
    for code in (*select, *ignore):
        explained(code)
    return (*accepted(), *(Ignore(code, "the command line leaves it out", source="--ignore") for code in ignore))
