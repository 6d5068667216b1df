"""Where weights come from: a module, a mapping of tensors, a file or several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from torch import nn

from initium.audit._files import KINDS, of_file
from initium.audit._shards import index_in, sharded
from initium.audit._source import Source, mapping
from initium.errors import ArgumentError, ArgumentTypeError
from initium.network import Batch, Network, as_batch, held, read

Weights: TypeAlias = "nn.Module | Mapping[str, object] | str | os.PathLike[str]"


def source(weights: Weights, batch: object, network: Network | None = None) -> Source:
    """What weights are where.

    Raises:
        ArgumentTypeError: Neither a module nor a mapping nor a path.
        ArgumentError: A file that is none of weights, or there are none.
    """
    if isinstance(weights, nn.Module):
        return _some(_module(weights, None if batch is None else as_batch(batch), network))
    if batch is not None:
        raise ArgumentError("batch= is for a module, which is traced with it; a state dict or a file has shapes alone.")
    if isinstance(weights, Mapping):
        return _some(mapping(weights, "state dict"))
    if isinstance(weights, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        return _some(_of_path(Path(weights)))
    raise ArgumentTypeError(
        f"weights are an nn.Module, a state dict, or the path of {KINDS}; got {type(weights).__name__}."
    )


def _module(model: nn.Module, batch: Batch | None, network: Network | None) -> Source:
    network = network or read(model, batch)
    every = {one.name: one for one in held(model)}
    shapes = {name: tuple(one.parameter.shape) for name, one in every.items()}
    names = {name: one.names for name, one in every.items()}
    notes = () if batch is not None else ("no batch was given: fans are read from the modules alone",)
    return Source(network.title, shapes, names, lambda name: every[name].parameter, network, notes)


def _of_path(path: Path) -> Source:
    index = index_in(path)
    return of_file(path) if index is None else sharded(index)


def _some(made: Source) -> Source:
    if not made.shapes:
        raise ArgumentError(f"{made.title} holds no parameter; an audit needs one or more.")
    return made
