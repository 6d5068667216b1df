"""A start's values for the weights whose channels are done, in tensors of their own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from initium.planning import plan, write
from initium.random import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from initium.calibrate._channels import Channels, Key
    from initium.network import Network
    from initium.schemes import Scheme


def drawn(
    model: nn.Module, network: Network, channels: Mapping[Key, Channels], scheme: Scheme | None, seed: int
) -> dict[str, Tensor]:
    """Values of a start for the weights that are done and for the biases beside them, written into no model."""
    if scheme is None:
        return {}
    held = dict(model.named_parameters())
    names = {name for each in channels.values() if not each.reason for name in (each.name, each.scaled)}
    names |= {use.bias for use in network.uses if use.bias and use.name in names}
    wanted = tuple(facts for facts in network.parameters if facts.name in names and not facts.frozen)
    values: dict[str, Tensor] = {}
    for row in plan(dataclasses.replace(network, parameters=wanted), scheme).rows:
        values[row.name] = torch.empty_like(held[row.name], requires_grad=False)
        write(values[row.name], row.fill, Stream(seed).child(row.name))
    return values
