"""The exit codes, and errors as one message: no traceback, unless the fault is our own."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import traceback
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import typer

from initium.cli._where import raised_at
from initium.errors import BatchError, InitiumError, LossError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

P = ParamSpec("P")
R = TypeVar("R")
FOUND = 1
COULD_NOT_RUN = 2
INTERRUPTED = 130


def told(command: Callable[P, R]) -> Callable[P, R]:
    """A command that says its errors instead of raising them."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            made = command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _hushed()
            raise typer.Exit from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except typer.Exit:
            raise
        except (Exception, SystemExit) as error:
            typer.echo(_message(error), err=True)
            raise typer.Exit(COULD_NOT_RUN) from error
        return made

    return wrapped


@contextlib.contextmanager
def reader_may_leave() -> Generator[None, None, None]:
    """For what is followed by an exit code of its own: who closes the pipe (``| head -1``) has seen enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _hushed()


def _hushed() -> None:
    """The interpreter flushes once more when it ends, and would say that the pipe is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: BaseException) -> str:
    place = raised_at(error)
    at = f"\n  at {place}" if place else ""
    match error:
        case SystemExit():
            return (
                f"initium: the code that was called left Python: sys.exit({error.code!r}).{at}\n"
                "  Name something that returns; put what a script does under `if __name__ == '__main__':`."
            )
        case BatchError():
            return (
                f"initium: {error}{at}\n"
                "  From the command line: --shape for one tensor of floats, --batch file.py:name for anything else."
            )
        case LossError():
            return (
                f"initium: {error}{at}\n"
                "  From the command line: --loss cross_entropy, mse, bce_with_logits ... take the target that the batch has, "
                "or draw one; --loss file.py:name is a function of your own."
            )
        case InitiumError() | OSError():  # an OSError: a file that cannot be read or written
            return f"initium: {error}{at}"
        case _ if place:
            return f"initium: the code that was called failed: {type(error).__name__}: {error}{at}"
        case _:
            told = "".join(traceback.format_exception(error))
            return (
                f"{told}initium: this is a fault of initium, not of your call. Please report it with the lines above."
            )
