"""What the drop-in functions share: subclasses take over a call, streams stand for generators, short fills are quick."""

from __future__ import annotations

from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from torch.overrides import handle_torch_function, has_torch_function_variadic

from initium import checks, random
from initium.checks import PLAIN
from initium.init._fans import Fans

if TYPE_CHECKING:
    from collections.abc import Callable

# Where the drop-in functions take their numbers from.
Source = torch.Generator | random.Stream | None
P = ParamSpec("P")
R = TypeVar("R")
# Equal ones of a type are the same argument: a tensor is none of them, nor is a layer or a user's own number.
_VALUES = frozenset((int, float, bool, str, type(None), Fans))


def overridable(function: Callable[P, R]) -> Callable[P, R]:
    """Let what has ``__torch_function__`` (a subclass, a proxy of ``torch.fx``) take the call over, as torch's own do."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        tensor: Any = args[0] if args else kwargs.get("tensor")
        if _overridden(tensor):
            return handle_torch_function(call, (tensor,), *args, **kwargs)
        return function(*args, **kwargs)

    return call


def drawing(function: Callable[P, torch.Tensor]) -> Callable[P, torch.Tensor]:
    """As `overridable`, for what only fills by one law that follows from shape, dtype and arguments: quick if repeated."""
    at = list(signature(function).parameters).index("generator")
    repeats = random.Repeats(_VALUES)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> torch.Tensor:
        tensor: Any = args[0] if args else kwargs.get("tensor")
        if _overridden(tensor):
            return handle_torch_function(call, (tensor,), *args, **kwargs)
        # A compiler would guard the table, and compile anew whenever it grows.
        if not args or len(args) > at or torch.compiler.is_compiling():
            return function(*args, **kwargs)
        given, source = args[1:], kwargs.pop("generator", None)
        if repeats.fill(tensor, source, given, kwargs):  # pyright: ignore[reportArgumentType]  asked there
            return tensor
        stream = stream_of(source)  # pyright: ignore[reportArgumentType]  asked there
        filled = function(*args, generator=stream, **kwargs)  # pyright: ignore[reportCallIssue]  as P says
        if isinstance(stream, random.Once):
            repeats.keep(tensor, stream, given, kwargs)
        return filled

    return call


def _overridden(tensor: object) -> bool:
    if type(tensor) not in PLAIN:
        checks.made(tensor)
    return has_torch_function_variadic(tensor)


def stream_of(source: Source) -> random.Stream:
    """A stream as it is; one draw from a generator."""
    return source if isinstance(source, random.Stream) else random.Once(source)
