"""One batch or several: what is called with a loader takes the batches of a ``DataLoader`` as they come."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.errors import ArgumentTypeError, BatchError
from initium.network import Batch, as_batch

if TYPE_CHECKING:
    from typing import TypeGuard

_PAIR = 2


def is_one(given: object) -> TypeGuard[Batch | torch.Tensor | tuple[Any, ...] | Mapping[str, Any]]:
    """True for what :func:`as_batch` takes; False for what gives several of them."""
    return isinstance(given, Batch | torch.Tensor | tuple | Mapping)


def batches_of(given: object) -> Iterator[Batch]:
    """The batches, once through.

    A list of one or two within them is an input, and its target: so a ``DataLoader`` collates.

    Raises:
        ArgumentTypeError: It is neither a batch nor gives any.
        BatchError: A batch is empty or holds NaN; or there is none.
    """
    if is_one(given):
        yield as_batch(given)
        return
    if not isinstance(given, Iterable):
        raise ArgumentTypeError(
            "batches are one batch (a tensor, a tuple, a dict, initium.Batch), or a list or a DataLoader of them; got "
            f"{type(given).__name__}."
        )
    count = 0
    for count, each in enumerate(cast("Iterable[object]", given), 1):  # noqa: B007 - counted for what comes after
        yield _paired(each)
    if not count:
        raise BatchError("the batches are none: the list or the loader is empty, or was read to its end before.")


def endless(given: object) -> Iterator[Batch]:
    """The batches, again and again.

    Raises:
        BatchError: They came to an end that cannot be begun anew.
    """
    if isinstance(given, Iterator):
        yield from batches_of(cast("object", given))
        raise BatchError(
            "the batches came to an end before the steps did, and an iterator cannot be begun anew: give the loader or the "
            "list itself."
        )
    if is_one(given):
        yield from itertools.repeat(as_batch(given))
    while True:
        yield from batches_of(given)


def _paired(each: object) -> Batch:
    if isinstance(each, list):
        several = cast("list[Any]", each)
        if len(several) == _PAIR:
            return as_batch(Batch((several[0],), target=several[1]))
        if len(several) == 1:
            return as_batch(Batch((several[0],)))
        raise ArgumentTypeError(
            f"a list within the batches is an input, or an input and its target; got one of {len(several)}. Say what is what: "
            "initium.Batch(args, kwargs, target)."
        )
    return as_batch(each)
