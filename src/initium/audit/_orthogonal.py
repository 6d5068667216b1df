"""Matrices of orthonormal rows or columns, whole, in packed blocks, or in the middle tap of a convolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.audit._exact import centre_tap
from initium.audit._law import Law, number

if TYPE_CHECKING:
    from initium.audit._values import Values

# So many vectors are compared with each other, evenly spread.
_PICKED = 48
_MATRIX = 2
_BLOCKS = (2, 3, 4)
# Rounding to float32 in a QR of any size that is stored: eight steps.
_ROUNDING = 8.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Vectors that are orthogonal and equally long.

    Attributes:
        gain: Their length.
        cosine: The root mean square of the cosines between them.
        chance: How likely independent vectors are to be as orthogonal.
        side: ``rows`` or ``columns``.
        share: Of the squared length, the part of one element: 1 over the longer side.
    """

    gain: float
    cosine: float
    chance: float
    side: str
    share: float


def orthogonal(tensor: torch.Tensor, values: Values, parts: int, level: float) -> Law | None:
    """The law of a weight that is orthogonal in one of the ways in which weights are made so."""
    if tensor.ndim < _MATRIX or min(tensor.shape) < 1 or values.count < 2 * _MATRIX:
        return None
    middle = centre_tap(tensor)
    if middle is not None and tensor.ndim > _MATRIX and math.prod(tensor.shape[2:]) > 1:
        frame = _frame(middle, values.step, level)
        taps = math.prod(tensor.shape[2:])
        return _law("delta_orthogonal", "delta-orthogonal", frame, values, taps) if frame else None
    found = _whole(tensor, values, parts, level) or _apart(tensor, values, level)
    return _law("orthogonal", f"orthogonal{found[0]}", found[1], values) if found else None


def _whole(tensor: torch.Tensor, values: Values, parts: int, level: float) -> tuple[str, Frame] | None:
    rows = tensor.shape[0]
    flat = tensor.reshape(rows, -1)
    columns = flat.shape[1]
    frame = _frame(flat, values.step, level)
    counts = sorted({parts, *_BLOCKS, rows // columns}, reverse=True)
    if frame and frame.side == "rows":
        return "", frame
    if frame:
        # Of blocks with orthogonal columns the whole has them too, with a gain that nobody asked for.
        counts = [count for count in counts if rows >= count * columns]
        return _blocks(flat, counts, values, level) or ("", frame)
    # Of blocks with orthogonal rows, every part of a block has them: the largest blocks are what was drawn.
    return _blocks(flat, counts[::-1], values, level)


def _blocks(flat: torch.Tensor, counts: list[int], values: Values, level: float) -> tuple[str, Frame] | None:
    for count in counts:
        if 1 < count <= len(flat) // _MATRIX and len(flat) % count == 0:
            frame = _same(list(flat.chunk(count)), values, level)
            if frame:
                return f" in {count} blocks", frame
    return None


def _apart(tensor: torch.Tensor, values: Values, level: float) -> tuple[str, Frame] | None:
    """A kernel that ends in its outputs, and a stack of matrices."""
    if tensor.ndim == _MATRIX:
        return None
    rows = tensor.shape[0]
    last = _frame(tensor.reshape(-1, tensor.shape[-1]), values.step, level)
    if last:
        return " over the last axis", last
    each = _same(list(tensor.reshape(rows, tensor.shape[1], -1)[:: max(1, rows // 4)]), values, level)
    return (f" in each of {rows}", each) if each else None


def _same(matrices: list[torch.Tensor], values: Values, level: float) -> Frame | None:
    """The frame of the first, where all are frames of one gain."""
    first = _frame(matrices[0], values.step, level)
    if not first:
        return None
    others = (_frame(matrix, values.step, level) for matrix in matrices[1:])
    return first if all(each and _alike(each.gain, first.gain, values.step) for each in others) else None


def framed(matrix: torch.Tensor, gain: float, step: float, level: float) -> bool:
    """True for orthogonal vectors of this length; of so few that chance makes them too, they are taken at their word."""
    if not gain or not matrix.numel():
        return not int(matrix.count_nonzero())
    short = _short(matrix)
    lengths = _picked(short).norm(dim=1)
    if not (_alike(float(lengths.min()), gain, step) and _alike(float(lengths.max()), gain, step)):
        return False
    cosine, pairs = _cosine(_picked(short) / lengths[:, None])
    telling = _chance(short.shape[1], _ROUNDING * step, pairs) <= level
    return cosine <= _ROUNDING * step and (not telling or _chance(short.shape[1], cosine, pairs) <= level)


def _frame(matrix: torch.Tensor, step: float, level: float) -> Frame | None:
    short = _short(matrix)
    lengths = _picked(short).norm(dim=1)
    if not float(lengths.min()) or not _alike(float(lengths.min()), float(lengths.max()), step):
        return None
    cosine, pairs = _cosine(_picked(short) / lengths[:, None])
    chance = _chance(short.shape[1], cosine, pairs)
    if not pairs or cosine > _ROUNDING * step or chance > level:
        return None
    side = "rows" if matrix.shape[0] <= matrix.shape[1] else "columns"
    return Frame(float(lengths.mean()), cosine, chance, side, 1 / short.shape[1])


def _short(matrix: torch.Tensor) -> torch.Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T


def _picked(short: torch.Tensor) -> torch.Tensor:
    few = min(len(short), _PICKED)
    some = short[[index * len(short) // few for index in range(few)]]
    return some.to(torch.complex128) if some.is_complex() else some.double()


def _cosine(unit: torch.Tensor) -> tuple[float, int]:
    """The root mean square of the cosines, and of how many."""
    pairs = len(unit) * (len(unit) - 1) // 2
    return math.sqrt(float((unit @ unit.mH).triu(1).abs().square().sum()) / max(pairs, 1)), pairs


def _chance(size: int, cosine: float, pairs: int) -> float:
    """Of independent vectors `size cosine^2` is chi-squared over its degrees; Chernoff bounds its lower tail."""
    share = size * cosine**2
    return (share * math.exp(1 - share)) ** (pairs / 2) if share < 1 else 1.0


def _alike(one: float, other: float, step: float) -> bool:
    return math.isclose(one, other, rel_tol=_ROUNDING * step)


def _law(kind: str, text: str, frame: Frame, values: Values, taps: int = 1) -> Law:
    """The std is the root mean square of all elements, of the taps that are zero too."""
    off, std = _ROUNDING * values.step, frame.gain * math.sqrt(frame.share / taps)
    return Law(
        kind=kind,
        text=text,
        std=std,
        low=std * (1 - off),
        high=std * (1 + off),
        value=frame.gain,
        evidence=f"{frame.side} of length {number(frame.gain)}, cosines {frame.cosine:.1e}, "
        f"p <= {frame.chance:.1g} for independent ones",
    )
