"""Tensors without memory, on which a model too large for this machine is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

if TYPE_CHECKING:
    from torch import Tensor

_GROUPED: Any = getattr(torch.ops.aten, "_grouped_mm", None)


class HollowMode(FakeTensorMode):
    """Fake tensors by torch's own rules of shape, and where a rule knows less than the operation, by ours."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs an operation on shapes; torch's rule for grouped products takes bfloat16 alone, its kernels any dtype."""
        if _GROUPED is not None and func is _GROUPED.default and args[0].dtype != torch.bfloat16:
            with self:
                return _grouped(*args, **(kwargs or {}))
        return super().dispatch(func, types, args, kwargs or {})


def _grouped(
    left: Tensor,
    right: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,  # noqa: ARG001 - the operation's own signature
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """The product's shape: groups stand along an axis of their own, or one after the other where a factor has none."""
    shape = left.shape[-2], right.shape[-1]
    if left.ndim == right.ndim:
        groups = left.shape[0] if left.ndim > 2 else len(offs) if offs is not None else 1  # noqa: PLR2004 - a stack
        shape = groups, *shape
    return left.new_empty(shape, dtype=out_dtype or left.dtype)
