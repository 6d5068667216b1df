"""Tensors without memory, on which a model too large for this machine is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensor, FakeTensorMode

from initium.network._leaves import operands

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


class PartlyHollow(HollowMode):
    """Weights without memory and a batch with it: what is made of no weight is computed, so that questions are answered.

    Masks and indices are such; what is floating and comes from nowhere is made without memory, because a model writes
    what its weights give into it.
    """

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs an operation really where all that it is given is real."""
        given = operands(args, kwargs)
        hollow = [each for each in given if isinstance(each, FakeTensor)]
        if given and not hollow:
            return func(*args, **(kwargs or {}))
        if not given and self._whole(func, kwargs or {}):
            return func(*args, **(kwargs or {}))
        if hollow and any(not isinstance(each, FakeTensor) for each in _written(func, args)):
            raise DataDependentOutputException(func)
        return super().dispatch(func, types, args, kwargs)

    @staticmethod
    def _whole(func: Any, kwargs: dict[str, Any]) -> bool:  # noqa: ANN401
        """True for a factory of whole numbers or truth values."""
        dtype = kwargs.get("dtype")
        if dtype is None:
            return str(func).startswith(("aten.arange", "aten.randperm", "aten.randint"))
        return isinstance(dtype, torch.dtype) and not (dtype.is_floating_point or dtype.is_complex)


def _written(func: Any, args: Any) -> list[Any]:  # noqa: ANN401
    """What an operation writes to."""
    if not func._schema.is_mutable:  # noqa: SLF001
        return []
    places = [each.alias_info is not None and each.alias_info.is_write for each in func._schema.arguments]  # noqa: SLF001
    return [each for each, written in zip(args, places, strict=False) if written and isinstance(each, torch.Tensor)]


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
