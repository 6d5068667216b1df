"""The weights of one attention side by side, and how their units fall into heads."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from initium.network._attention import every_attention, followers, made_of
from initium.network._facts import HeadPart
from initium.network._ops import ATTENTIONS, op_name, shape_of
from initium.network._packed import arrivals, labels_of, once
from initium.network._terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._attention import Operands, Spans
    from initium.network._flow import Flow


def head_parts(
    flow: Flow, joins: AbstractSet[fx.Node], spans: dict[fx.Node, Spans]
) -> dict[fx.Node, tuple[HeadPart, ...]]:
    """The parts of its attention, by the operation that uses a weight; of weights in several attentions only if all agree."""
    found: dict[fx.Node, set[tuple[HeadPart, ...]]] = defaultdict(set)
    for node, operands in every_attention(flow):
        made = list(_parts(flow, joins, spans, node, operands))
        for weight, _ in made:
            found[weight].add(_alone([part for _, part in made]))
    return {weight: several.pop() for weight, several in found.items() if len(several) == 1}


def _alone(parts: list[HeadPart]) -> tuple[HeadPart, ...]:
    """The roles that one weight makes; a value that is read is called by the first role that reads it."""
    roles = [part.role for part in parts]
    alone = [part for part in parts if roles.count(part.role) == 1]
    first = {part.source: part.role for part in reversed(alone)}
    return tuple(replace(part, source=first[part.source]) for part in alone)


def _parts(
    flow: Flow, joins: AbstractSet[fx.Node], spans: dict[fx.Node, Spans], node: fx.Node, operands: Operands
) -> Iterator[tuple[fx.Node, HeadPart]]:
    for role, operand, taker in dict.fromkeys(operands):
        axis = _features(role, operand, taker)
        size = shape_of(operand)[axis] if axis is not None else 0
        for weight in made_of(flow, operand, joins):
            units = sum(count for each, count in spans.get(weight, ()) if each == role)
            if weight in flow.weights and units:
                ordered = _ordered(flow, weight, operand, taker, axis)
                yield weight, replace(_part(flow, weight, role, units), size=size, ordered=ordered)
    for weight in followers(flow, {node: operands}, joins):
        yield weight, _part(flow, weight, "out", sum(count for _, count in spans.get(weight, ())))


def _part(flow: Flow, weight: fx.Node, role: str, units: int) -> HeadPart:
    site = flow.weights[weight][0]
    name = flow.read.name_of(site.weight)
    source = flow.home[site.data].name if site.data in flow.home else ""
    plain = flow.read.kinds.origin[site.weight].moved and flow.read.values[name].requires_grad
    return HeadPart(role, name, units, int(site.fan_in), 0, source, None, plain)


def _features(role: str, operand: fx.Node, taker: fx.Node) -> int | None:
    """The axis, from the end, of a head's units in what the attention takes."""
    name, axes = op_name(taker), len(shape_of(operand))
    if name in ATTENTIONS:
        return -1
    given = taker.args[1:] if name in {"einsum", "baddbmm"} else taker.args
    operands = given[0] if name == "einsum" and given and isinstance(given[0], list | tuple) else given
    places = [place for place, each in enumerate(operands) if each is operand]
    if len(places) != 1:
        return None
    if name == "einsum":
        inputs, output = terms(str(taker.args[0]))
        own, other = inputs[places[0]], inputs[1 - places[0]]
        letters = [one for one in own if (one in output) == (role == "v") and (one in other) != (role == "v")]
        return own.index(letters[0]) - len(own) if len(letters) == 1 and "." not in own and len(own) == axes else None
    # Of scores the inner axis is summed over; of values it is the outer one that is left.
    return -1 if (places[0] == 0) == (role != "v") else -2


def _ordered(flow: Flow, weight: fx.Node, operand: fx.Node, taker: fx.Node, axis: int | None) -> bool | None:
    """Numbers for the units, sent on to the attention: every head has a run of them, the next head the next run."""
    labels = None if axis is None else labels_of(weight, flow.weights[weight][0].unit_axis)
    if axis is None or labels is None:
        return None
    for node, user, run in arrivals(flow.read.keeping, weight, labels):
        if node is operand and user is taker and run.numel():
            rows = once(run).movedim(axis, -1)
            steps = torch.arange(rows.shape[-1], dtype=rows.dtype, device=rows.device)
            starts = list(dict.fromkeys(rows[..., 0].flatten().tolist()))
            return bool((rows - rows[..., :1] == steps).all()) and starts == sorted(starts)
    return None
