"""Whether a model's work is worth sparing while it is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._leaves import tensors_in
from initium.network._read import as_module

if TYPE_CHECKING:
    from torch import Tensor, nn

    from initium.network._batch import Batch

# An operation on shapes alone costs about a third of a millisecond more than to note a real one: what a core multiplies in
# that time (perceptrons and transformers of several widths cross between 1e7 and 2e7), and what a device multiplies that
# works while the host notes.
_NEAR, _FAR = 1.5e7, 1e10
_FEATURES = 2


def worth_sparing(model: nn.Module, batch: Batch) -> bool:
    """True where the products of a forward pass are likely to cost more than to do without them.

    Each parameter is taken to be multiplied once for every place of the batch: every word or sample, every pixel.

    Raises:
        ArgumentTypeError: It is no module.
    """
    parameters = list(as_module(model).parameters())
    if not parameters:
        return False
    places = max((_places(tensor) for tensor in tensors_in((batch.args, dict(batch.kwargs)))), default=0)
    each = sum(parameter.numel() for parameter in parameters) / len(parameters)
    return places * each > (_NEAR if all(parameter.device.type == "cpu" for parameter in parameters) else _FAR)


def _places(tensor: Tensor) -> float:
    """How many vectors of features an input holds; whole numbers are looked up, one vector each."""
    if tensor.is_nested:  # it has no sizes; reading refuses it
        return 0.0
    features = tensor.shape[1] if tensor.is_floating_point() and tensor.ndim >= _FEATURES else 1
    return tensor.numel() / max(features, 1)
