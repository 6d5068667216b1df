"""A checkpoint in several files beside an index that says which tensor is in which: one file is open at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast, final

from initium.audit._files import KINDS, natural, of_file
from initium.audit._source import Source
from initium.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_INDEX = ".index.json"
_SHOWN = 3


def index_in(path: Path) -> Path | None:
    """The index that a path is, or that the folder holds which it is; ``None`` for any other file.

    Raises:
        ArgumentError: A folder with no index, or with several of one kind.
    """
    if not path.is_dir():
        return path if path.name.endswith(_INDEX) else None
    found = sorted(each for each in path.iterdir() if each.name.endswith(_INDEX))
    found = [each for each in found if each.name.endswith(f".safetensors{_INDEX}")] or found
    if len(found) == 1:
        return found[0]
    held = f"several: {_some([each.name for each in found])}" if found else f"no *{_INDEX}; {_beside(path)}"
    raise ArgumentError(f"the folder {path} holds {held}. Give the path of the one that is meant: {KINDS}.")


def _beside(folder: Path) -> str:
    files = sorted(each.name for each in folder.iterdir() if each.is_file())
    return f"its files are {_some(files)}" if files else "it has no files"


def sharded(index: Path) -> Source:
    """The weights of all the files that an index names, by the names that it gives them, file by file.

    Raises:
        ArgumentError: No index, a file that is missing, or one that lacks a tensor which the index places in it.
    """
    places = _weight_map(index)
    names_of: dict[str, list[str]] = {}
    for name in sorted(places, key=natural):
        names_of.setdefault(places[name], []).append(name)
    missing = [shard for shard in names_of if not (index.parent / shard).is_file()]
    if missing:
        raise ArgumentError(
            f"{index} names {len(names_of)} files, of which {len(missing)} are not there: {_some(missing)} (of "
            f"`{names_of[missing[0]][0]}`). Bring them into {index.parent}; one file alone is audited by its own path."
        )
    opened = _One(index.parent)
    shapes: dict[str, tuple[int, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    surplus: list[str] = []
    for shard, wanted in names_of.items():
        for several, shape in _tied(index, shard, wanted, opened):
            shapes[several[0]], names[several[0]] = shape, several
        surplus += [name for each in opened.file(shard).names.values() for name in each if places.get(name) != shard]
    note = f"left out, since the index does not place them where they are: {_some(surplus)}"
    return Source(
        index.name,
        shapes,
        names,
        lambda name: opened.file(places[name]).load(name),
        None,
        (note,) if surplus else (),
    )


def _tied(
    index: Path, shard: str, wanted: list[str], opened: _One
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """The wanted names of one file by their tensors, and the tensors' shapes."""
    part = opened.file(shard)
    inside = {name: own for own, several in part.names.items() for name in several}
    _check_all_inside(index, shard, wanted, list(inside))
    tied: dict[str, list[str]] = {}
    for name in wanted:
        tied.setdefault(inside[name], []).append(name)
    for own, several in tied.items():
        yield tuple(several), part.shapes[own]


def _check_all_inside(index: Path, shard: str, wanted: list[str], inside: list[str]) -> None:
    absent = [name for name in wanted if name not in inside]
    if absent:
        raise ArgumentError(
            f"{index} places `{absent[0]}` in {shard}, which does not hold it"
            f"{f' (nor {len(absent) - 1} more of its names)' if absent[1:] else ''}; it holds {_some(inside)}. "
            "The index and the files are of different models, or a file was cut off: fetch both anew."
        )


@final
class _One:
    """The files of a folder, of which the latest is kept open; what it held is let go before the next is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._latest: tuple[str, Source] | None = None

    def file(self, name: str) -> Source:
        """An open file."""
        if self._latest is None or self._latest[0] != name:
            self._latest = None
            self._latest = name, of_file(self._folder / name)
        return self._latest[1]


def _weight_map(index: Path) -> dict[str, str]:
    if not index.is_file():
        raise ArgumentError(f"there is no file {index}. Give {KINDS}.")
    try:
        written: object = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArgumentError(f"{index} is no JSON: {str(error).rstrip('.')}.") from error
    found = cast("Mapping[str, object]", written).get("weight_map") if isinstance(written, Mapping) else None
    places = cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {}
    if not places or not all(isinstance(each, str) for each in places.values()):
        raise ArgumentError(
            f'{index} is no index of weights: it needs {{"weight_map": {{"name of a tensor": "name of its file"}}}}.'
        )
    return cast("dict[str, str]", dict(places))


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
