"""Rows, columns and blocks that are there twice: all values are compared, after a few have told which may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.audit._exact import monotone, probes

if TYPE_CHECKING:
    from initium.audit._values import Values

_MATRIX = 2
_SHARDS = (2, 3, 4, 8)
_MULTIPLIER = 0x9E3779B97F4A7C1  # odd, and its products wrap round


@dataclass(frozen=True, slots=True)
class Repeated:
    """What is there more than once.

    Attributes:
        what: ``rows``, ``columns`` or ``blocks``.
        count: How many of them are copies of an earlier one.
        of: Of how many.
        first: The places of the first copy and of what it copies.
    """

    what: str
    count: int
    of: int
    first: tuple[int, int]

    @property
    def text(self) -> str:
        """In words."""
        one, other = self.first
        return f"has {self.what} that are copies: {self.count} of {self.of} ({self.what[:-1]} {other} is {self.what[:-1]} {one})"


def repeated(tensor: torch.Tensor, values: Values, level: float) -> Repeated | None:
    """Copies among the rows, else among the columns; none where chance alone may make them, nor where all are one ramp."""
    if tensor.ndim < _MATRIX:
        return None
    rows = tensor.reshape(tensor.shape[0], -1)
    columns = tensor.transpose(0, 1).reshape(tensor.shape[1], -1) if tensor.ndim > _MATRIX else rows.T
    for what, lines in (("rows", rows), ("columns", columns)):
        count, width = lines.shape
        # One value of two agrees with a chance below its step over its spread, four steps to be safe.
        chance = 2 * math.log(max(count, 1)) + width * math.log(min(1.0, 4 * values.step))
        found = _copies(lines, what) if count > 1 and chance < math.log(level) else None
        if found and _told_apart(lines) * math.log(0.5) + 2 * math.log(count) < math.log(level):
            return None if monotone(lines[found.first[0]]) else found
    return None


def _told_apart(lines: torch.Tensor) -> float:
    """How many values two lines could differ in by a sign at least; where sizes differ too, any number."""
    sizes = lines[lines != 0].abs()
    return int((lines != 0).any(0).sum()) if float(sizes.min()) == float(sizes.max()) else math.inf


def _copies(lines: torch.Tensor, what: str) -> Repeated | None:
    """Equal lines are equal in a few places: sorted by these, each is compared with the one before it."""
    keys = _keys(lines)
    order = keys.argsort(stable=True)
    same = keys[order][1:] == keys[order][:-1]
    places = same.nonzero().flatten()
    if not len(places):
        return None
    earlier, later = order[places], order[places + 1]
    sure = (lines[earlier] == lines[later]).all(1) & (lines[later] != 0).any(1)
    copies, originals = later[sure], earlier[sure]
    if not len(copies):
        return None
    count = len(lines)
    for shards in _SHARDS:
        part = count // shards
        if count % shards == 0 and len(copies) == count - part and torch.equal(lines[:part], lines[part : 2 * part]):
            return Repeated(what, len(copies), count, (0, part))
    first = int(copies.argmin())
    return Repeated(what, len(copies), count, (int(originals[first]), int(copies[first])))


def _keys(lines: torch.Tensor) -> torch.Tensor:
    some = lines[:, probes(lines.shape[1])].double().contiguous().view(torch.int64)
    key = torch.zeros(len(lines), dtype=torch.int64, device=lines.device)
    for column in some.unbind(1):
        key = (key ^ (column >> 29) ^ column) * _MULTIPLIER
    return key
