"""The matrices that a parameter holds, each with a factor of its own: queries, keys and values, gates, experts."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING

from initium.network import shape_of, view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor, fx

    from initium.network import Network, Use

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a parameter that has a factor of its own.

    Attributes:
        name: The parameter.
        axis: The axis along which it is cut out.
        spans: The runs of that axis that belong to it; empty for all of it.
        label: What it is called beside others (``q``, ``gate i``, ``expert 3``); empty for a whole parameter.
    """

    name: str
    axis: int = 0
    spans: tuple[Span, ...] = ()
    label: str = field(default="", compare=False)

    def scale(self, value: Tensor, factor: float) -> None:
        """Multiplies its elements, in place."""
        for part in [value.narrow(self.axis, a, b - a) for a, b in self.spans] if self.spans else [value]:
            part.mul_(factor)


@dataclass(frozen=True, slots=True)
class Part:
    """The output units of one use that a piece makes.

    Attributes:
        piece: The piece.
        units: Their runs along the output's axis of units; empty for all of them.
    """

    piece: Piece
    units: tuple[Span, ...] = ()


def parts_of(network: Network) -> dict[tuple[str, str], tuple[Part, ...]]:
    """What every use is made of, by node and parameter; uses of one parameter agree on its pieces."""
    nodes: dict[str, fx.Node] = {node.name: node for node in network.trace.graph.graph.nodes} if network.trace else {}
    # Placeholders come in the order of the trace's parameters.
    names = network.trace.parameters if network.trace else ()
    held = dict(zip(names, (node for node in nodes.values() if node.op == "placeholder"), strict=False))
    made: dict[str, dict[str, tuple[Part, ...]]] = defaultdict(dict)
    for use in network.uses:
        made[use.name][use.node] = tuple(_parts(use, nodes, held[use.name]))
    return {
        (node, name): parts
        for name, several in made.items()
        for node, parts in (several if _agree(several.values()) else _whole(several)).items()
    }


def rest_of(pieces: Iterable[Piece], shape: Sequence[int]) -> Piece | None:
    """What is left of a parameter, ``None`` for nothing."""
    several = list(pieces)
    if not several or not all(piece.spans for piece in several):
        return None
    axis, taken = several[0].axis, sorted(span for piece in several for span in piece.spans)
    ends = [(0, 0), *taken, (shape[axis], shape[axis])]
    free = tuple((a, b) for (_, a), (b, _) in pairwise(ends) if b > a)
    return Piece(several[0].name, axis, free, "rest") if free else None


def _parts(use: Use, nodes: Mapping[str, fx.Node], parameter: fx.Node) -> list[Part]:
    whole, shape, node = Part(Piece(use.name)), shape_of(parameter), nodes[use.node]
    if not use.direct or use.layout in {"lookup", "added", "gates", "conv_transpose"} or len(shape) < 2:  # noqa: PLR2004
        return [whole]
    units, start, axis = shape_of(node)[use.unit_axis], use.start, use.axis
    seen = next((view for each in node.all_input_nodes if (view := view_of(each, parameter)) is not None), None)
    if use.layout == "batched":
        return [whole] if seen is None else [_slice(use.name, seen, shape)]
    runs = _runs(use, units, shape[axis])
    ends = list(accumulate((length for _, length in runs), initial=0))
    if ends[-1] != units or start + units > shape[axis] or (len(runs) == 1 and units == shape[axis]):
        return [whole]
    if seen is not None and _elements(seen) * shape[axis] != math.prod(shape) * units:  # some inputs of each unit
        return [whole]
    return list(_labelled(use.name, axis, start, runs, ends))


def _slice(name: str, seen: Tensor, shape: Sequence[int]) -> Part:
    """One matrix of a stack, or several in a row; a view of a part of each is one of the whole."""
    each, first = math.prod(shape[1:]), int(seen.storage_offset())
    size, steps = _elements(seen), zip(seen.shape, seen.stride(), strict=True)
    gaps = sum((length - 1) * step for length, step in steps) + 1 != size
    if not each or gaps or first % each or size % each or size // each >= shape[0]:
        return Part(Piece(name))
    first //= each
    return Part(Piece(name, 0, ((first, first + size // each),), f"slice {first}"))


def _elements(seen: Tensor) -> int:
    """How many elements of its parameter a view has."""
    return math.prod(length for length, step in zip(seen.shape, seen.stride(), strict=True) if step)


def _runs(use: Use, units: int, length: int) -> list[tuple[str, int]]:
    """The runs of output units that are matrices of their own, each with what it is called."""
    if len({role for role, _ in use.attention}) > 1 and sum(count for _, count in use.attention) == units:
        return list(use.attention)
    several = use.parts // max(1, length // max(1, units)) if use.layout != "conv" else 1
    if several > 1 and units % several == 0:
        return [(f"part {place + 1}", units // several) for place in range(several)]
    role = use.attention[0][0] if use.attention else ""
    return [(role if units < length else "", units)]


def _labelled(name: str, axis: int, start: int, runs: Sequence[tuple[str, int]], ends: Sequence[int]) -> Iterable[Part]:
    """A part for each label: queries, keys and values may take turns head by head."""
    placed = sorted((label, a, b) for (label, _), (a, b) in zip(runs, pairwise(ends), strict=True))
    for label, several in groupby(placed, key=lambda each: each[0]):
        here = [(a, b) for _, a, b in several]
        spans = tuple((start + a, start + b) for a, b in here)
        yield Part(Piece(name, axis, spans, label or f"from {start}"), tuple(here))


def _agree(several: Iterable[tuple[Part, ...]]) -> bool:
    """True where the pieces of all uses are the same ones, or apart from each other."""
    spans = {(part.piece.axis, part.piece.spans) for parts in several for part in parts}
    if len(spans) == 1:
        return True
    ordered = sorted(span for _, each in spans for span in each)
    apart = all(b <= c for (_, b), (c, _) in pairwise(ordered))
    return apart and all(each for _, each in spans) and len({axis for axis, _ in spans}) == 1


def _whole(several: Mapping[str, tuple[Part, ...]]) -> dict[str, tuple[Part, ...]]:
    return {node: (Part(replace(parts[0].piece, axis=0, spans=(), label="")),) for node, parts in several.items()}
