"""Laws that are seen exactly: constants, runs of constants, ramps, identities; and rows that are zero."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from initium.audit._law import Law, number

if TYPE_CHECKING:
    from initium.audit._values import Values

_RUNS = 12
_VECTOR, _MATRIX = 1, 2
_PROBES = 8
# The share of drawn lines that may be taken for ramps, and a length from which on none is.
_OVERLOOKED, _LONG = 1e-3, 20


def constant(values: Values) -> Law | None:
    """Every value the same."""
    if values.low != values.high:
        return None
    named = {0.0: "zeros", 1.0: "ones"}.get(values.low, f"constant {number(values.low)}")
    return Law("constant", named, values.low, value=values.low, evidence=f"all {values.count} values are equal")


def blocks(tensor: torch.Tensor, values: Values) -> Law | None:
    """A vector of a few runs, as the bias of gates is."""
    if tensor.ndim != _VECTOR:
        return None
    found, lengths = torch.unique_consecutive(tensor, return_counts=True)
    if len(found) > min(_RUNS, values.count // 2) or int(lengths.min()) < _MATRIX:
        return None
    told = ", ".join(f"{number(float(value))} x {int(length)}" for value, length in zip(found, lengths, strict=True))
    return Law("blocks", f"runs of constants: {told}", values.mean, values.std, evidence=f"{len(found)} runs")


def ramp(tensor: torch.Tensor, values: Values) -> Law | None:
    """Values that rise, or fall, from the first to the last, in every row or column alike: somebody wrote them."""
    rows = tensor.reshape(-1, tensor.shape[-1]) if tensor.ndim > _VECTOR else tensor.reshape(1, -1)
    columns = tensor.reshape(len(tensor), -1).T
    for lines, where in ((rows, "row"), (columns, "column")):
        first = lines[0]
        if monotone(first) and torch.equal(lines, first.expand_as(lines)):
            told = f"a ramp from {number(float(first[0]))} to {number(float(first[-1]))}"
            told += f" in every {where}" if len(lines) > 1 else ""
            return Law("ramp", told, values.mean, values.std, evidence=f"{len(first)} values in order")
    return None


def monotone(line: torch.Tensor) -> bool:
    """Whether values rise, or fall, throughout, and are so many that drawn ones do not: n of them do 2 in n! times."""
    steps = line.diff()
    ordered = bool((steps > 0).all()) or bool((steps < 0).all())
    return ordered and 2 / math.factorial(min(len(line), _LONG)) < _OVERLOOKED


def centre_tap(tensor: torch.Tensor) -> torch.Tensor | None:
    """The matrix of the middle tap where all other taps are zero; a matrix is its own."""
    if tensor.ndim == _MATRIX:
        return tensor
    middle = tensor[(slice(None), slice(None), *(size // 2 for size in tensor.shape[2:]))]
    return middle if int(tensor.count_nonzero()) == int(middle.count_nonzero()) else None


def identity(tensor: torch.Tensor, values: Values) -> Law | None:
    """An identity, as it is or in the middle tap, once or once a group of rows."""
    if tensor.ndim < _MATRIX or int(tensor.count_nonzero()) > max(tensor.shape[:2]):
        return None
    middle = centre_tap(tensor)
    if middle is None:
        return None
    rows, columns = middle.nonzero(as_tuple=True)
    held = middle[rows, columns]
    if not len(held) or float(held.min()) != float(held.max()) or not _diagonal(rows.tolist(), columns.tolist()):
        return None
    gain = float(held[0])
    kind = "dirac" if tensor.ndim > _MATRIX else "eye"
    text = kind if gain == 1 else f"{kind} times {number(gain)}"
    return Law(
        "identity", text, values.mean, values.std, value=gain, evidence=f"{len(held)} values, all on the diagonal"
    )


def _diagonal(rows: list[int], columns: list[int]) -> bool:
    """From the first column on, one after the other, row by row; and from the first column on again in a new group."""
    if rows[0] or columns[0]:
        return False
    steps = zip(pairwise(rows), pairwise(columns), strict=True)
    return all(
        (after == before + 1 and under == above + 1) or (after == 0 and under > above)
        for (above, under), (before, after) in steps
    )


def zero_rows(tensor: torch.Tensor) -> torch.Tensor:
    """The places of the rows that hold nothing but zeros: a few columns tell which may be."""
    if tensor.ndim < _MATRIX or not tensor.shape[0]:
        return torch.empty(0, dtype=torch.long)
    flat = tensor.reshape(tensor.shape[0], -1)
    some = (flat[:, probes(flat.shape[1])] == 0).all(1).nonzero().flatten()
    return some[(flat[some] == 0).all(1)] if len(some) else some


def probes(width: int) -> list[int]:
    """A few places, evenly spread."""
    return sorted({math.floor((place + 0.5) * width / _PROBES) for place in range(_PROBES)})
