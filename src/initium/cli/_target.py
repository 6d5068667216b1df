"""From ``package.module:name`` or ``file.py:name`` to the object."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from initium.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_EXAMPLE = "Write package.module:name, or file.py:name."


def model(target: str) -> nn.Module:
    """The module that a target names, or that the callable makes which it names."""
    found = named(target)
    made = found if isinstance(found, nn.Module) else _called(found, target)
    if not isinstance(made, nn.Module):
        raise ArgumentError(
            f"{target} gives {type(made).__name__}; an nn.Module is needed, or a callable that makes one."
        )
    return made


def batch(target: str | None, shape: str | None) -> object:
    """The batch that was asked for: a target's, standard normal values of a shape, or none."""
    if target is not None and shape is not None:
        raise ArgumentError("--batch and --shape were both given; one of them says what the batch is.")
    if target is not None:
        found = named(target)
        return _called(found, target) if callable(found) else found
    return None if shape is None else torch.randn(_sizes(shape), generator=torch.Generator().manual_seed(0))


def loss(target: str | None) -> Callable[..., Any] | None:
    """The loss that a target names: itself called as ``loss(output)`` or ``loss(output, target)``."""
    if target is None:
        return None
    found = named(target)
    if not callable(found):
        raise ArgumentError(f"--loss {target} is {type(found).__name__}; a loss is a callable, loss(output, target).")
    return found


def named(target: str) -> object:
    """The object that a target names."""
    where, colon, name = target.rpartition(":")
    if not (colon and where and name):
        raise ArgumentError(f"{target!r} names no object. {_EXAMPLE}")
    found: object = _file(where) if where.endswith(".py") else _module(where)
    for part in name.split("."):
        if not hasattr(found, part):
            known = ", ".join(sorted(each for each in vars(found) if not each.startswith("_"))[:12])
            raise ArgumentError(f"{where} has no {part!r}; it has {known or 'nothing public'}.")
        found = getattr(found, part)
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ArgumentError(f"importing {name} failed: {type(error).__name__}: {error}. {_EXAMPLE}") from error


def _file(name: str) -> ModuleType:
    path = Path(name)
    if not path.is_file():
        raise ArgumentError(f"there is no file {name} in {Path.cwd()}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{name} cannot be loaded as Python.")
    module = importlib.util.module_from_spec(spec)
    # As for a script: the file's neighbours can be imported, and its dataclasses find their module.
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ArgumentError(f"running {name} failed: {type(error).__name__}: {error}.") from error
    return module


def _called(found: object, target: str) -> object:
    if not callable(found):
        raise ArgumentError(f"{target} is {type(found).__name__}, which can be neither used nor called. {_EXAMPLE}")
    try:
        return cast("Callable[[], object]", found)()
    except Exception as error:
        raise ArgumentError(
            f"{target}() failed: {type(error).__name__}: {error}. It is called with no arguments."
        ) from error


def _sizes(shape: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in shape.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ArgumentError(f"--shape takes positive sizes between commas, such as 32,64; got {shape!r}.")
    return sizes
