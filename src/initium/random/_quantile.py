"""The normal quantile in float32: only + - * / and ``where``, each rounded once, so the same bits on any device.

Every constant is written as the exact float32 that it is. ``torch.log`` and ``torch.sqrt`` are not correctly rounded,
and a fused multiply-add changes half of the values: neither may stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.checks import holds_nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL = float.fromhex("0x1.333334p-4")
SPLIT = float.fromhex("0x1.71eb86p-3")


def _exact(*numbers: str) -> tuple[float, ...]:
    return tuple(map(float.fromhex, numbers))


# Wichura (1988), AS241, PPND7: the centre as printed.
A = _exact("0x1.d8ep+5", "0x1.3e951p+7", "0x1.937964p+5", "0x1.b18d9p+1")
B = _exact("0x1.0cc01p+6", "0x1.3b07f2p+6", "0x1.1e529ep+4", "0x1p+0")
# The tail in s = -log p, without AS241's square root: a rational fit for p >= 2^-33, largest error 5e-6.
C = _exact("0x1.ca6106p-13", "0x1.8ebc9p-5", "0x1.9b641cp-1", "0x1.2ab51p+0", "-0x1.2c77p+0")
D = _exact("0x1.d17214p-9", "0x1.841ad6p-3", "0x1.45350cp+0", "0x1p+0")
# log(1 + m) / m on [sqrt(1/2) - 1, sqrt(2) - 1].
L = _exact(
    "-0x1.9f174ap-4",
    "0x1.4c79e8p-3",
    "-0x1.613806p-3",
    "0x1.9785cap-3",
    "-0x1.ff6316p-3",
    "0x1.555ap-2",
    "-0x1.00007ap-1",
    "0x1.fffffep-1",
)
LOG_2 = float.fromhex("0x1.62e43p-1")
ONE_BITS, ROOT_HALF_BITS = 0x3F800000, 0x3F3504F3


def horner(x: torch.Tensor, coefficients: Sequence[float]) -> torch.Tensor:
    """The polynomial from the highest power, each product and each sum rounded by itself."""
    leading, *rest = coefficients
    total = torch.full_like(x, leading)
    for coefficient in rest:
        total.mul_(x).add_(coefficient)
    return total


def minus_log(p: torch.Tensor) -> torch.Tensor:
    """-log p for normal positive float32 p."""
    bits = p.view(torch.int32) + (ONE_BITS - ROOT_HALF_BITS)
    exponent = (bits >> 23).sub_(127).to(torch.float32)
    m = bits.bitwise_and_(0x7FFFFF).add_(ROOT_HALF_BITS).view(torch.float32).sub_(1.0)
    return exponent.mul_(-LOG_2).sub_(horner(m, L).mul_(m))


def quantile(p: torch.Tensor) -> torch.Tensor:
    """|z| of the lower-tail probability p in (0, 1/2], float32 of shape (n,)."""
    q = p.neg().add_(0.5)
    r = (q * q).neg_().add_(SPLIT)
    z = horner(r, A).mul_(q).div_(horner(r, B))
    picked = p.device.type == "cpu" and not holds_nothing(p)
    return _put_tail_on_cpu(z, p) if picked else torch.where(p < TAIL, _tail(p), z)


def _put_tail_on_cpu(z: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """One element in seven lies in the tail: picking them out pays where the picking is no synchronisation."""
    where = (p < TAIL).nonzero().view(-1)
    return z.index_copy_(0, where, _tail(p.index_select(0, where)))


def _tail(p: torch.Tensor) -> torch.Tensor:
    s = minus_log(p)
    return horner(s, C).div_(horner(s, D))
