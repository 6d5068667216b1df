"""Whether a weight's values lie as one draw of a law put them, or as training left them.

Of one draw, rows are alike: a row's mean square varies among rows by ``(kurtosis - 1) / columns`` of its own square, and so it
is with columns. Training makes units strong and weak, which puts this far above what chance allows, and its tails are heavier
than a Gaussian's, than which no law that weights are drawn from has heavier ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from initium.network import loose
from initium.signal._fetched import fetched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from initium.network import Network

# As many standard deviations as a thousand draws do not exceed by chance.
_SURE = 6.0
_FEWEST, _KURTOSIS = 4, 3.0


def drawn(network: Network, leaves: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The frozen matrices, kernels and tables that still are what they were drawn as."""
    used = {use.name for use in network.uses}
    frozen = [
        facts.name for facts in network.parameters if facts.frozen and facts.name in used and not facts.computed_by
    ]
    judged = {name: rows for name in frozen if (rows := _as_rows(leaves[name])) is not None}
    figures = fetched([_figures(rows) for rows in judged.values()])
    return tuple(
        name for (name, rows), found in zip(judged.items(), figures, strict=True) if _of_one_draw(rows.shape, found)
    )


def loose_shapes(network: Network) -> tuple[tuple[int, ...], ...]:
    """The shapes of matrices in the place of weights that are neither parameters nor buffers, and lie as one draw around zero."""
    judged = [(value, rows) for value in loose(network) if (rows := _as_rows(value)) is not None]
    figures = fetched([_figures(rows) | {"centre": rows.mean() / rows.std()} for _, rows in judged])
    return tuple(
        tuple(value.shape)
        for (value, rows), found in zip(judged, figures, strict=True)
        if _of_one_draw(rows.shape, found) and abs(found["centre"]) <= _SURE / math.sqrt(rows.numel())
    )


def _as_rows(weight: Tensor) -> Tensor | None:
    """A matrix with a row for each unit, in its largest magnitude's measure; ``None`` of what is too small to tell."""
    if weight.ndim < 2 or not weight.is_floating_point() or weight.layout != torch.strided:  # noqa: PLR2004 - a matrix
        return None
    rows = weight.detach().flatten(1)
    return rows.float() if min(rows.shape) >= _FEWEST else None


def _figures(rows: Tensor) -> dict[str, Tensor]:
    squares = (rows / rows.abs().amax().clamp(min=torch.finfo(rows.dtype).tiny)).square()
    mean = squares.mean()
    return {
        "mean": mean,
        "kurtosis": squares.square().mean() / mean.square(),
        "rows": squares.mean(1).var() / mean.square(),
        "columns": squares.mean(0).var() / mean.square(),
    }


def _of_one_draw(shape: torch.Size, found: dict[str, float]) -> bool:
    count, width = shape
    kurtosis = found["kurtosis"]
    if not found["mean"] > 0 or not kurtosis > 1:
        return False
    tails = _KURTOSIS + _SURE * math.sqrt(24 / (count * width))  # the std of a Gaussian sample's kurtosis
    spreads = ((found["rows"], count, width), (found["columns"], width, count))
    even = all(
        spread * over / (kurtosis - 1) <= 1 + _SURE * math.sqrt(2 / (among - 1)) for spread, among, over in spreads
    )
    return kurtosis <= tails and even
