"""What one run does: a list of jobs, each with the number of values that it draws."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from initium.random import Stream
from quality import chunk, streams, words
from quality.blocks import Blocks
from quality.cases import cases
from quality.distribution import Cells, Moments, Samples
from quality.serial import Lags, Pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from quality.cases import Case
    from quality.chunk import Tally
    from quality.results import Result

    Advance = Callable[[int], None]

# Words a stream, in the sequence made of the beginnings of many streams: a small layer's worth.
SHORT = 1024
MOST_STREAMS = 1 << 18


@dataclass(frozen=True, slots=True)
class Job:
    """A part of the run.

    Attributes:
        word: What the command line calls it.
        title: What the progress bar calls it.
        count: How many values it draws.
        run: Draws them, tells how far it is, and gives the results.
    """

    word: str
    title: str
    count: int
    run: Callable[[Advance], Iterable[Result]]


def tallies(case: Case, count: int) -> list[Tally]:
    """Every test of a law's values."""
    single: list[Tally] = [Moments(case), Blocks(case), Lags(case), Pairs(case)]
    return [*single[:1], Cells(case), Samples(case, count, chunk.CHUNK), *single[1:]] if case.continuous else single


def jobs(count: int, seed: int) -> Iterator[Job]:
    """Everything, ``count`` values a distribution."""
    yield from _word_jobs(count, seed)
    yield from _stream_jobs(count, seed)
    for word, case in cases().items():
        stream = Stream(seed).child(word)
        yield Job(word, case.name, count, partial(chunk.run, case, stream, tallies(case, count), count))


def _word_jobs(count: int, seed: int) -> Iterator[Job]:
    one, some, many = Stream(seed).child(streams.NAME), max(1, count // SHORT), min(MOST_STREAMS, count // 4)
    carry = count // 16
    names = (Stream(seed).child(f"layers.{i}.weight") for i in itertools.count())
    again = (Stream(seed).child(f"layers.{i}.weight") for i in itertools.count())
    seeds = (Stream(seed + i).child(streams.NAME) for i in itertools.count())
    for title, total, drawn in (
        ("words of one stream", count, words.long(one, count)),
        (f"first {SHORT} words of many names", some * SHORT, words.short(itertools.islice(names, some), SHORT)),
        ("first 4 words of many names", many * 4, words.short(itertools.islice(again, many), 4)),
        ("first 4 words of many seeds", many * 4, words.short(itertools.islice(seeds, many), 4)),
        ("words about index 2^34", carry, words.long(one, carry, start=(1 << 34) - carry // 2)),
    ):
        yield Job("words", title, total, partial(words.run, title, drawn, total))


def _stream_jobs(count: int, seed: int) -> Iterator[Job]:
    per = max(streams.WIDTH, count // 4 // streams.STREAMS)
    pair = [cases()["uniform"], cases()["normal"]]
    for name, some in streams.neighbours(seed).items():
        yield Job("streams", name, (1 + len(pair)) * per * len(some), partial(streams.compare, name, some, pair, per))
    apart = min(1 << 22, max(1 << 14, count // len(streams.OFFSETS)))
    far = partial(streams.far_places, Stream(seed).child(streams.NAME), apart)
    yield Job("streams", "one stream, far apart", apart * len(streams.OFFSETS), far)
