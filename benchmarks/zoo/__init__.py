"""Hundreds of models as libraries write them, small and with random weights, each with a batch that it takes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.case import Case

# By library, the module here that knows how to build its models.
LIBRARIES = {
    "timm": "vision",
    "transformers": "language",
    "torchvision": "pictures",
    "diffusers": "diffusion",
    "torch_geometric": "graphs",
    "segmentation_models_pytorch": "masks",
    "bare": "bare",
}


def builders(library: str) -> dict[str, Callable[[], Case]]:
    """By name, what builds each of a library's models.

    Raises:
        ImportError: The library is absent.
    """
    found: dict[str, Callable[[], Case]] = import_module(f"zoo.{LIBRARIES[library]}").MODELS
    return found
