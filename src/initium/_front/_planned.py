"""A network, once it is read, to a plan by any scheme, those that walk it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.calibrate import auto, autoinit
from initium.planning import plan

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Network
    from initium.planning import Overrides, Plan, Prior
    from initium.schemes import Scheme


# The schemes that walk the network: what they are told of it comes from a batch, and the seed is the plan's.
WALKED = {"auto": auto, "autoinit": autoinit}


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
    if isinstance(scheme, str) and scheme in WALKED:
        scheme = WALKED[scheme](model, batch, overrides, prior=prior, network=network, seed=seed)
    return plan(network, scheme, overrides, prior)
