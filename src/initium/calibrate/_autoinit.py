"""AutoInit: every weight's output at unit second moment, by the moments that the network is predicted to give it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from initium.calibrate._asked import asked
from initium.calibrate._balance import walked
from initium.calibrate._scales import Scales, scales_of
from initium.records import Normal
from initium.schemes import Choice, Scheme, first_of, textbook

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Network
    from initium.planning import Overrides, Prior

# A weight that is used again changes what it reads: so many walks bring all uses together to one size.
_SWEEPS = 4
_REASON = "1 / (fan_in E[x^2]), with the second moment that is predicted to arrive"


def autoinit(
    model: nn.Module,
    batch: object,
    overrides: Overrides | None = None,
    *,
    prior: Prior | None = None,
    network: Network | None = None,
    seed: int = 0,
) -> Scheme:
    r"""The scheme of AutoInit for a network: every weight that meets the data gives an output of unit second moment.

    Formula:
        ``Var[w] = 1 / (fan_in (v + m^2))``, m and v the mean and variance of what the weight reads, carried through the
        whole network. A weight that is used again is sized by all its uses. Tables, recurrent gates, composed weights,
        biases and norms start as in ``textbook``.

    Unlike :func:`auto` it knows of no rates, no residual streams and no outputs: branches are as large as what they are
    added to, and a head's logits are of unit size.

    Args:
        model: Any module that can be traced.
        batch: As for :func:`lsuv`; on ``meta`` too.
        overrides: Those that the plan will be made with.
        prior: Likewise.
        network: The model as ``read`` with this batch, where the caller has it.
        seed: The seed with which the plan will be applied: its own draws are walked.

    Returns:
        A scheme for this network.

    Raises:
        BatchError: The batch is empty, holds NaN, or does not fit the model.
        PlanError: No batch, or as :func:`initium.planning.plan` for overrides and priors.
        TraceError: The model cannot be traced.

    Example:
        >>> import torch, initium
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(64, 256), nn.Softplus(), nn.Linear(256, 10))
        >>> x = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
        >>> _ = initium.initialize(net, x, "autoinit", seed=0)
        >>> [round(row.out_rms, 2) for row in initium.measure(net, x).rows]
        [1.0, 1.0]

    Reference:
        Bingham & Miikkulainen (2023), "AutoInit: Analytic Signal-Preserving Weight Initialization for Neural Networks".

    Deviation:
        The paper carries means and variances by a formula an operation, of independent values; here values are walked, so
        that attention, padding, pooling and repeated inputs count.
    """
    given, network, others = asked("autoinit", model, batch, overrides, prior=prior, network=network)
    goals = scales_of(network, others).goals
    scales = Scales(bound=dict.fromkeys(goals, (1.0, _REASON)), free={}, given=others)
    found = walked(model, given, network, scales, seed=seed)
    pooled = found.pooled
    for _ in range(_SWEEPS if pooled else 0):
        found = walked(model, given, network, scales, seed=seed, before=replace(found, pooled=pooled))
        # Half of the way: a smaller weight makes later uses smaller, which would make it larger again.
        pooled = {name: math.sqrt(pooled.get(name, 1.0) * ratio) for name, ratio in found.pooled.items()}
    chosen = {name: Choice(Normal(std), "normal, output of rms 1", _REASON) for name, std in found.stds.items()}
    rule = first_of(lambda facts: chosen.get(facts.name), textbook().rule)
    return Scheme("autoinit", rule, "Bingham & Miikkulainen 2023")
