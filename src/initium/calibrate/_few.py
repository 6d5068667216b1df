"""A few samples of every batch: what has to be tried over and over is tried on them first."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from initium.calibrate._given import signature
from initium.calibrate._rounds import samples_of, ways_of
from initium.calibrate._shares import Share
from initium.errors import InitiumError
from initium.network import (
    GATHERS,
    RECURRENT,
    Mixed,
    followed,
    gathering,
    map_tensors,
    op_name,
    read,
    shape_of,
    tensors_in,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor, fx, nn

    from initium.calibrate._choice import Choice
    from initium.calibrate._rounds import Way
    from initium.network import Batch, Network

# One sample of so many, and of more where fewer hold enough values; where there are fewer samples than the third, all of them.
# By the fourth number of values a std is known to 4 %: fewer tell nothing.
_THIN, _ENOUGH, _MANY, _LEAST = 32, 4096, 4, 256
# A recurrent layer is run again by itself where the samples are fewer.
_MANY_STEPS = 8
# So many small shares are all samples.
_SHARES = 8
# What multiplies matrices of one sample each.
_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm", "einsum"})


@dataclass(frozen=True, slots=True)
class Few:
    """A few samples of every batch.

    Attributes:
        ways: The batches of them alone.
        rows: Which samples they are, by batch.
    """

    ways: Sequence[Way]
    rows: Sequence[range]


def few_of(model: nn.Module, ways: Sequence[Way], choices: Mapping[str, Choice]) -> Few | None:
    """The same ways with a few samples each; none where one sweep finds all factors, or where samples do not stand by themselves."""
    open_to = [name for name, choice in choices.items() if not choice.reason]
    again = [name for name in open_to if _returns(name, ways[0])]
    gates = [name for name in open_to if any(use.layout == "gates" for use in choices[name].uses)]
    least = _MANY if set(again) - set(gates) else _MANY_STEPS
    every = [_every(way, {*again, *gates}, least) for way in ways]
    if not (again or gates) or min(every) < _MANY:
        return None
    rows = [range(0, samples_of(way.batch), step) for way, step in zip(ways, every, strict=True)]
    few = _of(model, ways, rows, {})
    return Few(few, rows) if few else None


def shares_of(model: nn.Module, ways: Sequence[Way], few: Few) -> list[Share]:
    """All samples in shares, each as large as all before it; none where there are too few.

    Each has a few of its own, those of the first are ``few``; a large one is made of small ones side by side, so that there are
    graphs of two sizes.
    """
    counts = [samples_of(way.batch) for way in ways]
    if min(counts) < _SHARES or any(
        len(rows) > -(-count // _SHARES) for rows, count in zip(few.rows, counts, strict=True)
    ):
        return []
    known: dict[object, Network] = {}
    parts: list[Share] = []
    for start in range(_SHARES):
        part = _share(model, ways, few, start, known)
        if part is None:
            return []
        parts.append(part)
    ends = [0, *(1 << power for power in range(_SHARES.bit_length()))]
    return [
        Share(parts[a].few, [*parts[a].rest, *(way for part in parts[a + 1 : b] for way in (*part.few, *part.rest))])
        for a, b in pairwise(ends)
    ]


def _share(model: nn.Module, ways: Sequence[Way], few: Few, start: int, known: dict[object, Network]) -> Share | None:
    """A small share, and a few of it: those that are known already of the first; ``None`` where they go another way."""
    heads: list[Sequence[int]] = []
    rests: list[list[int]] = []
    for way, taken in zip(ways, few.rows, strict=True):
        rows = [row for row in range(start, samples_of(way.batch), _SHARES) if row not in taken]
        every = max(1, min(_THIN // _SHARES, taken.step // _SHARES))
        heads.append(rows[::every] if start else taken)
        rests.append([row for place, row in enumerate(rows) if place % every] if start else rows)
    first = _of(model, ways, heads, known) if start else few.ways
    several = [number for number, rest in enumerate(rests) if rest]
    rest = _of(model, [ways[number] for number in several], [rests[number] for number in several], known)
    return Share(first, rest) if first and (rest or not several) else None


def _of(
    model: nn.Module, ways: Sequence[Way], taken: Sequence[Sequence[int]], known: dict[object, Network]
) -> list[Way]:
    """The same ways with some of the samples of each; none where these go another way. What was read is ``known``."""
    rows = [slice(some.start, some.stop, some.step) if isinstance(some, range) else list(some) for some in taken]
    batches = [part_of(way.batch, some) for way, some in zip(ways, rows, strict=True)]
    masks = [None if way.mask is None else way.mask[some] for way, some in zip(ways, rows, strict=True)]
    if any(mask is not None and not bool(mask.any()) for mask in masks):
        return []
    try:
        for batch in batches:
            if signature(batch) not in known:
                known[signature(batch)] = read(model, batch, hollow=True)
    except InitiumError:  # a model may want more: a norm over samples does
        return []
    networks = [known[signature(batch)] for batch in batches]
    alike = all(_way(network) == _way(way.network) for network, way in zip(networks, ways, strict=True))
    return ways_of(batches, masks, networks) if alike else []


def _returns(name: str, way: Way) -> bool:
    """Whether a weight is used again after what it gave: not all at one step."""
    nodes = {use.node for use in way.network.uses if use.name == name}
    return len(nodes) > 1 and sum(any(node.name in nodes for node in step.nodes) for step in way.order) > 1


def _every(way: Way, names: Collection[str], least: int) -> int:
    """Of how many samples one is taken; 0 where that cannot be told."""
    tensors: list[Tensor] = [
        each for each in tensors_in((way.batch.args, dict(way.batch.kwargs))) if each.ndim and not each.is_nested
    ]
    sizes = {each.shape[0] for each in tensors} | (set[int]() if way.mask is None else {way.mask.shape[0]})
    samples = sizes.pop() if len(sizes) == 1 else 0
    if samples < least or _together(way.network, samples):
        return 0
    values = _values(way.network, names)
    return min(samples, max(1, min(_THIN, values // _LEAST), values // _ENOUGH))


def _values(network: Network, names: Collection[str]) -> int:
    """How many values that of these weights gives which gives the fewest."""
    shapes = {node.name: shape_of(node) for node in network.trace.graph.graph.nodes} if network.trace else {}
    found = defaultdict[str, int](int)
    for use in network.uses:
        if use.name in names:
            found[use.name] += math.prod(shapes[use.node])
    return min(found.values(), default=0)


def _together(network: Network, samples: int) -> bool:
    """Whether an operation reads several samples at once, or runs along them."""
    nodes = list(network.trace.graph.graph.nodes) if network.trace else []
    found, uses = Mixed(), {use.node for use in network.uses}
    lies = followed(network, samples, found)
    return (
        bool(found.sums)
        or any(op_name(node) in RECURRENT and node not in lies for node in nodes)
        or (bool(gathering(network)) and any(_gathers(node, samples) for node in nodes if node.name not in uses))
    )


def _gathers(node: fx.Node, samples: int) -> bool:
    """Whether rows of several samples are added up: not by a product for each sample, as attention's is."""
    if op_name(node) not in GATHERS:
        return False
    shapes = [shape_of(each) for each in node.all_input_nodes]
    return op_name(node) not in _PRODUCTS or any(len(shape) < 3 or shape[0] % samples for shape in shapes)  # noqa: PLR2004 - a matrix


def part_of(batch: Batch, some: slice | list[int]) -> Batch:
    """Some of a batch's samples."""
    args, kwargs = map_tensors((batch.args, dict(batch.kwargs)), lambda each: each[some] if each.ndim else each)
    return replace(batch, args=args, kwargs=kwargs)


def _way(network: Network) -> list[tuple[object, ...]]:
    """The operations that use weights, in their order."""
    uses = defaultdict[str, list[tuple[str, int]]](list)
    for use in network.uses:
        uses[use.node].append((use.name, use.index))
    nodes = network.trace.graph.graph.nodes if network.trace else []
    return [(op_name(node), *uses[node.name]) for node in nodes if node.name in uses]
