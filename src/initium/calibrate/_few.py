"""A few samples of every batch: what has to be tried over and over is tried on them first."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.calibrate._given import signature
from initium.calibrate._rounds import ways_of
from initium.errors import InitiumError
from initium.network import gathering, map_tensors, mixed, op_name, read, tensors_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._choice import Choice
    from initium.calibrate._rounds import Way
    from initium.network import Batch, Network

# One sample of so many; where there are fewer than the second, all of them.
_THIN, _MANY = 16, 4


def few_of(model: nn.Module, ways: Sequence[Way], choices: Mapping[str, Choice]) -> list[Way]:
    """The same ways with a few samples each; none where one sweep finds all factors, or where samples do not stand by themselves."""
    if not any(_returns(name, ways[0]) for name, choice in choices.items() if not choice.reason):
        return []
    every = [_every(way) for way in ways]
    if not all(every):
        return []
    batches = [_thinned(way.batch, step) for way, step in zip(ways, every, strict=True)]
    masks = [None if way.mask is None else way.mask[::step] for way, step in zip(ways, every, strict=True)]
    if any(mask is not None and not bool(mask.any()) for mask in masks):
        return []
    try:
        known = {signature(batch): read(model, batch, hollow=True) for batch in batches}
    except InitiumError:  # a model may want more: a norm over samples does
        return []
    networks = [known[signature(batch)] for batch in batches]
    alike = all(_way(network) == _way(way.network) for network, way in zip(networks, ways, strict=True))
    return ways_of(batches, masks, networks) if alike else []


def _returns(name: str, way: Way) -> bool:
    """Whether a weight is used again after what it gave: not all at one step."""
    nodes = {use.node for use in way.network.uses if use.name == name}
    return len(nodes) > 1 and sum(any(node.name in nodes for node in step.nodes) for step in way.order) > 1


def _every(way: Way) -> int:
    """Of how many samples one is taken; 0 where that cannot be told."""
    tensors: list[Tensor] = [
        each for each in tensors_in((way.batch.args, dict(way.batch.kwargs))) if each.ndim and not each.is_nested
    ]
    sizes = {each.shape[0] for each in tensors} | (set[int]() if way.mask is None else {way.mask.shape[0]})
    samples = sizes.pop() if len(sizes) == 1 else 0
    together = samples and (gathering(way.network) or mixed(way.network, samples).sums)
    return min(_THIN, samples) if samples >= _MANY and not together else 0


def _thinned(batch: Batch, every: int) -> Batch:
    args, kwargs = map_tensors((batch.args, dict(batch.kwargs)), lambda each: each[::every] if each.ndim else each)
    return replace(batch, args=args, kwargs=kwargs)


def _way(network: Network) -> list[tuple[object, ...]]:
    """The operations that use weights, in their order."""
    uses = defaultdict[str, list[tuple[str, int]]](list)
    for use in network.uses:
        uses[use.node].append((use.name, use.index))
    nodes = network.trace.graph.graph.nodes if network.trace else []
    return [(op_name(node), *uses[node.name]) for node in nodes if node.name in uses]
