"""Files of weights: read tensor by tensor, or mapped into memory, of which a page is taken as it is looked at."""

from __future__ import annotations

import importlib
import pickle
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.audit._source import Source, mapping
from initium.errors import ArgumentError

if TYPE_CHECKING:
    from pathlib import Path

KINDS = "a .safetensors file, a .pt file of a state dict, the .index.json of a sharded checkpoint, or its folder"


def of_file(path: Path) -> Source:
    """The weights of one file.

    Raises:
        ArgumentError: There is none, or it holds no weights alone.
    """
    if not path.is_file():
        raise ArgumentError(f"there is no file {path}. Give {KINDS}.")
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ArgumentError(
            f"{path} cannot be read as weights alone: {str(error).splitlines()[0]} "
            "Save a state dict, torch.save(model.state_dict(), path), or pass the model itself."
        ) from error
    if not isinstance(loaded, Mapping):
        raise ArgumentError(f"{path} holds a {type(loaded).__name__}; a mapping of names to tensors is needed.")
    return mapping(cast("Mapping[str, object]", loaded), path.name)


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
    shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in sorted(opened.keys(), key=natural)}
    return Source(path.name, shapes, {name: (name,) for name in shapes}, opened.get_tensor)


def natural(name: str) -> list[tuple[int, str]]:
    """A file's names are sorted as text: block 2 before block 10 again."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]
