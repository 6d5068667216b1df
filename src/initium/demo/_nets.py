"""The networks of the demo: perceptrons, as plain as the article draws them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PIXELS = 64


def perceptron(
    depth: int, width: int, activation: Callable[[], nn.Module], classes: int = 10, *, norm: bool = False
) -> nn.Sequential:
    """Linear layers with an activation between them, on request with BatchNorm before each activation."""
    sizes = [_PIXELS, *[width] * (depth - 1), classes]
    return nn.Sequential(*_modules(sizes, activation, norm=norm))


def _modules(sizes: list[int], activation: Callable[[], nn.Module], *, norm: bool) -> Iterator[nn.Module]:
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        yield nn.Linear(inputs, outputs)
        if place < len(sizes) - 2:
            yield from [nn.BatchNorm1d(outputs)] * norm
            yield activation()
