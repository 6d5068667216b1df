"""What a weight operation adds to its product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from initium.network._facts import Use

# Where an operation takes what it adds to its product; linear and the convolutions take it third.
_ADDENDS = {"bilinear": 3, "addmm": 0, "addmv": 0, "addbmm": 0, "baddbmm": 0}
_THIRD = 2


def addend(use: Use, output: Tensor, args: Sequence[Any], beta: float = 1.0) -> Tensor | None:
    """The bias that an operation adds, beta times, with the output's number of axes; ``None`` where it adds none."""
    position = _THIRD if use.op == "linear" or "conv" in use.op else _ADDENDS.get(use.op)
    bias = args[position] if position is not None and len(args) > position else None
    if not isinstance(bias, Tensor):
        return None
    trailing = output.ndim - 1 - use.unit_axis % output.ndim if "conv" in use.op else 0
    shape = [1] * (output.ndim - bias.ndim - trailing) + list(bias.shape) + [1] * trailing
    return beta * bias.to(torch.promote_types(output.dtype, torch.float32)).reshape(shape)
