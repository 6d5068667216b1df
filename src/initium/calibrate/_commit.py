"""New values into a model, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.planning import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn


def commit(model: nn.Module, values: Mapping[str, Tensor], opened: Callable[[Tensor], Tensor] | None = None) -> None:
    """Puts values of nobody else's into the parameters of these names; whatever interrupts it, all the old ones come back.

    After it ``values`` hold what was there before. There is no way back where the parameters are ``opened``: then the
    values may stand in them already.
    """
    if opened is None:
        exchange((model.get_parameter(name), value) for name, value in values.items())
        return
    for name, value in values.items():
        parameter = model.get_parameter(name)
        if parameter.data_ptr() != value.data_ptr():
            opened(parameter).copy_(value)
