"""A parameter taken apart as its fill is: each piece has one law, and is held against it by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

import torch

from initium.audit._exact import centre_tap
from initium.audit._factored import factored
from initium.audit._fits import Fits, fits
from initium.audit._identify import identify
from initium.audit._orthogonal import framed
from initium.audit._shapes import cut_std
from initium.planning import pieces
from initium.records import (
    Blocks,
    Constant,
    DeltaOrthogonal,
    Factor,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Packed,
    TruncatedNormal,
    Uniform,
    Values,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.audit._law import Law
    from initium.records import Fill

Plain = Constant | Normal | TruncatedNormal | Uniform | Orthogonal | DeltaOrthogonal | Identity | Factor | Values
_WIDE = (torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class Piece:
    """Values that do not hold what was planned of them to the letter, as nothing that is drawn does.

    Attributes:
        where: Which block of the parameter; empty for the whole.
        fill: What was planned.
        shape: The piece's shape.
        law: What the values look like.
        beyond: Of a planned truncation: how many values are outside it.
        fits: Whether the values may be of what was planned.
    """

    where: str
    fill: Plain
    shape: tuple[int, ...]
    law: Law
    beyond: int
    fits: Fits


def taken_apart(tensor: torch.Tensor, fill: Fill, law: Law, level: float) -> tuple[Piece, ...]:
    """The pieces that have to be looked at; what is to the letter what was planned is left out.

    Args:
        tensor: The parameter's values.
        fill: What was planned for it.
        law: What the whole looks like.
        level: The chance of an error that the parameter may have; its pieces share it.

    Returns:
        The pieces.
    """
    tensor = tensor.detach()
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    leaves = list(_leaves("", fill, tensor))
    level /= max(1, len(leaves))
    return tuple(
        _piece(where, each, part, identify(part, 1, level)[0] if where else law, level)
        for where, each, part in leaves
        if not _holds(each, part, level)
    )


def _piece(where: str, fill: Plain, part: torch.Tensor, law: Law, level: float) -> Piece:
    fill, wide = _in_parts(fill, _widened(part))
    step = torch.finfo(part.dtype).eps
    return Piece(where, fill, tuple(part.shape), law, _beyond(wide, fill, step), fits(fill, wide, step, level))


def _in_parts(fill: Plain, wide: torch.Tensor) -> tuple[Plain, torch.Tensor]:
    """Of complex values the real and imaginary parts, which share what was planned of the whole, as a law is seen in them."""
    if not wide.is_complex():
        return fill, wide
    match fill:
        case Normal() | TruncatedNormal():
            fill = replace(fill, std=fill.std * math.sqrt(0.5))
        case Uniform():
            fill = replace(fill, bound=fill.bound * math.sqrt(0.5))
        case Orthogonal() | DeltaOrthogonal():
            fill = replace(fill, gain=fill.gain * math.sqrt(0.5))
        case _:
            pass
    return fill, torch.view_as_real(wide.resolve_conj())


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.dtype in _WIDE or tensor.is_complex() else tensor.float()


def _leaves(where: str, fill: Fill, tensor: torch.Tensor) -> Iterator[tuple[str, Plain, torch.Tensor]]:
    match fill:
        case Keep():
            return
        case Packed(each=Constant() | Normal() | TruncatedNormal() | Uniform() as each):
            yield where, each, tensor  # elements that are independent are in one block as good as in many
        case Packed() | Blocks():
            parts = pieces(tensor, fill)
            for index, (each, part) in enumerate(parts):
                yield from _leaves(f"{where}in block {index} of 0..{len(parts) - 1} ", each, part)
        case Constant() | Values() | Identity() | Factor() | Orthogonal() | DeltaOrthogonal():
            yield where, fill, tensor
        case Normal() | TruncatedNormal() | Uniform():
            yield where, fill, tensor
        case _:
            assert_never(fill)


def _holds(fill: Plain, tensor: torch.Tensor, level: float) -> bool:  # noqa: PLR0911 - one a kind of fill
    """True where values are what a fill leaves no choice about; of what is drawn, never."""
    step = torch.finfo(tensor.dtype).eps
    wide = _widened(tensor)
    match fill:
        case Constant(value):
            return _close(wide, torch.tensor(value, dtype=torch.float64), tensor.dtype)
        case Values(values):
            return _close(wide, torch.tensor(values, dtype=torch.float64).reshape(tensor.shape), tensor.dtype)
        case Identity(gain):
            return _close(wide, gain * torch.eye(*tensor.shape, dtype=torch.float64), tensor.dtype)
        case Factor():
            return factored(wide, fill, step, level)
        case Orthogonal(gain):
            return framed(wide.flatten(1), gain, step, level)
        case DeltaOrthogonal(gain):
            middle = centre_tap(wide)
            return middle is not None and framed(middle, gain, step, level)
        case Normal() | TruncatedNormal() | Uniform():
            return False
        case _:
            assert_never(fill)


def _close(wide: torch.Tensor, wanted: torch.Tensor, dtype: torch.dtype) -> bool:
    """Equal but for the last step of the dtype that they are stored in."""
    stored = wanted.to(dtype).to(wide.dtype).to(wide.device)
    return bool(torch.isclose(wide, stored, rtol=torch.finfo(dtype).eps, atol=0.0).all())


def _beyond(wide: torch.Tensor, fill: Plain, step: float) -> int:
    """How many values are outside the truncation that was planned."""
    if not isinstance(fill, TruncatedNormal):
        return 0
    edge = fill.cut * fill.std / cut_std(fill.cut) * (1 + step)
    return int((wide.abs() > edge).sum())
