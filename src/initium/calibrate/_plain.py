"""Operations whose derivative has no derivative in torch, written out by operations that have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002, FBT001, FBT002 - torch's own names
    found = torch.clamp(input + 3, 0, 6) / 6
    return input.copy_(found) if inplace else found


_PLAIN: dict[Any, Callable[..., Tensor]] = {F.hardsigmoid: _hardsigmoid}


class Plain(TorchFunctionMode):
    """Calls of such operations run as they are written out here."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs the call, or what stands for it."""
        run = _PLAIN[func] if func in _PLAIN else func  # noqa: SIM401 - not every callable that comes is one to type
        return run(*args, **(kwargs or {}))
