"""From a device to the host, all numbers at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


def fetched(figures: Sequence[Mapping[str, Tensor]]) -> list[dict[str, float]]:
    """Brings all numbers to the host at once, one transfer for each device and precision."""
    groups: dict[tuple[torch.device, torch.dtype], list[tuple[int, str]]] = {}
    for place, named in enumerate(figures):
        for field, value in named.items():
            groups.setdefault((value.device, value.dtype), []).append((place, field))
    found: list[dict[str, float]] = [{} for _ in figures]
    for members in groups.values():
        values = torch.stack([figures[place][field] for place, field in members]).tolist()
        for (place, field), value in zip(members, values, strict=True):
            found[place][field] = value
    return found
