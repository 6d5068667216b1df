"""The commands, each in a file of its own."""

from importlib.metadata import version
from typing import Annotated

import typer

from initium.cli._audit import audit
from initium.cli._demo import demo
from initium.cli._diagnose import diagnose
from initium.cli._explain import explain
from initium.cli._gain import gain
from initium.cli._plan import plan
from initium.cli._predict import predict

app = typer.Typer(
    name="initium",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command, told in (
    (demo, "A sick network: found, cured and trained."),
    (diagnose, "Whether a model starts healthy; what to do."),
    (explain, "What a check finds, and by which right."),
    (plan, "Which law for every parameter, and why."),
    (predict, "What a model would measure at its start."),
    (audit, "Which law the weights look like."),
    (gain, "The exact gain of an activation."),
):
    app.command(short_help=told)(command)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's form of a callback
    if asked:
        typer.echo(f"initium {version('initium')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """A good start for any neural network, and the proof that it is good.

    \b
    initium demo
    initium demo --case zeros
    initium diagnose models.py:build --shape 32,64
    initium explain dead-units
    initium plan models.py:build --shape 32,64
    initium predict models.py:build --shape 32,64
    initium audit model.pt
    initium gain gelu
    """  # noqa: D301 - a backspace tells click to keep the lines


def main() -> None:
    """The command ``initium``."""
    app()
