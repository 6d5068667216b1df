"""From a law to a tensor of any dtype and layout: the value at a flat index does not know where it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.checks import holds_nothing
from initium.random._backend import STORED
from initium.random._choice import backend_for
from initium.random._reference import CHUNK
from initium.random._threads import unsplit_if_forked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from initium.random._laws import Law
    from initium.random._stream import Stream


def write(out: torch.Tensor, stream: Stream, start: int, law: Law, imaginary: Law | None = None) -> torch.Tensor:
    """Fill ``out`` by ``law``; a complex tensor takes its parts from the children ``re`` and ``im``."""
    if holds_nothing(out):
        return out
    if imaginary is None and out.dtype in STORED and out.is_contiguous() and not out.is_neg():
        backend_for(out).fill(out, stream.key, start, law)
        return out
    with torch.no_grad(), unsplit_if_forked():
        if imaginary is not None:
            _write_complex(out, stream, start, law, imaginary)
        else:
            for piece, at in pieces(out, start):
                piece.copy_(_drawn(piece, stream, at, law))
    return out


def _write_complex(out: torch.Tensor, stream: Stream, start: int, real: Law, imaginary: Law) -> None:
    backend_for(torch.empty(0, device=out.device))  # one that cannot serve is refused before a key is drawn
    re, im = stream.child("re"), stream.child("im")
    for piece, at in pieces(out, start):
        piece.copy_(torch.complex(_drawn(piece, re, at, real), _drawn(piece, im, at, imaginary)))


def _drawn(like: torch.Tensor, stream: Stream, start: int, law: Law) -> torch.Tensor:
    made = torch.empty(like.shape, dtype=torch.float32, device=like.device)
    backend_for(made).fill(made, stream.key, start, law)
    return made


def pieces(out: torch.Tensor, start: int) -> Iterator[tuple[torch.Tensor, int]]:
    """Views of at most one chunk that cover ``out`` in the order of its flat index, each with its first index."""
    if out.numel() <= CHUNK:
        yield out, start
        return
    row = out.numel() // len(out)
    if row > CHUNK:
        for place in range(len(out)):
            yield from pieces(out[place], start + place * row)
    else:
        for place in range(0, len(out), CHUNK // row):
            yield out[place : place + CHUNK // row], start + place * row
