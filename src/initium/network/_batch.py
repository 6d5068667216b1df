"""What a model is called with."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.errors import ArgumentTypeError, BatchError
from initium.network._leaves import named_tensors, replaced, tensors_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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


def spoiled(batch: object) -> str:
    """What is not finite in a batch that is whole but for that, in words; nothing where all is.

    Raises:
        ArgumentTypeError: As :func:`as_batch`.
    """
    made = _coerce(batch)
    return next(_spoiled(made), "")


def batch_tensors(batch: Batch) -> list[torch.Tensor]:
    """Copies of the batch's tensors, in the order of the graph's last placeholders; the target is not among them.

    Copies, because the forward pass may write to its input (an in-place activation as its first step).
    """
    return [_plain(tensor.detach().clone()) for tensor in tensors_in((batch.args, dict(batch.kwargs)))]


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of a class that only adds attributes (an image of a library) as a tensor, which the tracer follows."""
    plain: Any = torch.Tensor
    kind: Any = type(tensor)
    named = kind is not plain and kind.__torch_dispatch__ is plain.__torch_dispatch__
    return tensor.as_subclass(torch.Tensor) if named else tensor


def called_with(batch: Batch, tensors: Iterable[torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, with these tensors in the place of the batch's.

    Containers and caches are copies: what a model appends to them stays away from the batch.
    """
    given: tuple[Any, Any] = (batch.args, dict(batch.kwargs))
    shared = {id(tensor): tensor for tensor in tensors_in(given)}
    with contextlib.suppress(Exception):  # it may hold a lock, another's handle, or a class of its own mind
        given = copy.deepcopy(given, cast("dict[int, Any]", shared))
    return replaced(given, iter(tensors))


def _coerce(batch: object) -> Batch:
    match batch:
        case Batch():
            _check_parts(batch.args, batch.kwargs)
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


def _check_parts(args: object, kwargs: object) -> None:
    if not isinstance(args, tuple | list) or not isinstance(kwargs, Mapping):
        raise ArgumentTypeError(
            f"Batch(args, kwargs) takes a tuple of positional and a dict of keyword arguments; got "
            f"{type(args).__name__} and {type(kwargs).__name__}. One tensor is Batch((x,))."
        )


def _check(batch: Batch) -> None:
    inside = named_tensors(batch.args, "args") + named_tensors(dict(batch.kwargs), "kwargs")
    for bad in _spoiled(batch):
        raise BatchError(
            f"the batch must be finite; {bad}. Clean the data (torch.nan_to_num, or drop the sample) before asking for a verdict."
        )
    if inside and all(tensor.numel() == 0 for _, tensor in inside):
        raise BatchError(f"the batch holds no element: `{inside[0][0]}` has shape {tuple(inside[0][1].shape)}.")


def _spoiled(batch: Batch) -> Iterator[str]:
    """The tensors that are not finite; minus infinity may mask in what the model is called with."""
    inside = named_tensors(batch.args, "args") + named_tensors(dict(batch.kwargs), "kwargs")
    yield from filter(None, (_not_finite(path, tensor, may_mask=True) for path, tensor in inside))
    yield from filter(
        None, (_not_finite(path, tensor, may_mask=False) for path, tensor in named_tensors(batch.target, "target"))
    )


def _not_finite(path: str, tensor: torch.Tensor, *, may_mask: bool) -> str:
    if tensor.is_meta or not (tensor.is_floating_point() or tensor.is_complex()) or tensor.numel() == 0:
        return ""
    if tensor.is_nested or tensor.layout != torch.strided:  # its elements have no index; what is not finite will show
        return ""
    bad = ~torch.isfinite(tensor)
    if not bool(bad.any()) or (may_mask and _is_mask(tensor)):
        return ""
    first = torch.nonzero(bad)[0].tolist()
    return f"`{path}` holds {int(bad.sum())} NaN or infinite values of {tensor.numel()}, the first at index {first}"


def _is_mask(tensor: torch.Tensor) -> bool:
    """An additive attention mask: nothing but zeros and minus infinity."""
    return not tensor.is_complex() and bool(((tensor == 0) | (tensor == -torch.inf)).all())
