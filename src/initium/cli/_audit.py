"""``initium audit``: which law the weights look like, and where they are not what was meant."""

from pathlib import Path
from typing import Annotated

import typer

from initium import _front
from initium.cli import _target
from initium.cli._errors import FOUND, reader_may_leave, told
from initium.cli._named import WEIGHTS
from initium.cli._options import BatchTarget, FailOn, Json, Least, Seed, Shape, severity_of
from initium.cli._output import check_writable, say_written
from initium.planning import Plan
from initium.terminal import write


@told
def audit(
    target: Annotated[
        str,
        typer.Argument(
            help="Weights: a .safetensors or .pt file, the .index.json of a checkpoint in several files, or its folder; or a "
            "model: package.module:name or file.py:name."
        ),
    ],
    shape: Shape = None,
    batch: BatchTarget = None,
    *,
    scheme: Annotated[
        str | None, typer.Option(help="What was meant: textbook, auto, normal(0.02) ..., or a plan's .json file.")
    ] = None,
    seed: Seed = 0,
    json: Json = None,
    fail_on: FailOn = Least.error,
) -> None:
    """Which law the weights look like, and where they are not what was meant.

    \b
    Exit code
    0    no finding at or above --fail-on
    1    a finding at or above --fail-on
    2    it could not run
    130  interrupted

    \b
    initium audit model.pt --json audit.json
    initium audit models.py:build --scheme he_normal
    initium audit model.pt --scheme plan.json
    initium audit checkpoint/
    """  # noqa: D301 - a backspace tells click to keep the lines
    check_writable(json, "--json")
    _target.seeded(seed)
    meant = Plan.load(scheme) if scheme is not None and scheme.endswith(".json") else scheme
    weights = target if _of_files(Path(target)) else _target.model(target)
    made = _front.audit(weights, meant, _target.batch(batch, shape, seed), seed=seed)
    if json is not None:
        json.write_text(made.to_json(), encoding="utf-8")
        say_written(json)
    with reader_may_leave():
        write(str(made))
    least = severity_of(fail_on)
    if least is not None and made.at_least(least):
        raise typer.Exit(FOUND)


def _of_files(path: Path) -> bool:
    return path.suffix in WEIGHTS or path.name.endswith(".index.json") or path.is_dir()
