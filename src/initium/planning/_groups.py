"""The optimiser's half of the maximal update parametrisation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from initium.errors import ArgumentError, ArgumentTypeError
from initium.network import as_batch, held, read
from initium.schemes import check_shapes, lr_factor

if TYPE_CHECKING:
    from initium.schemes import Optimizer, Shapes


def mup_groups(
    model: nn.Module,
    base: nn.Module | Shapes,
    batch: object = None,
    *,
    lr: float,
    optimizer: Optimizer = "adam",
    weight_decay: float = 0.0,
    decoupled: bool = False,
    readout_multiplier: bool = False,
) -> list[dict[str, Any]]:
    r"""The parameter groups of an optimiser, so that one learning rate serves every width.

    $$\text{Adam: } \eta_W = \eta / m_{in}, \qquad \text{SGD: } \eta_W = \eta \, m_{out} / m_{in}$$

    $m$ are the ratios of a parameter's inputs and outputs to the base's; of a bias or a table $m_{in} = 1$. Start the
    weights by the scheme :func:`~initium.schemes.mup` with the same base.

    Args:
        model: The model that will be trained.
        base: The base, or the shape of each of its parameters by name.
        batch: As for :func:`initium.plan`: tells which way round a weight lies. Without one the modules tell.
        lr: The learning rate at the base's width.
        optimizer: ``adam`` for all that divide by the gradient's size, else ``sgd``.
        weight_decay: The decay at the base's width.
        decoupled: The optimiser does not multiply its decay by the learning rate. torch's do: there it is divided by the
            factor of the learning rate, so that their product is that of the base.
        readout_multiplier: As for :func:`~initium.schemes.mup`.

    Returns:
        A group for each factor: ``params``, ``lr``, ``weight_decay``, and for a reader ``factor`` and ``names``. Frozen
        parameters are in no group.

    Raises:
        ArgumentError: A learning rate or a decay that is negative or not finite, or another optimizer.
        ArgumentTypeError: The model is no module, or the base neither a module nor shapes.
        PlanError: The base does not fit, or a tied readout has no multiplier.

    Example:
        >>> import torch
        >>> def build(width):
        ...     return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 3))
        >>> groups = mup_groups(build(64), build(16), lr=0.01)
        >>> [(group["names"], group["lr"]) for group in groups]
        [(('0.weight', '0.bias', '2.bias'), 0.01), (('2.weight',), 0.0025)]
        >>> optimizer = torch.optim.AdamW(groups)

    Reference:
        Yang, Hu et al., "Tensor Programs V" (2022), tables 3 and 8.
    """
    for what, value in (("lr", lr), ("weight_decay", weight_decay)):
        if not (math.isfinite(value) and value >= 0):
            raise ArgumentError(f"{what} must be finite and >= 0; got {value!r}.")
    network = read(model) if batch is None else read(model, as_batch(batch))
    shapes, parameters = _shapes(base), {one.name: one.parameter for one in held(model)}
    groups: dict[float, dict[str, Any]] = {}
    for facts in network.parameters:
        if facts.frozen:
            continue
        factor = lr_factor(shapes, facts, optimizer, readout_multiplier=readout_multiplier)
        decay = weight_decay if decoupled else weight_decay / factor
        empty: dict[str, Any] = {"params": [], "names": (), "lr": lr * factor, "weight_decay": decay, "factor": factor}
        group = groups.setdefault(round(factor, 12), empty)
        group["params"].append(parameters[facts.name])
        group["names"] += (facts.name,)
    return list(groups.values())


def _shapes(base: object) -> Shapes:
    if isinstance(base, nn.Module):
        return {name: tuple(p.shape) for name, p in base.named_parameters(remove_duplicate=False)}
    if not isinstance(base, Mapping):
        raise ArgumentTypeError(f"a base is a module, or a dict from names to shapes; got {type(base).__name__}.")
    return check_shapes(base)
