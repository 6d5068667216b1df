"""Which weights are calibrated, why the others are not, and what is turned away at the door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from initium.errors import PlanError

if TYPE_CHECKING:
    from torch import nn

    from initium.network import Facts, Network, Use


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done with one weight.

    Attributes:
        uses: Its uses, in execution order.
        reason: Why it is left alone; empty where it is calibrated.
        remark: What a reader should know of a calibrated one.
    """

    uses: tuple[Use, ...]
    reason: str
    remark: str = ""


def choose(model: nn.Module, network: Network) -> dict[str, Choice]:
    """A choice for every weight that the network uses, in the order of first use.

    Raises:
        PlanError: A weight holds integers, or a parametrisation computes it.
    """
    held = dict(model.named_parameters())
    uses: dict[str, list[Use]] = {}
    for use in network.uses:
        uses.setdefault(use.name, []).append(use)
    chosen: dict[str, Choice] = {}
    for name, mine in uses.items():
        facts = network.facts(name)
        _check(facts, held[name])
        chosen[name] = Choice(tuple(mine), _reason(facts, held[name], mine), _remark(mine))
    return chosen


def _check(facts: Facts, parameter: nn.Parameter) -> None:
    if not (parameter.is_floating_point() or parameter.is_complex()):
        raise PlanError(
            f"lsuv scales weights, and `{facts.name}` {tuple(parameter.shape)} holds {parameter.dtype}, which cannot be "
            "scaled. Calibrate before quantising, or dequantise first."
        )
    if facts.computed_by and not facts.frozen:
        raise PlanError(_computed(facts))


def _computed(facts: Facts) -> str:
    owner, mark, field = facts.name.partition("parametrizations.")
    layer, _, attribute = facts.name.rpartition(".")
    layer = owner.rstrip(".") if mark else layer
    weight = field.partition(".")[0] if mark else attribute.rpartition("_")[0]
    here = f'model.get_submodule("{layer}"), "{weight}"'
    cure = (
        f"torch.nn.utils.parametrize.remove_parametrizations({here})"
        if mark
        else f"torch.nn.utils.remove_weight_norm, remove_spectral_norm or prune.remove ({here})"
    )
    return (
        f"`{facts.name}` is no weight: {facts.computed_by} computes `{layer}.{weight}` from it, so a factor would not "
        f"scale the output. Calibrate first and parametrise after, or take it off: {cure}."
    )


def _reason(facts: Facts, parameter: nn.Parameter, uses: list[Use]) -> str:
    """Why a weight is left alone; empty for none."""
    lookups = [use for use in uses if use.layout in {"lookup", "added"}]
    gates = next((use.op for use in uses if use.layout == "gates"), "")
    table = (
        (facts.frozen, "frozen: requires_grad is off"),
        (parameter.numel() == 0, "it has no element"),
        (parameter.is_complex(), "it is complex"),
        (bool(lookups) and len(lookups) == len(uses), "an embedding is looked up, not summed"),
        (bool(lookups), "tied to an embedding, which a factor would change too"),
        (bool(gates), f"the gates of {gates} are not one linear operation"),
        (any(not use.direct for use in uses), "the operation does not multiply by it as it stands"),
    )
    return next((text for holds, text in table if holds), "")


def _remark(uses: list[Use]) -> str:
    remarks: list[str] = []
    if len(uses) > 1:
        remarks.append(f"used {len(uses)} times: the factor is that of the first use")
    if uses[0].normalised:
        remarks.append("scale-free: a normalisation follows")
    return "; ".join(remarks)
