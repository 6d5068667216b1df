"""The two walks of LSUV: one that finds the factors, one that sees what they did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from initium.calibrate._spread import Spread, spread_of
from initium.errors import BatchError
from initium.network import Walk, addend
from initium.signal import unit_moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from initium.calibrate._choice import Choice
    from initium.network import Network, Use


@dataclass(frozen=True, slots=True)
class Found:
    """What the calibrating walk found for one weight.

    Attributes:
        before: Std of the output before the factor.
        factor: What the weight is multiplied by.
        note: Why the factor is 1 although the output has another std.
    """

    before: float
    factor: float
    note: str = ""


class Calibrating(Walk):
    """On reaching a weight it rescales the operation's output as if the weight had been rescaled, and goes on."""

    def __init__(self, network: Network, choices: Mapping[str, Choice], target: float) -> None:
        super().__init__(network)
        self.found: dict[str, Found] = {}
        self.seen: dict[str, float] = {}
        self._choices = choices
        nodes = network.trace.graph.graph.nodes if network.trace else ()
        self._betas = {node.name: float(cast("float", node.kwargs["beta"])) for node in nodes if "beta" in node.kwargs}
        self._target = target

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:
        """The output that the rescaled weight gives; a weight that is used again keeps its first factor."""
        if self._choices[use.name].reason:
            self.seen.setdefault(use.name, std_of(output, use))
            return output
        if output.numel() == 0:
            return output
        bias = addend(use, output, args, self._betas.get(use.node, 1.0))
        product = output if bias is None else output.to(_accurate(output)) - bias
        if use.name not in self.found:
            spread = spread_of(product, bias, use.unit_axis, use.fan_in)
            self.found[use.name] = _found(use, spread, self._target)
        factor = self.found[use.name].factor
        if factor == 1:
            return output
        return (product * factor if bias is None else product * factor + bias).to(output.dtype)


class Verifying(Walk):
    """Sees the std of the first use of every weight, and in which precision it was computed."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.seen: dict[str, float] = {}
        self.eps: dict[str, float] = {}

    def at_use(self, use: Use, output: Tensor, args: Sequence[Any]) -> Tensor:  # noqa: ARG002 - the hook's form
        """Looks, and changes nothing."""
        if use.name not in self.seen:
            self.seen[use.name] = std_of(output, use)
            self.eps[use.name] = torch.finfo(output.dtype).eps
        return output


def std_of(output: Tensor, use: Use) -> float:
    """The std of all elements of a use's output.

    Raises:
        BatchError: The output is not finite.
    """
    moments = unit_moments(output, use.unit_axis)
    largest, std = torch.stack((moments.largest, moments.std)).tolist()
    _check_finite(use, largest)
    return std


def _found(use: Use, spread: Spread, target: float) -> Found:
    _check_finite(use, spread.largest)
    factor = spread.factor(target)
    if spread.constant:
        return Found(
            spread.std, 1.0, "its output is constant: zero or constant input, or a zero weight; not divided by"
        )
    if not spread.varies:
        return Found(spread.std, 1.0, "its output is the same for the whole batch: constant input; not divided by")
    if factor is None:
        own = math.sqrt(spread.bias)
        return Found(spread.std, 1.0, f"no factor reaches the target: the bias alone has std {own:.4g}")
    return Found(spread.std, factor)


def _check_finite(use: Use, largest: float) -> None:
    if not math.isfinite(largest):
        raise BatchError(
            f"the output of `{use.name}` ({use.op}) is not finite (its largest magnitude is {largest}). Nothing was "
            "changed. Look for NaN in the weight itself, for an input that float16 cannot hold, or calibrate in float32."
        )


def _accurate(output: Tensor) -> torch.dtype:
    return torch.promote_types(output.dtype, torch.float32)
