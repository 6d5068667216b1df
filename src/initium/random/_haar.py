"""Haar-distributed matrices: Stewart's reflectors straight from Gaussian columns, multiplied out in blocks.

The reflectors of one block are ``H_1 ... H_b = I - U T U^H`` (compact WY) with unscaled columns ``u = x + s e_1``,
``s = sign(a) |x|``, and ``T^-1 = triu(X^H X + X_1^H diag(s))``, X_1 the top square of X: off the diagonal that is
``u_i^H u_j``, on it ``|x| (|x| + |a|)``, the reciprocal of the reflector's factor. (Puglisi 1992; Joffrain et al. 2006.)

The product starts from ``diag(-sign a)`` and takes the last block first, ``2 n k^2 - 2/3 k^3`` operations, nearly all in
two matrix products a block. Columns of the result do not know each other, so they are made in groups of a fixed number,
each by one thread: the bits do not depend on how many threads there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium.random._choice import bare
from initium.random._threads import unsplit_if_forked
from initium.random._workers import in_turn, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from initium.random._workers import Each

# Reflectors in a block: many make good products, few make small triangles. This and the next decide the rounding.
WIDTH = 96
# Columns that one thread makes at a time: they stay in its cache while all blocks pass by. Not a power of 2, whose
# multiples, as the distances of rows, would put a whole column into a few lines of the cache.
GROUP = 2 * WIDTH
# rows * cols^2 up to which one thread is done in a few milliseconds, and others would be in its way.
ALONE = 1 << 26
# Gaussians that are drawn at a time, before each goes to its block.
DRAWN = 1 << 18
# What is added to a Gaussian: nothing, save to one of exactly 0 (one word in 2^25), so that a sign exists.
SPECK = 2.0**-100


@dataclass(frozen=True, slots=True)
class Block:
    """``H_1 ... H_b = I - U T U^H``, which leaves the rows above U alone, and the signs of its columns.

    Attributes:
        u: The unscaled reflectors, (..., m, b), lower trapezoidal.
        inverse: T^-1 in the upper triangle of (..., b, b).
        sign: sign(a) of each column, (..., b).
    """

    u: torch.Tensor
    inverse: torch.Tensor
    sign: torch.Tensor


def orthonormal(
    rows: int, cols: int, draw: Callable[[int, int], torch.Tensor], take: Callable[[int, torch.Tensor], None]
) -> None:
    """Orthonormal columns of length ``rows``, ``rows >= cols``.

    ``draw(first, last)`` gives those rows of the Gaussian columns, (..., last - first, cols): all of them at once if no
    more than WIDTH columns are asked for, else some at a time. ``take(first, columns)`` is called for each group of
    columns, in any order and by any thread; it may overwrite them.
    """
    with unsplit_if_forked():
        gaussians = [draw(0, rows)] if cols <= WIDTH else _drawn(rows, cols, draw)
    if gaussians[0].is_cpu:
        with workers() as each:
            shared = rows * cols**2 > ALONE and bare(gaussians[0])
            _make(gaussians, take, each if shared else in_turn, GROUP)
    else:
        _make(gaussians, take, in_turn, cols)


def _drawn(rows: int, cols: int, draw: Callable[[int, int], torch.Tensor]) -> list[torch.Tensor]:
    """The Gaussian columns of each block, from the row of its first column on: what lies above is not kept."""
    blocks: list[torch.Tensor] = []
    step = max(1, DRAWN // cols)
    for top in range(0, rows, step):
        end = min(top + step, rows)
        some = draw(top, end)
        blocks = blocks or [some.new_empty(rows - at, min(WIDTH, cols - at)) for at in range(0, cols, WIDTH)]
        for at, block in zip(range(0, min(end, cols), WIDTH), blocks, strict=False):
            low = max(top, at)
            block[low - at : end - at] = some[low - top :, at : at + WIDTH]
        del some  # before the next are drawn
    return blocks


def _make(gaussians: Sequence[torch.Tensor], take: Callable[[int, torch.Tensor], None], each: Each, group: int) -> None:
    blocks = each(_block, gaussians)
    if len(blocks) == 1:
        take(0, _own_(torch.empty_like(blocks[0].u), blocks[0]))
        return
    cols = sum(block.u.shape[-1] for block in blocks)
    # The last columns meet the most blocks, so they go first.
    each(lambda first: take(first, _columns(blocks, first, min(first + group, cols))), range(0, cols, group)[::-1])


def _block(gaussian: torch.Tensor) -> Block:
    """The reflectors of Gaussian columns, in the place of these."""
    top = gaussian[..., : gaussian.shape[-1], :].tril_()
    a = top.diagonal(dim1=-2, dim2=-1).add_(SPECK)
    gram = gaussian.mH @ gaussian
    sign = a.sgn()
    s = sign * gram.diagonal(dim1=-2, dim2=-1).real.sqrt()
    inverse = gram.addcmul_(top.mH, s.unsqueeze(-2))
    a.add_(s)
    return Block(gaussian, inverse, sign)


def _columns(blocks: Sequence[Block], first: int, last: int) -> torch.Tensor:
    """Columns ``first`` to ``last`` of the product of all blocks; blocks that start after them leave them alone."""
    rows = len(blocks[0].u)
    q = blocks[0].u.new_zeros(rows, last - first)
    for block in reversed(blocks[: -(-last // WIDTH)]):
        start = rows - len(block.u)
        stop = start + len(block.sign)
        if stop < last:
            later = q[:, max(stop - first, 0) :]
            w = torch.mm(block.u[stop - start :].mH, later[stop:])
            torch.linalg.solve_triangular(block.inverse, w, upper=True, out=w)
            later[start:].addmm_(block.u, w, alpha=-1)
        if start >= first:
            _own_(q[start:, start - first : stop - first], block)
    return q


def _own_(out: torch.Tensor, block: Block) -> torch.Tensor:
    """The block's own columns, from its first row on: ``(I - U T U^H) [diag(-sign); 0]``."""
    top = block.u[..., : block.u.shape[-1], :]
    w = torch.linalg.solve_triangular(block.inverse, top.mH * block.sign.unsqueeze(-2), upper=True)
    torch.matmul(block.u, w, out=out)
    out.diagonal(dim1=-2, dim2=-1).sub_(block.sign)
    return out
