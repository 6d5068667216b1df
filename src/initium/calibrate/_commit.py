"""New values into a model, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.planning import exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


def commit(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Puts values of nobody else's into the parameters of these names; whatever interrupts it, all the old ones come back.

    After it ``values`` hold what was there before.
    """
    exchange((model.get_parameter(name), value) for name, value in values.items())
