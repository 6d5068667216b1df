"""Streams against one another at the same index: next seeds, next names, children, far places of one stream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from initium.random import Stream, bits
from quality.chunk import spans
from quality.results import counted, scores
from quality.words import fair, popcounts, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quality.cases import Case
    from quality.results import Floats, Result
    from quality.words import Draw

STREAMS = 64
# Indices at a time: a table of all streams by so many stays in the last cache.
WIDTH = 1 << 14
NAME = "layers.0.weight"
# 2^34 is where the counter's low word is full; start may go up to 2^63.
OFFSETS = tuple(range(17, 63))


def neighbours(seed: int) -> dict[str, list[Stream]]:
    """Sets of streams whose seeds or names lie as close to one another as they can."""
    root = Stream(seed)
    parts = ("weight", "bias", "weight/re", "weight/im")
    return {
        "next seeds": [Stream(seed + i).child(NAME) for i in range(STREAMS)],
        "seeds one bit apart": [Stream(seed ^ 1 << 2 * i).child(NAME) for i in range(STREAMS)],
        "next names": [root.child(f"layers.{i}.weight") for i in range(STREAMS)],
        "parts and children": [root.child(f"layers.{i // 4}.{parts[i % 4]}") for i in range(STREAMS)],
    }


def compare(
    name: str, streams: list[Stream], cases: list[Case], per: int, advance: Callable[[int], None], *, draw: Draw = bits
) -> Iterator[Result]:
    """Words by the bits in which they differ, values by their correlation; ``per`` values of each stream."""
    differing, shifted = np.zeros((len(streams) - 1, 33), dtype=np.int64), np.zeros(33, dtype=np.int64)
    for start, length in spans(per, WIDTH):
        table = np.stack([unsigned(draw(stream, length, start)) for stream in streams])
        differing += np.stack([popcounts(each) for each in table[1:] ^ table[:-1]])
        shifted += popcounts(table[1:, :-1] ^ table[:-1, 1:])
        advance(table.size)
    yield counted(name, "bits in which words of neighbours differ", differing.sum(axis=0), fair(32))
    yield counted(name, "bits in which words differ, one index apart", shifted, fair(32))
    ones = differing @ np.arange(33)
    yield scores(name, "bits in which words differ, each pair of neighbours", (ones - 16 * per) / math.sqrt(8 * per))
    for case in cases:
        yield scores(name, f"correlation of all pairs, {case.name}", _correlations(case, streams, per, advance))


def _correlations(case: Case, streams: list[Stream], per: int, advance: Callable[[int], None]) -> Floats:
    """One z for each pair of streams: the products at the same index have mean 0 and variance std^4."""
    total = torch.zeros(len(streams), len(streams), dtype=torch.float64)
    table = torch.empty(len(streams), WIDTH)
    for start, length in spans(per, WIDTH):
        part = table[:, :length]
        for row, stream in zip(part, streams, strict=True):
            case.draw(row, stream, start)
        centred = part - case.centre
        total += centred @ centred.T
        advance(centred.numel())
    return total.numpy()[np.triu_indices(len(streams), 1)] / (case.moments[2] * math.sqrt(per))


def far_places(stream: Stream, per: int, advance: Callable[[int], None], draw: Draw = bits) -> Iterator[Result]:
    """The beginning of a stream against itself 2^17, 2^18, ... 2^62 later: bits of the counter one by one."""
    base = unsigned(draw(stream, per, 0))
    z = np.zeros(len(OFFSETS))
    for place, offset in enumerate(OFFSETS):
        other = unsigned(draw(stream, per, 1 << offset))
        z[place] = (popcounts(base ^ other) @ np.arange(33) - 16 * per) / math.sqrt(8 * per)
        advance(per)
    test = f"bits in which words 2^{OFFSETS[0]} to 2^{OFFSETS[-1]} apart differ"
    yield scores("words of one stream, far apart", test, z)
