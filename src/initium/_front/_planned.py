"""A network, once it is read, to a plan by any scheme, ``auto`` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.calibrate import auto
from initium.planning import plan

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Network
    from initium.planning import Overrides, Plan, Prior
    from initium.schemes import Scheme


def planned(
    model: nn.Module,
    batch: object,
    network: Network,
    scheme: Scheme | str,
    overrides: Overrides | None = None,
    *,
    prior: Prior | None = None,
    seed: int = 0,
) -> Plan:
    """The plan of a model that was read with this batch; arguments and errors are those of :func:`initium.plan`."""
    if scheme == "auto":
        scheme = auto(model, batch, overrides, prior=prior, network=network, seed=seed)
    return plan(network, scheme, overrides, prior)
