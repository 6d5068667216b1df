"""The model, the batch and the loss that a command was asked for."""

from __future__ import annotations

import random
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from initium.cli._inputs import sized
from initium.cli._libraries import hollow, library_batch, library_model, library_of
from initium.cli._losses import NAMED, loss_named
from initium.cli._named import named, signature
from initium.errors import ArgumentError, UnknownNameError
from initium.network import map_tensors
from initium.random import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

# Parameters of a library's model from which on it is planned without memory.
_LARGE = 1 << 28
# As many as the demo takes.
_SEEDS = 1 << 63


def seeded(seed: int) -> None:
    """Sets the generators that a target may draw from; called before its file is loaded."""
    if not 0 <= seed < _SEEDS:
        raise ArgumentError(f"--seed takes an integer in [0, 2**63); got {seed}.")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % (1 << 32))  # noqa: NPY002 - the global generator is the one that a target may use


def model(target: str, *, planned: bool = False) -> nn.Module:
    """The module that a target names, or that the callable makes which it names, or that a library builds.

    A library's model that is only planned needs no memory where it is large.
    """
    if library_of(target) is not None:
        empty = hollow(target) if planned else None
        large = empty is not None and sum(each.numel() for each in empty.parameters()) > _LARGE
        return empty if empty is not None and large else library_model(target)
    found = named(target)
    made = found if isinstance(found, nn.Module) else _called(found, target, "an nn.Module")
    if not isinstance(made, nn.Module):
        raise ArgumentError(
            f"{target} gives {type(made).__name__}; an nn.Module is needed, or a callable that makes one."
        )
    return made


def batch(target: str | None, shape: str | None, seed: int, of: tuple[str, nn.Module] | None = None) -> object:
    """The batch that was asked for: a target's, values of a shape, an example of what a library's model takes, or none."""
    if target is not None and shape is not None:
        raise ArgumentError("--batch and --shape were both given; one of them says what the batch is.")
    if target is not None:
        found = named(target)
        return _called(found, target, "a batch") if callable(found) else found
    sizes, stream = None if shape is None else _sizes(shape), Stream(seed).child("batch")
    if of is not None and library_of(of[0]) is not None:
        made = library_batch(*of, sizes, stream)
        hollow_one = any(each.is_meta for each in of[1].parameters())
        return map_tensors(made, lambda each: each.to("meta")) if hollow_one else made
    return None if sizes is None else sized(sizes, stream)


def loss(target: str | None, seed: int) -> Callable[..., Any] | None:
    """The loss of a name, on a target drawn by the seed where the batch has none; or the one that a target names.

    That one is called as ``loss(output)`` or ``loss(output, target)``; a class is called for the loss that it makes.
    """
    if target is None:
        return None
    known = loss_named(target, Stream(seed).child("target"))
    if known is not None:
        return known
    if target.replace("-", "_").isidentifier():
        near = get_close_matches(target.replace("-", "_"), NAMED, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise UnknownNameError(
            f"no loss is called {target!r}.{meant} Known: {', '.join(NAMED)}; for your own write package.module:name or "
            "file.py:name."
        )
    found = named(target)
    found = _called(found, target, "a loss") if isinstance(found, type) else found
    if not callable(found):
        raise ArgumentError(
            f"--loss {target} is {type(found).__name__}; a loss is a callable, loss(output, target), or one of "
            f"{', '.join(NAMED)}."
        )
    return found


def _called(found: object, target: str, what: str) -> object:
    if not callable(found):
        raise ArgumentError(
            f"{target} is {type(found).__name__}, which can be neither used nor called. "
            f"Name {what}, or a callable that makes one."
        )
    needed = signature(found)
    if needed:
        name = target.rpartition(":")[2]
        raise ArgumentError(
            f"{target} needs arguments ({needed}), and a target is called without any. "
            f"Add a function and name that: def build(): return {name}({needed})."
        )
    try:
        return cast("Callable[[], object]", found)()
    except Exception as error:
        raise ArgumentError(f"{target}() failed: {type(error).__name__}: {str(error).rstrip('.')}.") from error


def _sizes(shape: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(size) for size in shape.split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ArgumentError(f"--shape takes positive sizes between commas, such as 32,64; got {shape!r}.")
    return sizes
