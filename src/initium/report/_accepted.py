"""What a project accepts, read from its ``pyproject.toml``.

```toml
[[tool.initium.ignore]]
code = "dead-units"
layers = "experts.*"
reason = "the experts are sparse on purpose"
```
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from initium.diagnose import CHECKS
from initium.errors import ArgumentError
from initium.records import Ignore

if TYPE_CHECKING:
    import os

_FILE = "pyproject.toml"
_FIELDS = ("code", "reason", "layers")
_FORM = '[[tool.initium.ignore]] with code = "dead-units", reason = "why", and, if not everywhere, layers = "experts.*"'


def accepted(folder: str | os.PathLike[str] = ".") -> tuple[Ignore, ...]:
    r"""What the project of a folder accepts: ``[[tool.initium.ignore]]`` of the nearest ``pyproject.toml`` that has a table
    ``[tool.initium]``, in the folder or above it.

    Args:
        folder: Where to begin.

    Returns:
        The entries, for :meth:`Report.only`; none where no file has such a table.

    Raises:
        ArgumentError: The file is no TOML, an entry has no code or no reason, or what it has is unknown.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> text = '[[tool.initium.ignore]]\ncode = "dead-units"\nreason = "sparse on purpose"'
        >>> _ = (folder / "pyproject.toml").write_text(text)
        >>> accepted(folder)[0].reason
        'sparse on purpose'
    """  # noqa: D205 - the sentence is one
    start = Path(folder).resolve()
    for path in (each / _FILE for each in (start, *start.parents)):
        table = _table(path) if path.is_file() else None
        if table is not None:
            return tuple(_entry(each, path) for each in _entries(table, path))
    return ()


def _table(path: Path) -> dict[str, Any] | None:
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no TOML: {str(error).rstrip('.')}.") from error
    tool = told.get("tool", {})
    table = tool.get("initium") if isinstance(tool, dict) else None  # pyright: ignore[reportUnknownMemberType]
    return cast("dict[str, Any]", table) if isinstance(table, dict) else None


def _entries(table: dict[str, Any], path: Path) -> list[Any]:
    unknown = [name for name in table if name != "ignore"]
    if unknown:
        raise ArgumentError(f"{path}: [tool.initium] knows only `ignore`; got {', '.join(unknown)}.")
    entries = table.get("ignore", [])
    if not isinstance(entries, list):
        raise ArgumentError(f"{path}: what initium is to ignore is a list of tables: {_FORM}.")
    return cast("list[Any]", entries)


def _entry(entry: object, path: Path) -> Ignore:
    given = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    wrong = [
        f"{name} = {value!r}" for name, value in given.items() if name not in _FIELDS or not isinstance(value, str)
    ]
    if wrong or "code" not in given:
        came = f"got {', '.join(wrong)}" if wrong else f"got {entry!r}"
        raise ArgumentError(f"{path}: an entry that initium ignores is {_FORM}; {came}.")
    if given["code"] not in CHECKS:
        raise ArgumentError(
            f"{path}: no check has the code {given['code']!r}, which is to be ignored; known: {', '.join(CHECKS)}."
        )
    if not given.get("reason", "").strip():
        raise ArgumentError(
            f'{path}: the ignore of {given["code"]!r} has no reason. Add reason = "...": why it is accepted, for whoever '
            "reads the report next."
        )
    return Ignore(**given, source=_FILE)
