"""``initium diagnose``: whether a model starts healthy, for people and for CI."""

import json as text
from dataclasses import replace

import typer

from initium import _front
from initium.cli import _target
from initium.cli._errors import FOUND, reader_may_leave, told
from initium.cli._libraries import library_of
from initium.cli._losses import said
from initium.cli._options import BatchTarget, FailOn, Json, Least, Loss, Seed, Shape, Target
from initium.cli._output import check_writable, say_written
from initium.errors import ArgumentError

_NO_DATA = "a diagnosis needs data: --shape 32,64 for standard normal values, or --batch file.py:name."


@told
def diagnose(
    target: Target,
    shape: Shape = None,
    batch: BatchTarget = None,
    *,
    loss: Loss = None,
    seed: Seed = 0,
    json: Json = None,
    fail_on: FailOn = Least.error,
) -> None:
    """Whether a model starts healthy; if not, which layers, why, and what to do.

    \b
    Exit code
    0    no finding at or above --fail-on
    1    a finding at or above --fail-on
    2    it could not run
    130  interrupted

    \b
    initium diagnose models.py:build --shape 32,64
    initium diagnose shop.models:build \\
        --batch shop.data:batch \\
        --loss torch.nn.functional:cross_entropy
    """  # noqa: D301 - a backspace tells click to keep the lines
    if batch is None and shape is None and library_of(target) is None:
        raise ArgumentError(_NO_DATA)
    check_writable(json, "--json")
    _target.seeded(seed)
    model, function = _target.model(target), _target.loss(loss, seed)
    given = _target.batch(batch, shape, seed, (target, model))
    if given is None:
        raise ArgumentError(_NO_DATA)
    report = _front.diagnose(model, given, function)
    report = replace(report, signal=said(report.signal, function, noted=True))
    if json is not None:
        json.write_text(text.dumps(report.to_dict(), indent=2, allow_nan=False), encoding="utf-8")
        say_written(json)
    with reader_may_leave():
        report.print()
    if report.at_least(fail_on.value):
        raise typer.Exit(FOUND)
