"""What one run does: a list of jobs, each with the number of values that it draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.random import Stream
from quality import chunk, streams, words
from quality.blocks import Blocks
from quality.cases import cases
from quality.distribution import Cells, Moments, Samples
from quality.serial import Lags, Pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quality.cases import Case
    from quality.chunk import Tally
    from quality.results import Result

    Advance = Callable[[int], None]

# Words a stream, in the sequence made of the beginnings of many streams: a small layer's worth.
SHORT = 1024
MOST_STREAMS = 1 << 18
NAME = "layers.0.weight"


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
    run: Callable[[Advance], list[Result]]


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
        run = lambda advance, case=case, stream=stream: chunk.run(case, stream, tallies(case, count), count, advance)  # noqa: E731
        yield Job(word, case.name, count, run)


def _word_jobs(count: int, seed: int) -> Iterator[Job]:
    root = Stream(seed)
    one, short, first, carry = root.child(NAME), max(1, count // SHORT), min(MOST_STREAMS, count // 4), count // 16

    def job(title: str, total: int, chunks: Callable[[], Iterator[words.Words]]) -> Job:
        return Job("words", title, total, lambda advance: words.run(title, chunks(), total, advance))

    yield job("words of one stream", count, lambda: words.long(one, count))
    beginnings = lambda: words.short((root.child(f"layers.{i}.weight") for i in range(short)), SHORT)  # noqa: E731
    yield job(f"first {SHORT} words of many names", short * SHORT, beginnings)
    names = lambda: words.short((root.child(f"layers.{i}.weight") for i in range(first)), 4)  # noqa: E731
    yield job("first 4 words of many names", first * 4, names)
    seeds = lambda: words.short((Stream(seed + i).child(NAME) for i in range(first)), 4)  # noqa: E731
    yield job("first 4 words of many seeds", first * 4, seeds)
    yield job("words about index 2^34", carry, lambda: words.long(one, carry, start=(1 << 34) - carry // 2))


def _stream_jobs(count: int, seed: int) -> Iterator[Job]:
    per = max(streams.WIDTH, count // 4 // streams.STREAMS)
    pair = [cases()["uniform"], cases()["normal"]]
    for name, some in streams.neighbours(seed).items():
        run = lambda advance, name=name, some=some: list(streams.compare(name, some, pair, per, advance))  # noqa: E731
        yield Job("streams", name, (1 + len(pair)) * per * len(some), run)
    apart = min(1 << 22, max(1 << 14, count // len(streams.OFFSETS)))
    stream = Stream(seed).child(NAME)
    run = lambda advance: list(streams.far_places(stream, apart, advance))  # noqa: E731
    yield Job("streams", "one stream, far apart", apart * len(streams.OFFSETS), run)
