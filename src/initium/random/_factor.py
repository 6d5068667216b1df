"""One side of a product that both sides draw together: ``alpha Z + beta I``, cut in two by its singular values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from initium import checks
from initium.errors import ArgumentError
from initium.random import _door
from initium.random._fills import normal_
from initium.random._workers import workers

if TYPE_CHECKING:
    from typing import SupportsFloat

    from initium.random._stream import Stream
    from initium.random._workers import Each

SIDES = ("left", "right")
# Elements of the other side that are kept for the call that asks for it, as a rule the next one.
_MOST = 1 << 24


@dataclass(frozen=True, slots=True)
class _Law:
    """``alpha Z + beta I`` of this width, cut to this rank."""

    alpha: float
    beta: float
    rank: int
    width: int


class _Kept:
    """The other side of the last product: whoever takes it leaves none behind."""

    sides: dict[tuple[object, ...], torch.Tensor] = {}  # noqa: RUF012 - one for all


def factor_(
    out: torch.Tensor,
    stream: Stream,
    side: str,
    rank: int,
    *,
    alpha: SupportsFloat = 1.0,
    beta: SupportsFloat = 0.0,
    start: int = 0,
) -> torch.Tensor:
    r"""Fill with one side of a product for every head: ``alpha Z + beta I = U S V^T``, cut to its largest singular values.

    Head h is rows ``h rank`` to ``(h + 1) rank`` of a tall matrix, ``(U_r S_r^(1/2))^T`` on the left and
    ``(V_r S_r^(1/2))^T`` on the right. Z is (d, d), elements N(0, 1/d), drawn from the child ``h`` of the stream. So
    ``left_h^T right_h`` is the nearest matrix of that rank to ``alpha Z_h + beta I``, and the whole of it where rank = d.

    Args:
        out: A floating or complex matrix (units, d), filled in place: rows ``start`` to ``start + units`` of the tall one.
        stream: A named stream, the same for both sides.
        side: ``left`` or ``right``.
        rank: Rows of a head, at most d.
        alpha: What the noise is multiplied by, > 0.
        beta: What is on the diagonal.
        start: The first row.

    Returns:
        ``out``.

    Raises:
        ArgumentError: Not 2 axes, another side, a rank that is not in [1, d], start < 0, alpha <= 0, an unnamed stream.
        ArgumentTypeError: ``out`` holds integers or truth values, or ``stream`` is no stream.

    Example:
        >>> import torch
        >>> from initium.random import Stream, factor_
        >>> pair = Stream(0).child("attention/qk")
        >>> q, k = (factor_(torch.empty(64, 64), pair, side, 64, alpha=0.7, beta=0.7) for side in ("left", "right"))
        >>> print(f"{(q.T @ k).diagonal().mean():.2f}")
        0.69

    Reference:
        Trockman & Kolter (2023), Mimetic Initialization of Self-Attention Layers.

    Deviation:
        Computed in float64 on the CPU, each head by one thread: the bits do not depend on the device, nor on the number of
        threads. The sign of a pair of singular vectors, which is free, makes the largest element on the left positive.
    """
    out, stream = checks.destination(out), _door.named(stream)
    rank, start = checks.integer(rank, "rank"), checks.integer(start, "start")
    alpha, beta = checks.finite(alpha, "alpha"), checks.finite(beta, "beta")
    if out.dim() != 2:  # noqa: PLR2004  a matrix
        raise ArgumentError(f"a factor is a matrix of 2 axes (units, width); got {checks.described(out)}.")
    if side not in SIDES or alpha <= 0 or start < 0 or not 1 <= rank <= max(1, out.shape[1]):
        raise ArgumentError(
            "a factor has a side (left or right), alpha > 0, start >= 0 and a rank in [1, width]; got "
            f"{side!r}, alpha {alpha!r}, start {start}, rank {rank} of width {out.shape[1]}."
        )
    if checks.holds_nothing(out):
        return out
    law, rows = _Law(alpha, beta, rank, out.shape[1]), range(start, start + len(out))
    key = (stream, law, rows)
    whole = _Kept.sides.pop((*key, side), None)
    if whole is None:
        with torch.no_grad():
            both = _both(stream, law, rows)
        whole, other = both if side == "left" else both[::-1]
        _keep((*key, SIDES[side == "left"]), other)
    with torch.no_grad():
        return out.copy_(whole if out.dtype in {torch.float64, torch.complex128} else whole.float())


def _keep(key: tuple[object, ...], other: torch.Tensor) -> None:
    _Kept.sides.clear()
    if other.numel() <= _MOST:
        _Kept.sides[key] = other


def _both(stream: Stream, law: _Law, rows: range) -> tuple[torch.Tensor, torch.Tensor]:
    """Both sides of those rows, as many heads at a time as there are threads."""
    rank = law.rank
    heads = range(rows.start // rank, -(-rows.stop // rank))
    left, right = (torch.empty(len(heads) * rank, law.width, dtype=torch.float64, device="cpu") for _ in SIDES)
    for some in _runs(heads, max(1, torch.get_num_threads())):
        products = [_product(stream.child(str(head)), law) for head in some]
        with workers() as each:
            cut = _cut(each, products, rank)
        for head, (one, other) in zip(some, cut, strict=True):
            place = (head - heads.start) * rank
            left[place : place + rank], right[place : place + rank] = one, other
    skipped = rows.start - heads.start * rank
    return left[skipped : skipped + len(rows)], right[skipped : skipped + len(rows)]


def _runs(heads: range, count: int) -> list[range]:
    return [heads[first : first + count] for first in range(0, len(heads), count)]


def _product(stream: Stream, law: _Law) -> torch.Tensor:
    noise = torch.empty(law.width, law.width, dtype=torch.float64, device="cpu")
    product = normal_(noise, stream, 0.0, law.alpha / math.sqrt(law.width))
    product.diagonal().add_(law.beta)
    return product


def _cut(each: Each, products: list[torch.Tensor], rank: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    def halves(product: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        u, s, v = torch.linalg.svd(product)
        left, right, root = u[:, :rank].T, v[:rank], s[:rank].sqrt()
        largest = left.gather(1, left.abs().argmax(dim=1, keepdim=True))
        return left * (root * largest[:, 0].sign()).unsqueeze(1), right * (root * largest[:, 0].sign()).unsqueeze(1)

    return each(halves, products)
