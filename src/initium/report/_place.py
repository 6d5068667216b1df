"""Where in a repository a report belongs: the line that makes the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file.

    Attributes:
        path: The file, with forward slashes, relative to the root of the repository.
        line: The line, from 1 on.

    Example:
        >>> Place("models.py", 3).line
        3
    """

    path: str
    line: int = 1
