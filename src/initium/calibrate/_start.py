"""The weights that LSUV starts from: drawn anew into tensors of their own, or as the model has them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import torch

from initium.errors import UnknownNameError
from initium.planning import plan, write
from initium.random import Stream
from initium.schemes import he_normal, orthogonal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from initium.calibrate._choice import Choice
    from initium.network import Network
    from initium.schemes import Scheme

Pre = Literal["orthogonal", "he"]
# The factor takes the gain's place, so the orthogonal start has gain 1.
STARTS: dict[str, Callable[[], Scheme]] = {"orthogonal": lambda: orthogonal(gain=1.0), "he": he_normal}


def scheme_of(pre: str | None) -> Scheme | None:
    """The scheme that a start stands for.

    Raises:
        UnknownNameError: ``pre`` is in no table.
    """
    if pre is None:
        return None
    if pre not in STARTS:
        known = ", ".join(map(repr, STARTS))
        raise UnknownNameError(
            f"pre={pre!r} is no start of lsuv; known: {known}, and None for the weights as they are."
        )
    return STARTS[pre]()


def start(
    held: Mapping[str, Tensor], network: Network, choices: Mapping[str, Choice], scheme: Scheme | None, seed: int
) -> dict[str, Tensor]:
    """Values for the weights that are calibrated and for the biases beside them, written into no model."""
    if scheme is None:
        return {}
    names = {name for name, choice in choices.items() if not choice.reason}
    names |= {use.bias for name in names for use in choices[name].uses if use.bias is not None}
    wanted = tuple(facts for facts in network.parameters if facts.name in names and not facts.frozen)
    values: dict[str, Tensor] = {}
    for row in plan(dataclasses.replace(network, parameters=wanted), scheme).rows:
        values[row.name] = torch.empty_like(held[row.name], requires_grad=False)
        write(values[row.name], row.fill, Stream(seed).child(row.name))
    return values
