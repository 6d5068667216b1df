"""What silences a residual branch at zero: a factor on its output, its gate, or the scale of the norm that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx

from initium.network._ops import NOISE, NORMS, RESHAPES, is_pointwise, op_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.network._flow import Flow
    from initium.network._sums import Steps

FACTOR = "multiplies the output of a residual branch (LayerScale, ReZero, SkipInit)"
NORM = "scales the norm that ends a residual branch"
GATE = "makes the gate of a residual branch (adaLN-Zero)"


def silencers(flow: Flow, ends: Steps) -> tuple[str, tuple[str, ...]]:
    """What may silence a branch, one of its last steps alone: behind two zeros nothing learns."""
    gates = [name for gate in ends.gates for name in _makers(flow, gate)]
    norms = [name for norm in ends.norms[:1] or _before_an_activation(flow, ends) for name in scale_of(flow, norm)]
    choices = ((FACTOR, ends.multipliers[:1]), (GATE, tuple(gates)), (NORM, tuple(norms)))
    return next((choice for choice in choices if choice[1]), ("", ()))


def _before_an_activation(flow: Flow, ends: Steps) -> list[fx.Node]:
    """The norm before an activation that ends a branch, where that hands on zero as zero, and the gradient there."""
    here = ends.start
    if ends.multipliers or ends.gates or here in flow.weights or not _passes_zero(flow, here):
        return []
    (here,) = flow.parents[here]
    while op_name(here) in RESHAPES | NOISE and len(flow.parents[here]) == 1:
        (here,) = flow.parents[here]
    return [here] if flow.normalises(here) else []


def _passes_zero(flow: Flow, node: fx.Node) -> bool:
    """A function of one value with ``f(0) = 0`` and a slope there; a ReLU has none, and what is silenced before it stays so."""
    if node not in flow.parents or len(node.all_input_nodes) != 1 or not (is_pointwise(node) and flow.bends(node)):
        return False
    target: Any = node.target
    at = torch.zeros(1, dtype=torch.float64, device="cpu", requires_grad=True)
    with torch.enable_grad():
        value = target(at.clone(), *node.args[1:], **node.kwargs)
        (slope,) = torch.autograd.grad(value, at, allow_unused=True) if value.requires_grad else (None,)
    return float(value.detach()) == 0 and slope is not None and float(slope) != 0


def names_of(flow: Flow, node: object) -> tuple[str, ...]:
    """The parameters that a value is made of; none for a value that is no node."""
    origin = flow.read.kinds.origin.get(node) if isinstance(node, fx.Node) else None
    return origin.names if origin else ()


def scale_of(flow: Flow, norm: fx.Node) -> Iterator[str]:
    """The scale of a norm: an argument of it, or what multiplies it next, or what it divides, where it is written out or given none."""
    if op_name(norm) in NORMS:
        place = NORMS[op_name(norm)][0]
        given = norm.args[place] if len(norm.args) > place else None
        if given is not None:
            yield from names_of(flow, given)
            return
    if (before := flow.read.neighbours.regions.scaled(norm)) is not None:
        yield from (name for each in flow.read.kinds.parameter_inputs(before) for name in names_of(flow, each))
        return
    here = norm
    while len(flow.users[here]) == 1:
        (here,) = flow.users[here]
        if op_name(here) == "mul" and (given := flow.read.kinds.parameter_inputs(here)):
            yield from (name for each in given for name in names_of(flow, each))
            return
        if len(flow.parents[here]) > 1 or here in flow.weights:
            return


def _makers(flow: Flow, gate: fx.Node) -> Iterator[str]:
    """The weight whose output, as it is, is a gate."""
    if flow.bounded(gate):
        return
    while gate not in flow.weights and len(flow.parents[gate]) == 1:
        (gate,) = flow.parents[gate]
    for site in flow.weights.get(gate, ()):
        yield from (*names_of(flow, site.weight), *names_of(flow, site.bias))
