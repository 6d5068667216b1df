"""What a scheme that walks the network is asked: the batch, the network, and the fills that others decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from initium.errors import PlanError
from initium.network import as_batch, read
from initium.planning import asking

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Batch, Network
    from initium.planning import Overrides, Prior
    from initium.records import Fill


class Asked(NamedTuple):
    """A batch, the network that was read with it, and by parameter what overrides and priors write."""

    batch: Batch
    network: Network
    others: dict[str, Fill]


def asked(
    scheme: str,
    model: nn.Module,
    batch: object,
    overrides: Overrides | None,
    *,
    prior: Prior | None,
    network: Network | None,
) -> Asked:
    """What a scheme of this name needs before it walks.

    Raises:
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        PlanError: No batch, or as :func:`initium.planning.plan` for overrides and priors.
        TraceError: The model cannot be traced.
    """
    if batch is None:
        raise PlanError(
            f"{scheme} looks at the signal of the whole network, which takes a batch: plan(model, batch, '{scheme}'); on the "
            "meta device its shape is enough."
        )
    given = as_batch(batch)
    network = network or read(model, given)
    decided = asking(network, overrides, prior)
    others = {facts.name: choice.fill for facts in network.parameters if (choice := decided(facts)) is not None}
    return Asked(given, network, others)
