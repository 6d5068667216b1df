"""The tensors inside any value that a model takes or returns, and the same value with other tensors in their place."""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type, torch.dtype, torch.device, torch.nn.Module)


def _children(value: object) -> list[tuple[Any, Any]]:
    """The parts of a container as (key, part); empty for a leaf."""
    if isinstance(value, _PLAIN) or callable(value):
        return []
    if isinstance(value, Mapping):
        return list(cast("Mapping[Any, Any]", value).items())
    if isinstance(value, list | tuple | deque):
        return list(enumerate(cast("list[Any]", value)))
    if dataclasses.is_dataclass(value):
        return [
            (each.name, getattr(value, each.name)) for each in dataclasses.fields(value) if hasattr(value, each.name)
        ]
    return list(vars(value).items()) if hasattr(value, "__dict__") else []


def _with_children(value: Any, parts: dict[Any, Any]) -> Any:  # noqa: ANN401 - any container
    """A shallow copy of a container with other parts."""
    if isinstance(value, tuple):
        return type(value)(*parts.values()) if hasattr(value, "_fields") else type(value)(parts.values())
    if isinstance(value, list):
        return type(value)(parts.values())
    if isinstance(value, deque):
        return type(value)(parts.values(), value.maxlen)
    if dataclasses.is_dataclass(value) and not isinstance(value, Mapping):
        other = copy.copy(value)
        for key, part in parts.items():
            object.__setattr__(other, key, part)
        return other
    other = _copied(value)
    if isinstance(value, Mapping):
        for key, part in parts.items():  # one by one: some mappings of model libraries forbid update()
            cast("dict[Any, Any]", other)[key] = part
    else:
        vars(other).update(parts)
    return other


def _copied(value: Any) -> Any:  # noqa: ANN401 - any container
    try:
        return copy.copy(value)
    except Exception:  # noqa: BLE001 - of a class that looks attributes up elsewhere, which a copy has not yet
        other = object.__new__(type(value))
        vars(other).update(vars(value))
        return other


def map_tensors(value: Any, change: Callable[[torch.Tensor], Any]) -> Any:  # noqa: ANN401 - any container
    """The same value with ``change`` applied to every tensor in it, in a fixed order; the original is left alone."""
    return _map(value, change, {})


def _map(value: Any, change: Callable[[torch.Tensor], Any], seen: dict[int, Any]) -> Any:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        return change(value)
    if id(value) in seen:
        return seen[id(value)]
    seen[id(value)] = value
    parts = {key: _map(part, change, seen) for key, part in _children(value)}
    if all(parts[key] is part for key, part in _children(value)):
        return value
    seen[id(value)] = _with_children(value, parts)
    return seen[id(value)]


def tensors_in(value: object) -> list[torch.Tensor]:
    """Every tensor inside a value, in the order of :func:`map_tensors`."""
    found: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        found.append(tensor)
        return tensor

    map_tensors(value, keep)
    return found


def replaced(value: Any, tensors: Iterator[Any]) -> Any:  # noqa: ANN401 - any container
    """The same value with its tensors taken, in order, from ``tensors``."""
    return map_tensors(value, lambda _: next(tensors))


def named_tensors(value: object, prefix: str) -> list[tuple[str, torch.Tensor]]:
    """Every tensor inside a value with the path that leads to it, such as ``args[0]``."""
    if isinstance(value, torch.Tensor):
        return [(prefix, value)]
    found: list[tuple[str, torch.Tensor]] = []
    for key, part in _children(value):
        found += named_tensors(part, f"{prefix}[{key!r}]")
    return found


def operands(*given: object) -> list[Tensor]:
    """The tensors among an operation's arguments or results, which stand in lists and tables at most.

    Every operation of a traced run asks for them several times: a walk over any container would be half of its time.
    """
    found: list[Tensor] = []
    for each in given:
        if isinstance(each, torch.Tensor):
            found.append(each)
        elif isinstance(each, list | tuple):
            found += operands(*cast("list[Any]", each))
        elif isinstance(each, dict):
            found += operands(*cast("dict[Any, Any]", each).values())
    return found
