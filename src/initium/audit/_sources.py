"""Where weights come from: a module, a mapping of tensors, a file that is read tensor by tensor."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch
from torch import nn

from initium.errors import ArgumentError, ArgumentTypeError
from initium.network import Batch, Network, as_batch, held, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from initium.network import Facts

Weights: TypeAlias = "nn.Module | Mapping[str, object] | str | os.PathLike[str]"
_INSIDE = ("state_dict", "model_state_dict", "model", "module")


@dataclass(frozen=True, slots=True)
class Source:
    """Weights, by name.

    Attributes:
        title: What they are of.
        shapes: The shape of each.
        names: All names of each, more than one for a tied one.
        load: The tensor of a name.
        network: What is known of the model; ``None`` where there are shapes alone.
        notes: What was left out.
    """

    title: str
    shapes: dict[str, tuple[int, ...]]
    names: dict[str, tuple[str, ...]]
    load: Callable[[str], torch.Tensor]
    network: Network | None = None
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Facts]:
        """The facts of each parameter; empty where there are shapes alone."""
        return {each.name: each for each in self.network.parameters} if self.network else {}


def source(weights: Weights, batch: object) -> Source:
    """What weights are where.

    Raises:
        ArgumentTypeError: Neither a module nor a mapping nor a path.
        ArgumentError: A file that is none of weights, or there are none.
    """
    if isinstance(weights, nn.Module):
        return _module(weights, None if batch is None else as_batch(batch))
    if batch is not None:
        raise ArgumentError("batch= is for a module, which is traced with it; a state dict or a file has shapes alone.")
    if isinstance(weights, Mapping):
        return _mapping(weights, "state dict")
    if isinstance(weights, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance] - checked at the door
        return _file(Path(weights))
    raise ArgumentTypeError(
        f"weights are an nn.Module, a state dict, or the path of a .safetensors or .pt file; got {type(weights).__name__}."
    )


def _module(model: nn.Module, batch: Batch | None) -> Source:
    network = read(model, batch)
    every = {one.name: one for one in held(model)}
    shapes = {name: tuple(one.parameter.shape) for name, one in every.items()}
    names = {name: one.names for name, one in every.items()}
    notes = () if batch is not None else ("no batch was given: fans are read from the modules alone",)
    return _some(Source(network.title, shapes, names, lambda name: every[name].parameter, network, notes))


def _mapping(weights: Mapping[str, object], title: str) -> Source:
    nested = next((key for key in _INSIDE if isinstance(weights.get(key), Mapping)), None)
    if nested and not any(isinstance(value, torch.Tensor) for value in weights.values()):
        return _mapping(cast("Mapping[str, object]", weights[nested]), title)
    tensors = {str(name): value for name, value in weights.items() if isinstance(value, torch.Tensor)}
    rest = len(weights) - len(tensors)
    names: dict[tuple[Any, ...], list[str]] = {}
    for name, value in tensors.items():
        names.setdefault(_where(name, value), []).append(name)
    tied = {each[0]: tuple(each) for each in names.values()}
    shapes = {name: tuple(tensors[name].shape) for name in tied}
    notes = (f"{rest} entries are no tensors and are left out",) if rest else ()
    return _some(Source(title, shapes, tied, lambda name: tensors[name], None, notes))


def _where(name: str, value: torch.Tensor) -> tuple[Any, ...]:
    """Equal for one memory seen in one way: a tied weight."""
    if value.is_meta or not value.numel() or value.layout != torch.strided or value.is_quantized:
        return (name,)
    return (value.device, value.data_ptr(), value.dtype, *value.shape, value.stride())


def _file(path: Path) -> Source:
    if not path.is_file():
        raise ArgumentError(f"there is no file {path}. Give a .safetensors file, or a .pt file of a state dict.")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ArgumentError(
            f"{path} cannot be read as weights alone: {str(error).splitlines()[0]} "
            "Save a state dict, torch.save(model.state_dict(), path), or pass the model itself."
        ) from error
    if not isinstance(loaded, Mapping):
        raise ArgumentError(f"{path} holds a {type(loaded).__name__}; a mapping of names to tensors is needed.")
    return _mapping(cast("Mapping[str, object]", loaded), path.name)


def _safetensors(path: Path) -> Source:
    try:
        safetensors: Any = importlib.import_module("safetensors")
    except ImportError as error:
        raise ArgumentError(
            f"{path.name} needs the package safetensors, which is not installed: pip install safetensors. "
            "Or load it yourself and pass the state dict."
        ) from error
    try:
        opened = safetensors.safe_open(path, framework="pt")
    except safetensors.SafetensorError as error:
        raise ArgumentError(f"{path} is no safetensors file: {error}. Save it anew.") from error
    shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in sorted(opened.keys(), key=_natural)}
    return _some(Source(path.name, shapes, {name: (name,) for name in shapes}, opened.get_tensor))


def _natural(name: str) -> list[tuple[int, str]]:
    """A file's names are sorted as text: block 2 before block 10 again."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _some(made: Source) -> Source:
    if not made.shapes:
        raise ArgumentError(f"{made.title} holds no parameter; an audit needs one or more.")
    return made
