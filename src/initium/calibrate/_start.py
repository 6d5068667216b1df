"""The weights that LSUV starts from: drawn anew into tensors of their own, or as the model has them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import torch

from initium.errors import UnknownNameError
from initium.planning import Plan, matched, plan, write
from initium.random import Stream
from initium.records import Keep
from initium.schemes import he_normal, orthogonal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice
    from initium.network import Network
    from initium.records import PlanRow
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
            f"pre={pre!r} is no start of lsuv; known: {known}, a Plan, and None for the weights as they are."
        )
    return STARTS[pre]()


def start(
    model: nn.Module,
    network: Network,
    choices: Mapping[str, Choice],
    besides: Collection[str],
    *,
    pre: Pre | Plan | None,
    seed: int,
    opened: Callable[[Tensor], Tensor] | None,
) -> dict[str, Tensor]:
    """Values for the weights that are calibrated and for the biases beside them, or of a whole plan.

    Written into no model, save where ``opened`` gives a parameter's own memory to write into.
    """
    if isinstance(pre, Plan):
        rows: Sequence[PlanRow] = [row for row, _ in matched(pre.rows, model) if not isinstance(row.fill, Keep)]
    else:
        scheme = scheme_of(pre)
        rows = [] if scheme is None else _planned(network, choices, besides, scheme)
    return drawn(model, network, rows, seed, opened)


def drawn(
    model: nn.Module,
    network: Network,
    rows: Iterable[PlanRow],
    seed: int,
    opened: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """What these rows write: in tensors of their own, or in those that are ``opened``."""
    held, several = dict(model.named_parameters()), list(rows)
    room = opened or _beside
    # All at first: what is used while they are drawn then lies behind them, and can be had again as one piece.
    values = {row.name: room(held[row.name]) for row in several}
    for row in several:
        padding = network.facts(row.name).padding
        kept = None if padding is None else held[row.name].detach()[padding].clone()
        write(values[row.name], row.fill, Stream(seed).child(row.name))
        if kept is not None:  # what stands for nothing stays so
            values[row.name][padding] = kept
    return values


def _beside(parameter: Tensor) -> Tensor:
    return torch.empty_like(parameter, requires_grad=False)


def planned(network: Network, names: Collection[str], scheme: Scheme) -> Sequence[PlanRow]:
    """What a scheme writes into some parameters, the frozen ones and the kept ones aside."""
    wanted = tuple(facts for facts in network.parameters if facts.name in names and not facts.frozen)
    return [
        row for row in plan(dataclasses.replace(network, parameters=wanted), scheme) if not isinstance(row.fill, Keep)
    ]


def _planned(
    network: Network, choices: Mapping[str, Choice], besides: Collection[str], scheme: Scheme
) -> Sequence[PlanRow]:
    names = {name for name, choice in choices.items() if not choice.reason}
    biases = {use.bias for name in names for use in choices[name].uses if use.bias is not None}
    magnitudes = {network.facts(name).magnitude for name in names} - {""}
    return planned(network, names | magnitudes | biases | set(besides), scheme)
