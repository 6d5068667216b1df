"""What a model keeps on its Python side, at any depth: put back as it was (law 3)."""

from __future__ import annotations

import copy
import random
from collections import OrderedDict, deque
from operator import is_
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# A model may hold its whole data set: containers beyond these are copied themselves, what is in them is not looked into.
_DEEPEST, _LONGEST = 6, 10_000
_HOLDERS = frozenset({dict, OrderedDict, list, set, deque})
_EMPTY: Any = object()
# What holds nothing and never changes.
_ATOMS = frozenset({bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size})


def keep(model: nn.Module) -> tuple[list[tuple[Any, Any]], list[torch.Tensor]]:
    """Everything that holds something, with what it holds, for :func:`put_back`; and the tensors among it."""
    held: list[tuple[Any, Any]] = []
    tensors: list[torch.Tensor] = []
    for value in _reached(model):
        if type(value) in _HOLDERS and not value:  # a module has a dozen of these
            held.append((value, _EMPTY))
            continue
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif (state := _state(value)) is not None:
            held.append((value, state))
    return held, tensors


def put_back(held: list[tuple[Any, Any]]) -> None:
    """Gives every holder what it held; each stays the object that it is."""
    for value, state in held:
        if state is _EMPTY:
            if value:
                value.clear()
        elif _differs(value, state):
            _refill(value, state)


def _reached(model: nn.Module) -> Iterator[Any]:
    """Every module, and what its attributes lead to, each once; parameters and buffers aside."""
    registered = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    seen, waiting = set[int](registered), [(module, 0) for module in model.modules()]
    while waiting:
        value, depth = waiting.pop()
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            parts = _parts(value) if depth < _DEEPEST else ()
            # Most attributes of a module are empty tables and plain values: those are passed by without a call.
            for part in parts:
                kind = type(part)
                if kind in _ATOMS or isinstance(part, nn.Module):
                    continue
                if kind in _HOLDERS and not part:
                    if id(part) not in seen:
                        seen.add(id(part))
                        yield part
                else:
                    waiting.append((part, depth + 1))


def _parts(value: Any) -> Iterable[Any]:  # noqa: ANN401 - any attribute
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value).values() if len(value) <= _LONGEST else ()
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value if len(value) <= _LONGEST else ()
    return vars(value).values() if _is_plain(value) else ()


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    """A module, or an object that is there for its attributes (a cache, a configuration, a namespace)."""
    if isinstance(value, nn.Module | SimpleNamespace):
        return True
    return hasattr(value, "__dict__") and not (callable(value) or isinstance(value, type | torch.Tensor | ModuleType))


def _state(value: Any) -> Any:  # noqa: ANN401, PLR0911 - one a kind of holder
    match value:
        case dict():
            return tuple(value), tuple(value.values())
        case list() | deque():
            return list(value)
        case set():
            return set(value)
        case np.ndarray():
            return value.copy() if value.flags.writeable else None
        case torch.Generator():
            return value.get_state()
        case np.random.Generator():
            return copy.deepcopy(value.bit_generator.state)
        case random.Random():
            return value.getstate()
        case _:
            return (tuple(vars(value)), tuple(vars(value).values())) if _is_plain(value) else None


def _differs(value: Any, state: Any) -> bool:  # noqa: ANN401
    """False for a container that holds the very objects that it held, in their order: it is left alone.

    It may be the world's (the globals of a Python module), and the world looks on while a container is refilled.
    """
    match value:
        case dict():
            return not _holds(cast("dict[Any, Any]", value), *state)
        case list() | deque() | set():
            return not _same(cast("list[Any]", value), state)
        case np.ndarray() | torch.Generator() | np.random.Generator() | random.Random():
            return True
        case _:
            return not _holds(vars(value), *state)


def _holds(now: dict[Any, Any], keys: tuple[Any, ...], values: tuple[Any, ...]) -> bool:
    return _same(now, keys) and _same(now.values(), values)


def _same(now: Collection[Any], before: Collection[Any]) -> bool:
    return len(now) == len(before) and all(map(is_, now, before))


def _refill(value: Any, state: Any) -> None:  # noqa: ANN401
    match value:
        case OrderedDict():  # of model libraries, some forbid update()
            OrderedDict.clear(value)
            OrderedDict.update(value, zip(*state, strict=True))
        case dict():
            dict.clear(value)
            dict.update(value, zip(*state, strict=True))
        case list():
            value[:] = state
        case set():
            value.clear()
            value.update(state)
        case deque():
            value.clear()
            value.extend(state)
        case np.ndarray():
            np.copyto(value, state)
        case torch.Generator():
            value.set_state(state)
        case np.random.Generator():
            value.bit_generator.state = state
        case random.Random():
            value.setstate(state)
        case _:
            vars(value).clear()
            vars(value).update(zip(*state, strict=True))
