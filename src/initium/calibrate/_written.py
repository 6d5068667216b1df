"""What an author wrote out on purpose, and what starts at one constant: LayerScales, and the norms before outputs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.errors import InitiumError
from initium.gains import moments
from initium.network import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor, nn

    from initium.gains import Nonlinearity
    from initium.network import Facts, Neighbour, Network

# Logits of this rms lift a softmax's loss above log K by half of its square: 0.03.
HEAD = 0.25
# The scale of a norm that only outputs read: all that makes an output smaller than a signal, so that behind a norm the
# output's weights are as large as any other layer's.
CLOSE = HEAD
# A LayerScale for up to 10 branches: CaiT's for its shallow models.
LAYER = 0.1

# Values of one sign that are no accident, and where an activation is looked at, 0 first.
SEVERAL = 6
_PLACES = (0.0, -8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)
# What may follow a weight that starts at zero on purpose.
_SILENT = frozenset({"sum", "product", "output", "unknown", "nothing"})


def written_out(model: nn.Module, network: Network) -> dict[str, str]:
    """Weights that start at one constant on purpose, and why: what is added or multiplied starts silent, or is composed.

    With a weight of zeros its bias, which is all that it gives: the identity of a spatial transformer, the odds of a class.

    So is a table of one value beside the data: the log of a std. At zero it is none: there tables start that are to learn.

    A constant weight before an activation is none of them: there all units would stay alike. Before a softmax they do not:
    what it weighs differs. And biases that say how often an answer is yes, or how far a gate is open.
    """
    held, direct = dict(model.named_parameters()), {use.name for use in network.uses if use.direct}
    biases, found = _biases(network, held), dict[str, str]()
    for facts in network.parameters:
        value = held[facts.name].detach()
        beside = facts.role == "embedding" and facts.name not in direct
        table = facts.role == "embedding" and not beside and facts.after.kind == "output"
        if (
            not (beside or table or facts.role in {"weight", "recurrent"})
            or value.is_meta
            or not value.numel()
            or facts.computed_by
        ):
            continue
        first = value.flatten()[0]
        if bool((value == first).all()) and (first or not beside):
            if facts.name not in direct:
                found[facts.name] = f"{float(first.real):.3g} throughout, and no factor of the data itself"
            elif not first and (facts.idle or facts.head or facts.after.kind in _SILENT or _added(facts)):
                found[facts.name] = "zero throughout, so that what it leads to starts silent"
            elif not first and facts.name in biases and facts.after.kind != "activation":
                found[facts.name] = "zero throughout, so that only its bias is given at the start"
            elif not first and facts.after.kind == "softmax":
                found[facts.name] = "zero throughout, so that a softmax weighs all alike at the start"
    found |= _composed(network)
    found |= {bias: f"all that `{name}` gives at the start" for name, bias in biases.items() if name in found}
    return _chosen(network, held) | found


def _composed(network: Network) -> dict[str, str]:
    """What a weight is made of together with other matrices: they were chosen for one another, which no law of one of them does."""
    known = {facts.name: facts for facts in network.parameters}
    plain = {name for use in network.uses if not use.made_of for name in (use.name, use.bias)}
    found = dict[str, str]()
    for use in network.uses:
        if not any(known[name].computed_by for name in use.made_of):
            why = "the weight of an operation is made of it and of other matrices"
            found |= {name: why for name in use.made_of if name not in plain and not known[name].frozen}
    return found


def silenced(model: nn.Module, network: Network) -> dict[str, str]:
    """What multiplies the output of a residual branch and is zero throughout, as in ReZero, and why it stays so."""
    held, known = dict(model.named_parameters()), {facts.name: facts for facts in network.parameters}
    names = [name for name in _multipliers(known) if not (held[name].is_meta or bool(held[name].detach().any()))]
    return dict.fromkeys(names, "zero throughout, so that its branch starts silent")


def _multipliers(known: Mapping[str, Facts]) -> dict[str, int]:
    """What multiplies the output of a residual branch as it is, and no function of it, with the number of branches on its stream."""
    places = (facts.residual for facts in known.values() if facts.residual is not None)
    found = {name: place.branches for place in places for name in place.multipliers if place.branches}
    return {name: count for name, count in found.items() if known[name].neutral == (known[name].role == "scale")}


def _chosen(network: Network, held: Mapping[str, nn.Parameter]) -> dict[str, str]:
    """Biases of outputs and of gates, and what biases are computed of, that lie on one side of zero, further off than a draw."""
    fans, found, opens = _fans(network), dict[str, str](), dict["Nonlinearity", bool]()
    for facts in network.parameters:
        fixed = held[facts.name].is_meta or facts.whole or facts.frozen
        if fixed or not facts.leads or not _one_sided(held[facts.name].detach(), fans.get(facts.name)):
            continue
        if facts.neutral is None:
            found[facts.name] = "a bias is computed of it, and no value of its own is known to be none"
        elif where := _sets(facts.leads, opens):
            found[facts.name] = f"it sets {where}"
    return found


def _sets(leads: Sequence[Neighbour], opens: dict[Nonlinearity, bool]) -> str:
    """What a bias sets by what it leads to, of activations that were looked at before or not; empty for nothing."""
    for lead in leads:
        if lead.activation is not None and lead.activation not in opens:
            opens[lead.activation] = _never_zero(lead.activation)
        if lead.activation is not None and opens[lead.activation]:
            return f"where {lead} begins"
    kinds = {lead.kind for lead in leads}
    return (
        "where a softmax begins"
        if kinds == {"softmax"}
        else "the answer given at the start"
        if kinds <= set(ANSWERS)
        else ""
    )


def _fans(network: Network) -> dict[str, float]:
    """By bias, the inputs that the usual start draws it by: its weight's, and of a recurrent layer those of the state."""
    known = {facts.name: facts for facts in network.parameters}
    uses = [use for use in network.uses if use.layout == "gates" and known[use.name].role == "recurrent"]
    states = {known[use.name].shape[:1]: use.fan_in for use in uses}
    found = {name: states[facts.shape] for name, facts in known.items() if facts.leads and facts.shape in states}
    return found | {use.bias: use.fan_in for use in network.uses if use.bias}


def _one_sided(bias: Tensor, fan_in: float | None) -> bool:
    """Whether values are no draw about zero, those aside that U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)) could give.

    Of SEVERAL draws about zero all have one sign by a chance of one in 2^(SEVERAL - 1), equal values were not drawn at all,
    and one alone is to be as far from the others as normals come by no greater chance.
    """
    rounding = torch.finfo(bias.dtype).eps
    if bias.is_complex() or bias.layout != torch.strided:
        return False
    bias = bias.double()
    far = bias[bias.abs() > (fan_in**-0.5 * (1 + rounding) if fan_in else 0.0)]
    if not far.numel() or not bool(bias.isfinite().all() & (far.sign() == far.sign()[0]).all()):
        return False
    if far.numel() == 1:
        share = float(far[0].square() / bias.square().sum())
        return _chance(share, bias.numel()) < 2.0 ** (1 - SEVERAL)
    return far.numel() >= SEVERAL or bool((far == far[0]).all())


def _chance(share: float, count: int) -> float:
    """A bound on the chance that one of so many normals makes up this share of the sum of their squares; 0 for one alone.

    The share of a given one is Beta(1/2, (n - 1) / 2), of whose density ``x^-1/2`` is no more than at the share.
    """
    if count == 1 or share >= 1:
        return 0.0
    half = (count - 1) / 2
    log_beta = math.lgamma(0.5) + math.lgamma(half) - math.lgamma(0.5 + half)
    return count * math.exp(half * math.log1p(-share) - log_beta) / (half * math.sqrt(share))


def _never_zero(activation: Nonlinearity) -> bool:
    """Whether it is the opening of a gate or a rate, as sigmoid, softplus and exp are: of one sign all over, 0 included."""
    try:
        values = [moments(activation, mean=place, variance=0.0).mean for place in _PLACES]
    except InitiumError:
        return False
    return all(value * values[0] >= 0 for value in values) and values[0] != 0


def _biases(network: Network, held: Mapping[str, nn.Parameter]) -> dict[str, str]:
    """By weight, the bias beside it that is not zero."""
    found = {use.name: use.bias for use in network.uses if use.bias}
    return {name: bias for name, bias in found.items() if not held[bias].is_meta and bool(held[bias].detach().any())}


def _added(facts: Facts) -> bool:
    return facts.residual is not None and facts.residual.place in {"last", "beside"}


def layers_of(known: Mapping[str, Facts]) -> dict[str, float]:
    """What LayerScales start at: vectors; one number, as of ReZero or SkipInit, is as its author chose it."""
    found = _multipliers(known)
    return {name: min(LAYER, 1 / branches) for name, branches in found.items() if math.prod(known[name].shape) > 1}


def closing_of(known: Mapping[str, Facts], sized: Collection[str]) -> dict[str, float]:
    """What scales start at of norms that only outputs read, all of which get their size here, against the identity: CLOSE."""
    return {
        name: CLOSE
        for name, facts in known.items()
        if facts.closes and facts.neutral is not None and not facts.frozen and set(facts.closes) <= set(sized)
    }
