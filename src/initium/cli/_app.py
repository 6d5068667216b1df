"""The commands, each in a file of its own."""

from importlib.metadata import version
from typing import Annotated

import typer

from initium.cli._demo import demo
from initium.cli._diagnose import diagnose
from initium.cli._gain import gain
from initium.cli._plan import plan

app = typer.Typer(
    name="initium",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo, diagnose, plan, gain):
    app.command()(command)


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
    initium demo                                   a sick network, found and cured
    initium demo --case zeros                      another illness
    initium diagnose models.py:build --shape 32,64
    initium plan models.py:build --shape 32,64     which law, and why
    initium gain gelu                              the numbers behind the laws
    """  # noqa: D301 - a backspace tells click to keep the lines


def main() -> None:
    """The command ``initium``."""
    app()
