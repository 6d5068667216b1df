"""The door for what needs data: what has no values, or can have no gradient, is turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.errors import ArgumentError
from initium.network import as_module, named_tensors, refuse_lazy

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Batch


def needs_values(model: nn.Module, what: str, batch: Batch, *, gradients: bool) -> None:
    """Refuses a model or a batch with a tensor on ``meta``, and a parameter of inference mode.

    Within inference mode such a parameter can be written, and never be given ``gradients``.

    Raises:
        ArgumentTypeError: It is no module.
        ArgumentError: Naming the first one and the cure.
        TraceError: A parameter is lazy and has no shape yet.
    """
    refuse_lazy(as_module(model))
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_meta:
            raise ArgumentError(
                f"{what} needs values; `{name}` {tuple(tensor.shape)} is on the meta device. Give it memory and values "
                "first: model.to_empty(device=...), then initialise it."
            )
    for name, parameter in model.named_parameters():
        if parameter.is_inference() and (gradients or not torch.is_inference_mode_enabled()):
            raise ArgumentError(
                f"{what} needs parameters that can be trained; `{name}` {tuple(parameter.shape)} was made under "
                "torch.inference_mode(). Make the model outside of it, or take a copy there: copy.deepcopy(model)."
            )
    parts = {"args": batch.args, "kwargs": dict(batch.kwargs), "target": batch.target}
    for name, tensor in [found for part, value in parts.items() for found in named_tensors(value, part)]:
        if tensor.is_meta:
            raise ArgumentError(
                f"{what} needs values; `{name}` of the batch, {tuple(tensor.shape)}, is on the meta device. Give a batch of "
                "real data, on the model's device."
            )
