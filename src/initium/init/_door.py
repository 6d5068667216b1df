"""What the drop-in functions share: subclasses take over a call."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from torch.overrides import handle_torch_function, has_torch_function_variadic

from initium import checks
from initium.checks import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def overridable(function: Callable[P, R]) -> Callable[P, R]:
    """Let what has ``__torch_function__`` (a subclass, a proxy of ``torch.fx``) take the call over, as torch's own do."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        tensor: Any = args[0] if args else kwargs.get("tensor")
        if type(tensor) not in PLAIN:
            checks.made(tensor)
        if has_torch_function_variadic(tensor):
            return handle_torch_function(call, (tensor,), *args, **kwargs)
        return function(*args, **kwargs)

    return call
