"""What the drop-in functions share: subclasses that take over a call, and the key drawn from torch's generator."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from torch.overrides import handle_torch_function, has_torch_function_variadic

from initium.checks import holds_nothing, made
from initium.random import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

P = ParamSpec("P")
R = TypeVar("R")

# A tensor given to these functions has no name, and each call draws a seed of its own: any one name does.
NAME = "init"


def overridable(function: Callable[P, R]) -> Callable[P, R]:
    """Let what has ``__torch_function__`` (a subclass, a proxy of ``torch.fx``) take the call over, as torch's own do."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        tensor: Any = args[0] if args else kwargs.get("tensor")
        made(tensor)
        if has_torch_function_variadic(tensor):
            return handle_torch_function(call, (tensor,), *args, **kwargs)
        return function(*args, **kwargs)

    return call


@contextmanager
def drawing(tensor: object, generator: torch.Generator | None) -> Generator[Stream]:
    """A stream keyed from torch's generator; where nothing is filled, or the call fails, the generator stays put."""
    if isinstance(tensor, torch.Tensor) and holds_nothing(tensor):
        yield Stream(0, NAME)
        return
    source = torch.default_generator if generator is None else generator
    before = source.get_state() if isinstance(source, torch.Generator) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    try:
        yield Stream.from_generator(generator).child(NAME)
    except BaseException:
        if before is not None:
            source.set_state(before)
        raise
