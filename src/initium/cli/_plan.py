"""``initium plan``: which law for every parameter, and why."""

from typing import Annotated

import typer

from initium import _front
from initium.cli import _target
from initium.cli._errors import told
from initium.cli._options import BatchTarget, Json, Seed, Shape, Target
from initium.cli._output import check_writable, say_written
from initium.terminal import write


@told
def plan(
    target: Target,
    shape: Shape = None,
    batch: BatchTarget = None,
    *,
    scheme: Annotated[str, typer.Option(help="textbook, he_normal, normal(0.02) ...")] = "textbook",
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Which law for every parameter of a model, and why; nothing is written.

    \b
    initium plan models.py:build --shape 32,64
    initium plan shop.models:build --batch shop.data:batch \\
        --scheme he_normal --json plan.json
    """  # noqa: D301 - a backspace tells click to keep the lines
    check_writable(json, "--json")
    _target.seeded(seed)
    model = _target.model(target, planned=True)
    given = _target.batch(batch, shape, seed, (target, model))
    made = _front.plan(model, given, scheme, seed=seed)
    if json is not None:
        made.save(json)
        say_written(json)
    write(str(made))
    if given is None:
        write("      to trace it: --shape 32,64 or --batch file.py:name")
