"""``initium demo``: a sick network on real digits, found, explained and cured."""

from pathlib import Path
from typing import Annotated

import typer

from initium.cli._errors import told
from initium.cli._output import check_writable, say_written
from initium.cli._stage import TerminalStage
from initium.demo import CASES, run


@told
def demo(
    case: Annotated[str, typer.Option(help=f"The illness: {', '.join(CASES)}.")] = "glorot-relu",
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps; the case knows how many it needs.")] = None,
    seed: Annotated[
        int, typer.Option(help="Of the split, the weights and the batches: the same seed prints the same.")
    ] = 0,
    svg: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write what is shown to this file as a picture.")
    ] = None,
) -> None:
    """A sick network on real digits: found, explained, cured, and both trained alike.

    \b
    initium demo
    initium demo --case zeros
    """  # noqa: D301 - a backspace tells click to keep the lines
    check_writable(svg, "--svg")
    stage = TerminalStage()
    run(stage, case, steps, seed)
    if svg is not None:
        svg.write_text(stage.picture(f"initium demo --case {case}"), encoding="utf-8")
        say_written(svg)
