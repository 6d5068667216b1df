"""What a model is called with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from initium.errors import ArgumentTypeError, BatchError
from initium.network._leaves import named_tensors, tensors_in


@dataclass(frozen=True, slots=True)
class Batch:
    """The arguments of one call of a model, and, where the loss needs one, its target.

    Attributes:
        args: Positional arguments.
        kwargs: Keyword arguments.
        target: What the loss compares the output with: ``loss(output, target)``. ``None`` for ``loss(output)``.

    Example:
        >>> import torch
        >>> Batch((torch.ones(2, 3),)).args[0].shape
        torch.Size([2, 3])
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    target: Any = None


def as_batch(batch: object) -> Batch:
    """A batch from what a user gives: a tensor, a tuple of positional or a dict of keyword arguments, or a ``Batch``.

    Raises:
        ArgumentTypeError: It is none of these.
        BatchError: It holds no element, a NaN, or an infinity that is no mask.
    """
    made = _coerce(batch)
    _check(made)
    return made


def batch_tensors(batch: Batch) -> list[torch.Tensor]:
    """Copies of the batch's tensors, in the order of the graph's last placeholders; the target is not among them.

    Copies, because the forward pass may write to its input (an in-place activation as its first step).
    """
    return [tensor.detach().clone() for tensor in tensors_in((batch.args, dict(batch.kwargs)))]


def _coerce(batch: object) -> Batch:
    match batch:
        case Batch():
            return Batch(tuple(batch.args), dict(batch.kwargs), batch.target)
        case torch.Tensor():
            return Batch((batch,))
        case tuple():
            return Batch(tuple(batch))
        case Mapping():
            return Batch((), dict(batch))
        case _:
            raise ArgumentTypeError(
                f"a batch is a tensor, a tuple of positional arguments, a dict of keyword arguments or "
                f"initium.Batch(args, kwargs); got {type(batch).__name__}."
            )


def _check(batch: Batch) -> None:
    inside = named_tensors(batch.args, "args") + named_tensors(dict(batch.kwargs), "kwargs")
    for path, tensor in inside:
        _check_tensor(path, tensor)
    if inside and all(tensor.numel() == 0 for _, tensor in inside):
        raise BatchError(f"the batch holds no element: `{inside[0][0]}` has shape {tuple(inside[0][1].shape)}.")


def _check_tensor(path: str, tensor: torch.Tensor) -> None:
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()) or tensor.numel() == 0:
        return
    bad = ~torch.isfinite(tensor)
    if not bool(bad.any()) or _is_mask(tensor):
        return
    first = torch.nonzero(bad)[0].tolist()
    raise BatchError(
        f"the batch must be finite; `{path}` holds {int(bad.sum())} NaN or infinite values of {tensor.numel()}, the "
        f"first at index {first}. Clean the data (torch.nan_to_num, or drop the sample) before asking for a verdict."
    )


def _is_mask(tensor: torch.Tensor) -> bool:
    """An additive attention mask: nothing but zeros and minus infinity."""
    return not tensor.is_complex() and bool(((tensor == 0) | (tensor == -torch.inf)).all())
