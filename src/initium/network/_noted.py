"""What the tracer notes of a value: its shape and its dtype, and nothing that has to be made of tensors."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast
from unittest.mock import patch

import torch
from torch.fx.experimental import proxy_tensor
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import fx


@dataclass(frozen=True, slots=True)
class Noted:
    """A value that a node made.

    Attributes:
        shape: Of the tensor; empty for a nested one, which has none.
        dtype: Of its elements.
        choice: The value itself where it is made of whole numbers or truth values, until it is known whether any size
            hangs on it.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    choice: torch.Tensor | None = field(default=None, compare=False, repr=False)


def noted(value: Any, include_real: bool = False) -> Any:  # noqa: ANN401, ARG001, FBT001, FBT002 - torch's signature
    """Tensors as what is noted of them, in the container in which they came; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return Noted(() if value.is_nested else tuple(value.shape), value.dtype, _choice(value))
    if isinstance(value, list | tuple):
        return [noted(part) for part in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: noted(part) for key, part in cast("dict[Any, Any]", value).items()}
    return value


def _choice(value: torch.Tensor) -> torch.Tensor | None:
    """A copy, because the program may write to the value itself; a fake tensor has none.

    No gradient mode is switched for it: whole numbers have no gradient, and the graph would hold the switch.
    """
    whole = not (value.is_floating_point() or value.is_complex() or value.is_nested)
    plain = type(value) is torch.Tensor and value.layout == torch.strided and not value.is_meta
    if not (whole and plain):
        return None
    with disable_proxy_modes_tracing():
        return value.clone()


class Hearing(Protocol):
    """Who is shown every value that a real trace meets, before the program sees it: it may change the value in place."""

    def begin(self) -> None:
        """A trace begins; what was heard of another one is forgotten."""
        ...

    def __call__(self, node: fx.Node, value: torch.Tensor) -> None:
        """A node was recorded, and this is what it gave."""
        ...


@contextlib.contextmanager
def noting_shapes(hearing: Hearing | None = None) -> Generator[None]:
    """While it lasts, tracing notes shapes alone, and shows values to who is ``hearing``.

    As it comes, it makes a fake tensor of every value, each in a mode of its own with a stack trace: most of the time that
    a deep network takes. And torch 2.6 cannot tell the memory format of a value inside ``vmap``. Nor need the tracer's own
    questions to a value (its shape, its strides) pass through the modes that watch the program's: that is half of the rest.
    """
    with contextlib.ExitStack() as patches:
        for name, other in {"extract_val": noted, _FORMAT: _nothing}.items():
            patches.enter_context(patch.object(proxy_tensor, name, other))
        for name in ("track_tensor", "set_meta"):
            patches.enter_context(patch.object(proxy_tensor, name, _aside(getattr(proxy_tensor, name))))
        if hearing is not None:
            hearing.begin()
            patches.enter_context(patch.object(proxy_tensor, "set_meta", _heard(proxy_tensor.set_meta, hearing)))
        yield


def _aside(function: Any) -> Any:  # noqa: ANN401 - any function of the tracer
    """The function, out of sight of every ``TorchFunctionMode``."""

    @functools.wraps(function)
    def unwatched(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with torch._C.DisableTorchFunction():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - no public name
            return function(*args, **kwargs)

    return unwatched


def _heard(set_meta: Any, hearing: Hearing) -> Any:  # noqa: ANN401
    def shown(proxy: Any, value: Any) -> Any:  # noqa: ANN401
        made = set_meta(proxy, value)
        if isinstance(value, torch.Tensor):
            with torch._C.DisableTorchFunction(), disable_proxy_modes_tracing():  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                hearing(proxy.node, value)
        return made

    return shown


_FORMAT = "_extract_tensor_metadata"


def _nothing(value: torch.Tensor) -> None:
    """The second note, in which nobody looks."""
