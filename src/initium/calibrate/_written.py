"""What starts at one constant: weights whose author wrote them so, LayerScales, and the norms before outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import nn

    from initium.network import Facts, Network

# Logits of this rms lift a softmax's loss above log K by half of its square: 0.03.
HEAD = 0.25
# The scale of a norm that only outputs read.
CLOSE = 0.5
# A LayerScale for up to 10 branches: CaiT's for its shallow models.
LAYER = 0.1

# What may follow a weight that starts at zero on purpose.
_SILENT = frozenset({"sum", "product", "output", "unknown", "nothing"})


def written_out(model: nn.Module, network: Network) -> dict[str, str]:
    """Weights that start at one constant on purpose, and why: what is added or multiplied starts silent, or is composed.

    With a weight of zeros its bias, which is all that it gives: the identity of a spatial transformer, the odds of a class.

    A constant weight before an activation is none of them: there all units would stay alike. Before a softmax they do not:
    what it weighs differs.
    """
    held, direct = dict(model.named_parameters()), {use.name for use in network.uses if use.direct}
    biases, found = _biases(network, held), dict[str, str]()
    for facts in network.parameters:
        value = held[facts.name].detach()
        table = facts.role == "embedding" and facts.name in direct and facts.after.kind == "output"
        if (
            not (table or facts.role in {"weight", "recurrent"})
            or value.is_meta
            or not value.numel()
            or facts.computed_by
        ):
            continue
        first = value.flatten()[0]
        if bool((value == first).all()):
            if facts.name not in direct:
                found[facts.name] = f"{float(first.real):.3g} throughout, and no factor of the data itself"
            elif not first and (facts.idle or facts.head or facts.after.kind in _SILENT or _added(facts)):
                found[facts.name] = "zero throughout, so that what it leads to starts silent"
            elif not first and facts.name in biases and facts.after.kind != "activation":
                found[facts.name] = "zero throughout, so that only its bias is given at the start"
            elif not first and facts.after.kind == "softmax":
                found[facts.name] = "zero throughout, so that a softmax weighs all alike at the start"
    return found | {bias: f"all that `{name}` gives at the start" for name, bias in biases.items() if name in found}


def _biases(network: Network, held: Mapping[str, nn.Parameter]) -> dict[str, str]:
    """By weight, the bias beside it that is not zero."""
    found = {use.name: use.bias for use in network.uses if use.bias}
    return {name: bias for name, bias in found.items() if not held[bias].is_meta and bool(held[bias].detach().any())}


def _added(facts: Facts) -> bool:
    return facts.residual is not None and facts.residual.place in {"last", "beside"}


def layers_of(known: Mapping[str, Facts]) -> dict[str, float]:
    """What LayerScales start at; a scalar, as of ReZero, keeps the zero that its author gave it."""
    places = (facts.residual for facts in known.values() if facts.residual is not None)
    found = {name: place.branches for place in places for name in place.multipliers if place.branches}
    return {name: min(LAYER, 1 / branches) for name, branches in found.items() if math.prod(known[name].shape) > 1}


def closing_of(known: Mapping[str, Facts], sized: Collection[str]) -> dict[str, float]:
    """What scales start at of norms that only outputs read, all of which get their size here: CLOSE, in place of 1."""
    return {
        name: facts.neutral - 1.0 + CLOSE
        for name, facts in known.items()
        if facts.closes and facts.neutral is not None and not facts.frozen and set(facts.closes) <= set(sized)
    }
