"""What several commands ask for."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from initium.records import Severity


class Least(StrEnum):
    """The least severity that makes the exit code 1."""

    error = "error"
    warning = "warning"
    info = "info"
    never = "never"


def severity_of(least: Least) -> Severity | None:
    """The severity that is asked for; ``None`` where nothing is to make the exit code 1."""
    return None if least is Least.never else least.value


FailOn = Annotated[
    Least, typer.Option(help="The least severity that makes the exit code 1; never, to look and not to judge.")
]
Target = Annotated[
    str,
    typer.Argument(
        help="The model: package.module:name or file.py:name, an nn.Module or a callable that makes one; or timm:NAME, "
        "torchvision:NAME, hf:TYPE, hf:config.json, built with random weights."
    ),
]
Shape = Annotated[str | None, typer.Option(help="Sizes of one input tensor, such as 32,64: standard normal values.")]
BatchTarget = Annotated[
    str | None,
    typer.Option("--batch", help="The batch: package.module:name or file.py:name, or a callable that makes it."),
]
Loss = Annotated[
    str | None,
    typer.Option(
        help="cross_entropy, nll, bce_with_logits, bce, mse, l1: on the batch's target, or on one drawn to suit the output; "
        "or package.module:name or file.py:name of loss(output, target), or of loss(output) where the batch has no target."
    ),
]
Json = Annotated[Path | None, typer.Option(dir_okay=False, help="Write the result to this file as JSON.")]
Seed = Annotated[
    int,
    typer.Option(help="Of the weights that the target draws, of the batch and of auto: the same seed prints the same."),
]
