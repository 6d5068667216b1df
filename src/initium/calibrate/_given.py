"""What lsuv looks at: one batch, or the first of a loader's, each with its mask."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import torch

from initium.calibrate._batches import batches_of
from initium.errors import ArgumentError, ArgumentTypeError
from initium.network import Batch, tensors_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Mask = torch.Tensor | str | Callable[[Batch], torch.Tensor]


def at_most(batches: object, limit: int | None) -> list[Batch]:
    """The batch itself, or as many of a loader's batches as are wanted.

    Raises:
        ArgumentError: ``limit`` is not positive.
        ArgumentTypeError: As :func:`batches_of`.
        BatchError: As :func:`batches_of`.
    """
    if limit is not None and limit < 1:
        raise ArgumentError(
            f"batches= is how many batches of a loader are looked at, >= 1 or None for all; got {limit}."
        )
    return list(islice(batches_of(batches), limit))


def mask_of(mask: Mask | None, batch: Batch) -> Tensor | None:
    """Which positions of a batch count, as truth values.

    Raises:
        ArgumentError: The batch has no such key, or no position counts.
        ArgumentTypeError: It is no mask.
    """
    if mask is None:
        return None
    if isinstance(mask, str):
        if mask not in batch.kwargs:
            known = ", ".join(map(repr, batch.kwargs)) or "none, since it was given by position"
            raise ArgumentError(f"mask={mask!r} is no keyword of the batch; it has: {known}.")
        found = batch.kwargs[mask]
    else:
        found = mask if isinstance(mask, torch.Tensor) else mask(batch)
    if not isinstance(found, torch.Tensor) or found.is_floating_point() or not found.ndim:
        raise ArgumentTypeError(
            "mask is a tensor of truth values, True where a position counts, or of 0 and 1; the key of one in the batch; or "
            f"a function from a batch to one. Got {found!r}."
        )
    counts = found.bool()
    if not bool(counts.any()):
        raise ArgumentError("the mask leaves no position to look at: it is True, or 1, where a position counts.")
    return counts


def lone(batches: Sequence[Batch]) -> bool:
    """True where all that is given is one sample, as far as the first axes tell."""
    sizes = [each.shape[0] for batch in batches for each in tensors_in((batch.args, dict(batch.kwargs))) if each.ndim]
    return len(batches) == 1 and bool(sizes) and all(size == 1 for size in sizes)


def signature(batch: Batch) -> tuple[object, ...]:
    """What two batches that run on one graph have in common."""
    tensors = tensors_in((batch.args, dict(batch.kwargs)))
    shapes = (None if each.is_nested else tuple(each.shape) for each in tensors)  # reading refuses what is nested
    return (len(batch.args), *sorted(batch.kwargs), *zip(shapes, (each.dtype for each in tensors), strict=True))
