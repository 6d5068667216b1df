"""The raw 32-bit words: bits, bytes, halves, popcounts, pairs, gaps, runs, birthday spacings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import stats

from initium.random import bits
from quality.birthdays import Birthdays
from quality.chunk import spans
from quality.results import counted, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

    from initium.random import Stream
    from quality.results import Counts, Floats, Result

    Draw = Callable[[Stream, int, int], torch.Tensor]

Words = npt.NDArray[np.uint32]
HALF, BYTE = 1 << 16, 1 << 8
LAGS = (1, 2, 3, 4, 8)
# A gap is the distance between two words whose top four bits are 0.
GAP_BITS, LONGEST = 4, 256


def unsigned(words: torch.Tensor) -> Words:
    """The words of ``bits`` (int64) as what they are."""
    return words.numpy().astype(np.uint32)


def popcounts(words: Words) -> Counts:
    """How many of the words have 0, 1, ... 32 bits set."""
    return np.bincount(np.bitwise_count(words).ravel(), minlength=33)


def fair(n: int) -> Floats:
    """The law of the number of heads of n coins."""
    return stats.binom.pmf(np.arange(n + 1), n, 0.5)


def long(stream: Stream, count: int, draw: Draw = bits, start: int = 0) -> Iterator[Words]:
    """One stream from an index on, chunk by chunk."""
    for at, length in spans(count):
        yield unsigned(draw(stream, length, start + at))


def short(streams: Iterable[Stream], length: int, draw: Draw = bits, chunk: int = 1 << 20) -> Iterator[Words]:
    """The first ``length`` words of each stream, one stream after another."""
    gathered: list[Words] = []
    for stream in streams:
        gathered.append(unsigned(draw(stream, length, 0)))
        if len(gathered) * length >= chunk:
            yield np.concatenate(gathered)
            gathered = []
    if gathered:
        yield np.concatenate(gathered)


class WordTally:
    """Every test of a sequence of words, in one pass."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.n = name, 0
        self.low, self.high = np.zeros(HALF, dtype=np.int64), np.zeros(HALF, dtype=np.int64)
        self.popcount, self.transitions = np.zeros(33, dtype=np.int64), np.zeros(33, dtype=np.int64)
        self.block = np.zeros(33, dtype=np.int64)
        self.lagged = {lag: np.zeros(33, dtype=np.int64) for lag in LAGS}
        self.pairs = {shift: np.zeros(HALF, dtype=np.int64) for shift in (24, 0)}
        self.gaps = np.zeros(LONGEST + 1, dtype=np.int64)
        # Ascents and turning points: the count less what is expected, and its variance.
        self.runs, self.variance = np.zeros(2), np.zeros(2)
        self.birthdays = Birthdays(name, count)

    def add(self, words: Words) -> None:
        """Count one chunk."""
        self.n += len(words)
        self.low += np.bincount(words.astype(np.uint16), minlength=HALF)
        self.high += np.bincount((words >> 16).astype(np.uint16), minlength=HALF)
        self.popcount += popcounts(words)
        self.transitions += popcounts((words ^ (words >> 1)) & np.uint32(0x7FFFFFFF))
        self.block += popcounts(np.bitwise_xor.reduce(words[: len(words) // 4 * 4].reshape(-1, 4), axis=1))
        for lag in self.lagged:
            self.lagged[lag] += popcounts(words[:-lag] ^ words[lag:])
        for shift in self.pairs:
            byte = (words >> shift).astype(np.uint8).astype(np.uint16)
            even = len(byte) // 2 * 2
            self.pairs[shift] += np.bincount(byte[0:even:2] << 8 | byte[1:even:2], minlength=HALF)
        self._add_gaps(words)
        self._add_runs(words)
        self.birthdays.add(words)

    def _add_gaps(self, words: Words) -> None:
        gaps = np.diff(np.flatnonzero(words >> (32 - GAP_BITS) == 0)) - 1
        self.gaps += np.bincount(np.minimum(gaps, LONGEST), minlength=LONGEST + 1)

    def _add_runs(self, words: Words) -> None:
        n, up = len(words), words[1:] > words[:-1]
        turns = int((up[1:] != up[:-1]).sum())
        self.runs += (int(up.sum()) - (n - 1) / 2, turns - 2 * (n - 2) / 3)
        # Knuth, section 3.3.2, and Kendall & Stuart: the variances of both counts in a random order of n.
        self.variance += ((n + 1) / 12, (16 * n - 29) / 90)

    def results(self) -> Iterator[Result]:
        """Each count against its exact law."""
        name = self.name
        yield scores(name, "frequency of each of 32 bits", self._bits())
        table = [half.reshape(BYTE, BYTE).sum(axis=axis) for half in (self.low, self.high) for axis in (0, 1)]
        for place, counts in enumerate(table):
            yield counted(name, f"values of byte {place}", counts, np.full(BYTE, 1 / BYTE))
        for half, counts in (("lower", self.low), ("upper", self.high)):
            yield counted(name, f"values of the {half} 16 bits", counts, np.full(HALF, 1 / HALF))
        yield counted(name, "bits set in a word", self.popcount, fair(32))
        yield counted(name, "changes from bit to bit in a word", self.transitions[:32], fair(31))
        yield counted(name, "bits set in the sum of a block's four words", self.block, fair(32))
        for lag, counts in self.lagged.items():
            yield counted(name, f"bits in which words {lag} apart differ", counts, fair(32))
        for shift, part in ((24, "top"), (0, "lowest")):
            yield counted(name, f"pairs of {part} bytes", self.pairs[shift], np.full(HALF, 1 / HALF))
        q = 2.0**-GAP_BITS
        shares = np.append(q * (1 - q) ** np.arange(LONGEST), (1 - q) ** LONGEST)
        yield counted(name, f"gaps between words below 2^{32 - GAP_BITS}", self.gaps, shares)
        yield scores(name, "ascents and turning points", self.runs / np.sqrt(self.variance))
        yield from self.birthdays.results()

    def _bits(self) -> Floats:
        numbers = np.arange(HALF)
        ones = [int(half[(numbers >> bit & 1) == 1].sum()) for half in (self.low, self.high) for bit in range(16)]
        return (np.array(ones) - self.n / 2) / math.sqrt(self.n / 4)


def run(name: str, chunks: Iterable[Words], count: int, advance: Callable[[int], None]) -> list[Result]:
    """Every test on a sequence of words that comes in chunks."""
    tally = WordTally(name, count)
    for words in chunks:
        tally.add(words)
        advance(len(words))
    return list(tally.results())
