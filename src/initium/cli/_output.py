"""Files that a command writes: looked at before the work, named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from initium.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path


def check_writable(path: Path | None, option: str) -> None:
    """Whether the file can be written, found out before the work that it is to hold; nothing is left behind."""
    if path is None or (path.exists() and not path.is_file()):  # a pipe or a device would take the trial as the end
        return
    new = not path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ArgumentError(
            f"{option} {path} cannot be written: {error.strerror}. Give a path in a folder that exists and is yours."
        ) from error
    if new:
        path.unlink()


def say_written(path: Path) -> None:
    """Where it went; beside the output, which somebody may read by machine."""
    typer.echo(f"initium: wrote {path}", err=True)
