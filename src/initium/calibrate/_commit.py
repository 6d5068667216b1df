"""New values into a model, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.planning import all_or_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


def commit(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copies values into the parameters of these names; whatever interrupts it, all the old ones come back."""
    with all_or_nothing() as opened:
        for name, value in values.items():
            opened(model.get_parameter(name)).copy_(value)
