"""The walks that give every channel its mean and std: one that finds how, one that sees whether it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from initium.calibrate._found import check_finite
from initium.errors import PlanError
from initium.network import Walk, addend, run_walk, unchanged
from initium.signal import rounding, unit_moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from initium.calibrate._channels import Channels, Key
    from initium.network import Batch, Network, Trace, Use


@dataclass(frozen=True, slots=True)
class Shift:
    """What the channels of one weight are multiplied by, and what is added.

    Attributes:
        factors: By channel; 1 where it is constant.
        shifts: The bias that follows, by channel; ``None`` where the bias is kept.
        live: Which channels vary over the batch.
        before: Root mean square over channels of the std of each, before.
        note: Why nothing could be done.
    """

    factors: Tensor
    shifts: Tensor | None
    live: Tensor
    before: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the check saw of one weight's channels.

    Attributes:
        std: Root mean square over channels of the std of each.
        means: The mean of each channel.
        stds: The std of each channel.
        eps: The rounding of the output's precision.
    """

    std: float
    means: Tensor
    stds: Tensor
    eps: float


class Centring(Walk):
    """On reaching a weight it scales and shifts the output's channels as the rescaled weight and its bias would."""

    def __init__(
        self, network: Network, channels: Mapping[Key, Channels], mean: float, std: float, *, centre: bool
    ) -> None:
        super().__init__(network)
        self.found: dict[Key, Shift] = {}
        self.seen: dict[Key, float] = {}
        self._channels, self._mean, self._std, self._centre = channels, mean, std, centre

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:
        """The output that the new weight and bias give; a part that is used again keeps what its first use found."""
        key, channels = (use.name, use.start), self._channels[use.name, use.start]
        if channels.reason or not output.numel():
            self.seen.setdefault(key, moments_of(output, use).std)
            return output
        bias = addend(use, output, args, channels.beta)
        product = output if bias is None else output.to(_accurate(output)) - bias
        along = [channels.units if axis == use.unit_axis % output.ndim else 1 for axis in range(output.ndim)]
        if key not in self.found:
            varies = bias is not None and bias.numel() != channels.units and bias.numel() != 1
            self.found[key] = _shift(use, product, channels, self._mean, self._std, centre=self._centre, kept=varies)
        shift = self.found[key]
        if shift.note:
            return output
        scaled = product.to(_accurate(output)) * shift.factors.to(product.device).view(along)
        if shift.shifts is not None:
            own = shift.shifts.to(product.device).view(along)
            return (scaled + (own if bias is None else torch.where(_live(shift, product, along), own, bias))).to(
                output.dtype
            )
        return (scaled if bias is None else scaled + bias).to(output.dtype)


class Looking(Walk):
    """Sees the channels of the first use of every part of a weight."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.seen: dict[Key, Seen] = {}

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:  # noqa: ARG002 - the hook's form
        """Looks, and changes nothing."""
        if (use.name, use.start) not in self.seen:
            self.seen[use.name, use.start] = moments_of(output, use)
        return output


def moments_of(output: Tensor, use: Use) -> Seen:
    """Means and stds of the channels of a use's output.

    Raises:
        BatchError: The output is not finite.
    """
    moments = unit_moments(output, use.unit_axis)
    check_finite(use, float(moments.largest))
    stds = moments.largest * moments.var.sqrt()
    eps = float(torch.finfo(output.dtype).eps) if output.is_floating_point() or output.is_complex() else 0.0
    return Seen(float(moments.unit_std), moments.largest * moments.mean, stds, eps)


def walk(walking: Walk, model: nn.Module, batch: Batch, values: Mapping[str, Tensor]) -> None:
    """Walks with these values in the place of the model's, drawing from the random state of the call; changes nothing."""
    traced = cast("Trace", walking.network.trace)
    with unchanged(model), torch.no_grad():
        parameters, buffers, inputs = traced.bind(model, batch, values)
        run_walk(walking, [*parameters, *buffers, *inputs])


def moved(
    model: nn.Module, values: Mapping[str, Tensor], channels: Mapping[Key, Channels], found: Mapping[Key, Shift]
) -> dict[str, Tensor]:
    """The values with every found factor and shift in them; the model's own where a value is not among them.

    Raises:
        PlanError: A value does not fit into its dtype.
    """
    made = dict(values)
    for key, shift in found.items():
        if not shift.note:
            here = channels[key]
            held = made[here.scaled] if here.scaled in made else model.get_parameter(here.scaled)
            made[here.scaled] = here.times(held, shift.factors)
            _fits(here.scaled, made[here.scaled])
            if shift.shifts is not None:
                held = made[here.bias] if here.bias in made else model.get_parameter(here.bias)
                made[here.bias] = _shifted(held, here, shift)
                _fits(here.bias, made[here.bias])
    return made


def _shifted(held: Tensor, channels: Channels, shift: Shift) -> Tensor:
    """A copy of the bias with the shifts of the channels that vary."""
    out = held.detach().clone().contiguous()
    part = out.view(-1).narrow(0, channels.bias_start, channels.units)
    own = (cast("Tensor", shift.shifts) / channels.beta).to(part.device, part.dtype)
    part.copy_(torch.where(shift.live.to(part.device), own, part))
    return out


def _fits(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value).all()):
        raise PlanError(
            f"`{name}` does not fit into {value.dtype} once its channels are scaled. Nothing was changed. Its input is "
            "almost zero or almost constant: look at what comes before it, or work in float32."
        )


def _shift(
    use: Use, product: Tensor, channels: Channels, mean: float, std: float, *, centre: bool, kept: bool
) -> Shift:
    """What gives each channel the wanted mean and std; a channel that is one number throughout is not divided by."""
    moments = unit_moments(product, use.unit_axis)
    check_finite(use, float(moments.largest))
    stds, means = moments.largest * moments.var.sqrt(), moments.largest * moments.mean
    rms = moments.largest * (moments.var + moments.mean.square()).sqrt()
    live = stds > rounding(product.dtype, use.fan_in) * rms
    before = float(moments.unit_std)
    ones = torch.ones_like(stds)
    if kept:
        return Shift(ones, None, live, before, "what the operation adds has not one value a channel")
    if not bool(live.any()):
        return Shift(
            ones,
            None,
            live,
            before,
            "every channel is constant: zero or constant input, or a zero weight; not divided by",
        )
    factors = torch.where(live, std / torch.where(live, stds, ones), ones)
    shifts = mean - means * factors if centre and channels.bias else None
    return Shift(factors, shifts, live, before)


def _live(shift: Shift, like: Tensor, along: list[int]) -> Tensor:
    return shift.live.to(like.device).view(along)


def _accurate(output: Tensor) -> torch.dtype:
    return torch.promote_types(output.dtype, torch.float32)
