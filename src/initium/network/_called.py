"""A model called with other tensors in the place of its own, in this thread and on one device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from torch import nn
from torch.func import functional_call

from initium.network._batch import batch_tensors, called_with

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.network._batch import Batch

_INSIDE = "module."


def called(model: nn.Module, held: Mapping[str, Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """What the model returns; a ``DataParallel`` is what it divides among devices, at the top and further in."""
    if isinstance(model, nn.DataParallel):
        inside = {name.removeprefix(_INSIDE): tensor for name, tensor in held.items()}
        return called(model.module, inside, args, kwargs)
    with patch.object(nn.DataParallel, "forward", _undivided):
        return functional_call(model, dict(held), args, dict(kwargs), tie_weights=True)


def output_of(model: nn.Module, batch: Batch, values: Mapping[str, Tensor]) -> Any:  # noqa: ANN401
    """What a model returns for a batch with other tensors in the place of its parameters, on clones of its buffers.

    Args:
        model: Any module.
        batch: What it is called with; its tensors are copied, because a forward pass may write to its input.
        values: A tensor for each parameter that is replaced, by its name.

    Returns:
        The model's output. Gradients lead to the values.
    """
    args, kwargs = called_with(batch, batch_tensors(batch))
    buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    return called(model, buffers | dict(values), args, kwargs)


def _undivided(self: nn.DataParallel[nn.Module], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any arguments
    return self.module(*args, **kwargs)
