"""Weights that are used both ways round: what they begin as says what size they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initium.network import Network, Use

_TURNED = ({"out_in", "in_out"}, {"conv", "conv_transpose"})


def first_way(network: Network) -> Network:
    """The network as it reads with the uses alone that lie as each weight's first.

    A derivative that a model takes of itself (a force, the residual of an equation), or a decoder tied to its encoder,
    multiplies by the transpose, and what goes out there is the input's size: a weight that begins as a layer is no output
    for it.
    """
    first: dict[str, Use] = {}
    for use in network.uses:
        first.setdefault(use.name, use)
    uses = tuple(use for use in network.uses if {use.layout, first[use.name].layout} not in _TURNED)
    if len(uses) == len(network.uses):
        return network
    heads: dict[str, str] = {}
    for use in uses:
        heads[use.name] = heads.get(use.name) or use.head
    parameters = tuple(
        replace(facts, head=heads[facts.name]) if facts.head and facts.name in heads else facts
        for facts in network.parameters
    )
    return replace(network, uses=uses, parameters=parameters)
