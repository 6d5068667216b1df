"""Philox4x32-10 in torch operations on int64: integer operations alone, so the same bits on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from initium.random._stream import Key

MASK = 0xFFFFFFFF
ROUNDS = 10
# Salmon et al. (2011), table 2 and section 3.3: the multipliers and the Weyl constants of Philox4x32.
M0, M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85


def words(key: Key, start: int, count: int, device: torch.device) -> torch.Tensor:
    """The 32-bit words of flat indices start to start + count, as int64 of shape (count,)."""
    first, last = start >> 2, (start + count + 3) >> 2
    blocks = torch.empty(last - first, 4, dtype=torch.int64, device=device)
    for column, word in enumerate(_block(key, torch.arange(first, last, dtype=torch.int64, device=device))):
        torch.bitwise_and(word, MASK, out=blocks[:, column])
    return blocks.view(-1)[start & 3 :][:count]


def _block(key: Key, counter: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Words 0 to 3 of each counter; only their low 32 bits count.

    Words 1 and 3 are the products themselves: what stands above their low 32 bits is rubbish that the next round's
    mask takes away, so a round costs two masks and not six.
    """
    k0, k1, s0, s1 = key
    even, odd = counter & MASK, torch.full_like(counter, s0)
    below, under = counter >> 32, torch.full_like(counter, s1)
    for turn in range(ROUNDS):
        # even, below, odd, under are the counter's words 0 to 3.
        low, high = even * M0, odd * M1
        even = (high >> 32).bitwise_xor_(below).bitwise_xor_((k0 + turn * W0) & MASK).bitwise_and_(MASK)
        odd = (low >> 32).bitwise_xor_(under).bitwise_xor_((k1 + turn * W1) & MASK).bitwise_and_(MASK)
        below, under = high, low
    return even, below, odd, under
