"""Which weights are calibrated, by which parameter, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from initium.calibrate._carriers import carriers_of
from initium.calibrate._overlaps import overlaps, why_shared

if TYPE_CHECKING:
    from torch import Tensor, nn

    from initium.network import Facts, Network, Use

ScaleFree = Literal["normalise", "keep"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done with one weight.

    Attributes:
        uses: Its uses, in execution order.
        reason: Why it is left alone; empty where it is calibrated.
        remark: What a reader should know of a calibrated one.
        carrier: The parameter that is multiplied: the weight itself, or what scales it where it is computed (the
            magnitude of weight_norm); empty where nothing does.
    """

    uses: tuple[Use, ...]
    reason: str
    remark: str = ""
    carrier: str = ""


def choose(model: nn.Module, network: Network, scale_free: ScaleFree = "normalise") -> dict[str, Choice]:
    """A choice for every weight that the network uses, in the order of first use."""
    held = dict(model.named_parameters()) | dict(model.named_buffers())
    uses: dict[str, list[Use]] = {}
    for use in network.uses:
        uses.setdefault(use.name, []).append(use)
    shared = overlaps(dict(model.named_parameters()))
    return {name: _choice(network, held, shared, mine, scale_free) for name, mine in uses.items()}


def _choice(
    network: Network, held: dict[str, Tensor], shared: dict[str, str], uses: list[Use], scale_free: ScaleFree
) -> Choice:
    facts = network.facts(uses[0].name)
    carrier = _carrier(network, held, facts, uses)
    written = network.trace is not None and facts.name in network.trace.written
    reason = _reason(facts, held[facts.name], held.get(carrier), uses, written=written) or why_shared(carrier, shared)
    if not reason and all(use.normalised for use in uses) and scale_free == "keep":
        reason = "scale-free: a normalisation follows"
    return Choice(tuple(uses), reason, _remark(facts, carrier, uses), carrier)


def _carrier(network: Network, held: dict[str, Tensor], facts: Facts, uses: list[Use]) -> str:
    """The parameter itself where operations multiply by it; where it is computed, one that scales what is computed."""
    if all(use.direct or use.layout == "gates" for use in uses):
        return facts.name
    found = [set(carriers_of(network, use, held)) for use in uses]
    common = set[str].intersection(*found)
    free = sorted((name for name in common if held[name].requires_grad), key=lambda name: (name != facts.name, name))
    return free[0] if free else ""


def _reason(facts: Facts, parameter: Tensor, carrier: Tensor | None, uses: list[Use], *, written: bool) -> str:
    """Why a weight is left alone; empty for none."""
    whole = not (parameter.is_floating_point() or parameter.is_complex())
    table = (
        (whole, f"it holds {parameter.dtype}, which cannot be scaled; calibrate before quantising"),
        (not parameter.requires_grad, "frozen: requires_grad is off"),
        (parameter.numel() == 0, "it has no element"),
        (
            parameter.layout != torch.strided,
            f"it is stored as {parameter.layout}; calibrate it dense, and convert it after",
        ),
        (carrier is None and bool(facts.computed_by), _computed(facts)),
        (carrier is None and written, "the forward pass itself writes to it, so a factor would not last"),
        (carrier is None, "the operation does not multiply by it as it stands"),
        (any(use.op == "lstm" and use.parts == 1 for use in uses), "a recurrent layer's own projection of its states"),
    )
    return next((text for holds, text in table if holds), "")


def _computed(facts: Facts) -> str:
    """Why a factor would not scale the output, and what takes the parametrisation off."""
    owner, mark, field = facts.name.partition("parametrizations.")
    layer, _, attribute = facts.name.rpartition(".")
    layer = owner.rstrip(".") if mark else layer
    weight = field.partition(".")[0] if mark else attribute.rpartition("_")[0]
    here = f'model.get_submodule("{layer}"), "{weight}"'
    cure = (
        f"torch.nn.utils.parametrize.remove_parametrizations({here})"
        if mark
        else f"torch.nn.utils.remove_spectral_norm or prune.remove ({here})"
    )
    return (
        f"{facts.computed_by} computes `{layer}.{weight}` from it, so a factor would not scale the output; calibrate first "
        f"and parametrise after, or take it off: {cure}"
    )


def _remark(facts: Facts, carrier: str, uses: list[Use]) -> str:
    remarks: list[str] = []
    if carrier not in {"", facts.name}:
        remarks.append(f"by `{carrier}`, which scales what is computed")
    if all(use.normalised for use in uses):
        remarks.append("scale-free: a normalisation follows")
    return "; ".join(remarks)
