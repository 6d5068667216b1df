"""The door for what needs data: a model whose parameters have no values is turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.errors import ArgumentError
from initium.network import as_module

if TYPE_CHECKING:
    from torch import nn


def needs_values(model: nn.Module, what: str) -> None:
    """Refuses a model with a parameter or a buffer on ``meta``.

    Raises:
        ArgumentTypeError: It is no module.
        ArgumentError: Naming the first one and the cure.
    """
    as_module(model)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta:
            raise ArgumentError(
                f"{what} needs values; `{name}` {tuple(tensor.shape)} is on the meta device. Give it memory and values "
                "first: model.to_empty(device=...), then initialise it."
            )
