"""Where in the user's own code an error was raised."""

from __future__ import annotations

import importlib.util
import sysconfig
import traceback
from pathlib import Path

from initium.errors import InitiumError

_OURS = str(Path(__file__).parents[1])


def raised_at(error: BaseException) -> str:
    """The file, the line and the code in which an error of the user began; empty where the user's code took no part."""
    first = error
    while isinstance(first, InitiumError) and (cause := first.__cause__ or first.__context__) is not None:
        first = cause
    for frame in reversed(traceback.extract_tb(first.__traceback__)):
        if _inside(frame.filename, (_OURS,)):
            return ""
        if not _inside(frame.filename, _libraries()) and Path(frame.filename).is_file():
            return f"{_short(frame.filename)}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return ""


def _libraries() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    torch = importlib.util.find_spec("torch")
    return (*paths, *(torch.submodule_search_locations or () if torch else ()))


def _inside(name: str, folders: tuple[str, ...]) -> bool:
    path = Path(name)
    return any(path.is_relative_to(folder) for folder in folders)


def _short(name: str) -> str:
    path, here = Path(name).resolve(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
