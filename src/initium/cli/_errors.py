"""Errors of ours as one message and exit code 2; no traceback, since nothing is wrong with the program."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import typer

from initium.errors import InitiumError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")
COULD_NOT_RUN = 2


def told(command: Callable[P, R]) -> Callable[P, R]:
    """A command that says its errors instead of raising them."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (InitiumError, OSError) as error:  # a file that cannot be read or written
            typer.echo(f"initium: {error}", err=True)
            raise typer.Exit(COULD_NOT_RUN) from error

    return wrapped
