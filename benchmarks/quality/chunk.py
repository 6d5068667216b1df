"""What one chunk of values is to the tests: the values about their mean, and the cell of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from initium.random import Stream
    from quality.cases import Case
    from quality.results import Counts, Result

# Values at a time: a few arrays of this length stay in the last cache.
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive values.

    Attributes:
        values: float32.
        centred: The values less the centre of their law, float32.
        cells: The number of each value's cell.
    """

    values: npt.NDArray[np.float32]
    centred: npt.NDArray[np.float32]
    cells: Counts


class Tally(Protocol):
    """A test that sees every chunk once and keeps only sums and counts."""

    def add(self, chunk: Chunk) -> None:
        """Count one chunk."""
        ...

    def results(self) -> Iterator[Result]:
        """What came of it."""
        ...


def spans(count: int, size: int = CHUNK) -> list[tuple[int, int]]:
    """First index and length of each chunk of ``count`` values."""
    return [(at, min(size, count - at)) for at in range(0, count, size)]


def run(case: Case, stream: Stream, tallies: list[Tally], count: int, advance: Callable[[int], None]) -> list[Result]:
    """Draw ``count`` values, show each chunk to every test, and ask them all."""
    out = torch.empty(CHUNK)
    for start, length in spans(count):
        chunk = seen(case, case.draw(out[:length], stream, start).numpy())
        for tally in tallies:
            tally.add(chunk)
        advance(length)
    return [result for tally in tallies for result in tally.results()]


def seen(case: Case, values: npt.NDArray[np.float32]) -> Chunk:
    """Values with their cells; one outside of the law's interval goes to the nearest cell."""
    first, last = (int(np.floor(edge * case.cells)) for edge in (case.low, np.nextafter(case.high, -np.inf)))
    # Scaling by a power of two is exact, and so is the floor.
    cells = np.floor(values * np.float32(case.cells)).astype(np.int64)
    np.clip(cells, first, last, out=cells)
    cells -= first
    return Chunk(values, values - np.float32(case.centre), cells)
