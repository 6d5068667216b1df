"""Autocast as it was: a graph enters and leaves it by operations, and a run that stops between them would leave it on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_KINDS = ("cpu", "cuda", "xpu", "mps")


@dataclass(frozen=True, slots=True)
class Casting:
    """How operations are cast now.

    Attributes:
        kinds: By kind of device, whether it is on, and to which dtype.
        cached: Whether casts of weights are kept.
        depth: How many regions have been entered.
    """

    kinds: tuple[tuple[bool, torch.dtype], ...]
    cached: bool
    depth: int


def casting() -> Casting:
    """How operations are cast now."""
    torch.autocast_increment_nesting()  # nothing else tells the depth
    return Casting(
        tuple((torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in _KINDS),
        torch.is_autocast_cache_enabled(),
        torch.autocast_decrement_nesting(),
    )


def cast_as(wanted: Casting) -> None:
    """Puts it back."""
    here = casting()
    if here == wanted:
        return
    for kind, (on, dtype) in zip(_KINDS, wanted.kinds, strict=True):
        torch.set_autocast_enabled(kind, on)
        torch.set_autocast_dtype(kind, dtype)
    torch.set_autocast_cache_enabled(wanted.cached)
    for _ in range(here.depth - wanted.depth):
        torch.autocast_decrement_nesting()
    for _ in range(wanted.depth - here.depth):
        torch.autocast_increment_nesting()
    if not wanted.depth:
        torch.clear_autocast_cache()
