"""From ``package.module:name`` or ``file.py:name`` to the object."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from initium.errors import ArgumentError

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLE = "Write package.module:name, or file.py:name."
_SHOWN = 12
# What files of weights are called.
WEIGHTS = frozenset({".safetensors", ".pt", ".pth", ".bin", ".ckpt"})


def named(target: str) -> object:
    """The object that a target names."""
    where, name = _split(target)
    holder = _file(where, name) if where.endswith(".py") else _module(where, name)
    found: object = holder
    for part in name.split("."):
        if not hasattr(found, part):
            raise ArgumentError(f"{where} has no {part!r}; it has {offers(found)}.")
        found = getattr(found, part)
    return found


def offers(found: object) -> str:
    """What a module has to offer: what it defines itself, and modules that are ready."""
    public = {name: value for name, value in vars(found).items() if not name.startswith("_")}
    home = getattr(found, "__name__", "")
    own = [
        name
        for name, value in public.items()
        if not inspect.ismodule(value)
        and (not (inspect.isclass(value) or inspect.isroutine(value)) or value.__module__ == home)
    ]
    names = sorted(own or public)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing public"


def _split(target: str) -> tuple[str, str]:
    """Where, and the name in it; the drive of a Windows path has a colon too."""
    where, colon, name = target.rpartition(":")
    if colon and where and name and all(part.isidentifier() for part in name.split(".")):
        return where, name
    path = target.rstrip(":")
    path = f"{path}.py" if Path(f"{path}.py").is_file() else path
    if Path(path).is_file() and path.endswith(".py"):
        cure = f"Write {path}:name; it has {offers(_file(path, 'name'))}"
    elif path.endswith(".py"):
        cure = f"Write {path}:name"
    elif Path(path).suffix in WEIGHTS:
        raise ArgumentError(f"{path} holds weights, and no model. {EXAMPLE} For weights alone: initium audit {path}")
    elif not colon and "." in path and all(part.isidentifier() for part in path.split(".")):
        cure = "Write {}:{}".format(*path.rsplit(".", 1))
    else:
        cure = EXAMPLE.removesuffix(".")
    raise ArgumentError(f"'{target}' names no object. {cure}.")


def _module(where: str, name: str) -> ModuleType:
    if Path(f"{where}.py").is_file() and not where.isidentifier():
        raise ArgumentError(f"{where} is no module's name. For the file write {where}.py:{name}.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(where)
    except Exception as error:
        raise ArgumentError(f"importing {where} failed: {_failure(error)} {_cure(error, where)}") from error


def _file(where: str, name: str) -> ModuleType:
    path = Path(where)
    if not path.is_file():
        raise ArgumentError(_no_file(where, name))
    stem = path.stem
    loaded = sys.modules.get(stem)
    if loaded is not None:
        if Path(getattr(loaded, "__file__", None) or "").resolve() == path.resolve():
            return loaded
        stem = f"_initium_target_{stem}"  # a file called copy.py may not take the place of the real copy
    return _executed(path, stem, where, name)


def _executed(path: Path, stem: str, where: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{where} cannot be loaded as Python.")
    module = importlib.util.module_from_spec(spec)
    # As for a script: the file's neighbours can be imported, and its dataclasses find their module.
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[stem]
        if "relative import" in str(error):
            raise ArgumentError(f"running {where} failed: {_failure(error)} {_as_module(path, name)}") from error
        raise ArgumentError(f"running {where} failed: {_failure(error)} {_cure(error, '')}".rstrip()) from error
    return module


def _failure(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).rstrip('.')}."


def _cure(error: Exception, asked: str) -> str:
    """What to do about a module that is not there: the one that was asked for, or one that it imports."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return ""
    if asked and (asked == error.name or asked.startswith(f"{error.name}.")):
        return f"It was looked for from {Path.cwd()} on. {EXAMPLE}"
    return f"Install it for {sys.executable}, or start where it can be imported."


def _no_file(where: str, name: str) -> str:
    forward = where.replace("\\", "/")
    if Path(forward).is_file():
        return f"there is no file {where}. Write {forward}:{name}."
    if Path(where).is_absolute() or ":" in where:
        return f"there is no file {where}. Check the path; from here on it would be folder/file.py:{name}."
    return f"there is no file {where} in {Path.cwd()}. Write the path from there, such as folder/{Path(where).name}:{name}."


def _as_module(path: Path, name: str) -> str:
    """The file's name as a part of its package, and where Python would find that."""
    folder, parts = path.resolve().parent, [path.stem]
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return f"The file is part of a package. In {folder} write {'.'.join(parts)}:{name}."


def signature(found: object) -> str:
    """The arguments that a callable cannot do without, as they would be written; empty where it needs none."""
    try:
        parameters = inspect.signature(found).parameters.values() if callable(found) else ()
    except (TypeError, ValueError):  # written in C
        return ""
    needed = [
        each
        for each in parameters
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    return ", ".join(f"{each.name}=..." for each in needed)
