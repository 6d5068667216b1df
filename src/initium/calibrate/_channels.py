"""Which channels can be scaled by their own rows of a weight, and shifted by a bias; and the scaling."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch

from initium.calibrate._overlaps import overlaps, why_shared
from initium.calibrate._start import drawn, planned
from initium.network import WEIGHT_NORM, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, fx, nn

    from initium.network import Facts, Network, Use
    from initium.schemes import Scheme

Key = tuple[str, int]
_MATRIX = 2
_ALONG = {"out_in", "in_out", "conv", "conv_transpose"}


@dataclass(frozen=True, slots=True)
class Channels:
    """The output channels of one weight, or of the part of it that an operation uses.

    Attributes:
        name: The weight.
        start: Where on its axis of outputs the part begins.
        units: How many channels.
        scaled: The parameter that is multiplied: the weight itself, or its magnitude under weight_norm.
        axis: The axis of that parameter on which the channels lie.
        groups: Of a transposed convolution with groups, how many; the channels of each lie on the same axis.
        bias: The bias that can centre them; empty for none.
        bias_start: Where on the bias they begin.
        beta: What the operation multiplies its bias by.
        reason: Why they are left alone; empty where they are scaled.
        remark: What a reader should know of them.
    """

    name: str
    start: int
    units: int
    scaled: str
    axis: int
    groups: int = 1
    bias: str = ""
    bias_start: int = 0
    beta: float = 1.0
    reason: str = ""
    remark: str = ""

    def times(self, value: Tensor, factors: Tensor) -> Tensor:
        """A copy of the scaled parameter's value with each channel times its factor."""
        out, factors = value.detach().clone(), factors.to(value.device)
        if self.groups > 1:
            inside, rest = value.shape[0] // self.groups, value.shape[1:]
            parted = out.view(self.groups, inside, *rest)
            parted.mul_(factors.view(self.groups, 1, rest[0], *[1] * (len(rest) - 1)).to(value.dtype))
            return out
        along = [self.units if axis == self.axis else 1 for axis in range(value.ndim)]
        out.narrow(self.axis, self.start, self.units).mul_(factors.view(along).to(value.dtype))
        return out


def channels_of(model: nn.Module, network: Network) -> dict[Key, Channels]:
    """The channels of every use, in the order of first use; a part that is used again has those of its first use."""
    facts = {each.name: each for each in network.parameters}
    held = dict(model.named_parameters())
    book = _Book(facts, held, overlaps(held), defaultdict(list), defaultdict(set))
    nodes = {node.name: node for node in network.trace.graph.graph.nodes} if network.trace else {}
    for use in network.uses:
        book.uses[use.name].append(use)
        if use.bias:
            book.beside[use.bias].add((use.name, use.start))
    found: dict[Key, Channels] = {}
    for use in network.uses:
        if (use.name, use.start) not in found:
            found[use.name, use.start] = _channels(book, use, nodes[use.node])
    return found


@dataclass(frozen=True, slots=True)
class _Book:
    """What is looked up again and again: parameters, memory that they share, their uses, and the weights beside each bias."""

    facts: Mapping[str, Facts]
    held: Mapping[str, Tensor]
    shared: Mapping[str, str]
    uses: dict[str, list[Use]]
    beside: dict[str, set[Key]]


def _channels(book: _Book, use: Use, node: fx.Node) -> Channels:
    facts, uses = book.facts[use.name], book.uses[use.name]
    normed = facts.computed_by == WEIGHT_NORM and bool(facts.magnitude)
    transposed = use.layout == "conv_transpose"
    units = shape_of(node)[use.unit_axis] if shape_of(node) else 1
    made = Channels(
        name=use.name,
        start=use.start,
        units=units,
        scaled=facts.magnitude if normed else use.name,
        axis=int(transposed) if normed or transposed else _axis(use, facts.shape, units),
        groups=use.parts if transposed and not normed and use.axis == 0 else 1,
        beta=float(cast("float", node.kwargs.get("beta", 1.0))),
    )
    parameter = book.held[made.scaled]
    reason = (
        _reason(made, facts, parameter, uses, normed=normed)
        or _misfit(made, parameter, uses, normed=normed)
        or why_shared(made.scaled, book.shared)
    )
    return replace(made, reason=reason) if reason else _centred(replace(made, remark=_remark(made, uses)), use, book)


def _axis(use: Use, shape: tuple[int, ...], units: int) -> int:
    """The axis of the outputs; of a matrix with one output, whose strides tell nothing, the one of length one."""
    if units == 1 and 1 in shape and use.fan_in == math.prod(shape):
        return shape.index(1)
    return use.axis


def _reason(made: Channels, facts: Facts, parameter: Tensor, uses: list[Use], *, normed: bool) -> str:
    """Why channels are left alone; empty for no reason."""
    lookups = [use for use in uses if use.layout in {"lookup", "added"}]
    gates = next((use.op for use in uses if use.layout == "gates"), "")
    table = (
        (facts.whole, f"it holds {str(parameter.dtype).removeprefix('torch.')}"),
        (facts.frozen or not parameter.requires_grad, "frozen: requires_grad is off"),
        (not parameter.numel() or not made.units, "it has no element"),
        (parameter.layout != torch.strided, f"it is stored as {parameter.layout}"),
        (parameter.is_complex(), "it is complex"),
        (len(lookups) == len(uses), "an embedding is looked up, not summed"),
        (bool(lookups), "tied to an embedding, whose rows a factor would change too"),
        (bool(gates), f"the gates of {gates} are not one linear operation"),
        (bool(facts.computed_by) and not normed, f"{facts.computed_by} computes the weight from it"),
        (not normed and any(not use.direct for use in uses), "the operation does not multiply by it as it stands"),
        (len(facts.shape) < _MATRIX, "a vector has no rows"),
        (any(use.layout not in _ALONG for use in uses), "a stack of matrices has no rows of its own for one channel"),
    )
    return next((text for holds, text in table if holds), "")


def _misfit(made: Channels, parameter: Tensor, uses: list[Use], *, normed: bool) -> str:
    """Where the channels are not a run of the scaled parameter's axis; empty where they are."""
    long = parameter.shape[made.axis] if parameter.ndim > made.axis else 0
    alone = made.groups == 1
    part = made.start + made.units <= long and (normed or parameter.numel() // max(long, 1) == uses[0].fan_in)
    fits = (made.units == long or part) if alone else made.units == made.groups * parameter.shape[1]
    starts = {use.start for use in uses} - {made.start}
    overlap = any(abs(start - made.start) < made.units for start in starts)
    table = (
        (
            normed and parameter.numel() != long,
            "weight_norm keeps its magnitudes along another axis than that of the outputs: give it dim= of that one",
        ),
        (not fits or (normed and made.start > 0), "its channels are not a run of its axis of outputs"),
        (overlap, "its uses overlap: one row would have two factors"),
        (
            len({(use.layout, use.axis) for use in uses}) > 1,
            "it is used both ways round: a row of one use is a column of the other",
        ),
    )
    return next((text for holds, text in table if holds), "")


def _remark(made: Channels, uses: list[Use]) -> str:
    mine = [use for use in uses if use.start == made.start]
    remarks = [f"used {len(mine)} times: as its first use asks"] if len(mine) > 1 else []
    if mine[0].normalised:
        remarks.append("a normalisation follows")
    return "; ".join(remarks)


def _centred(made: Channels, use: Use, book: _Book) -> Channels:
    """With the bias that can centre the channels, or the reason why none can."""
    if use.bias is None:
        return _said(made, "no bias: not centred")
    facts, bias = book.facts[use.bias], book.held[use.bias]
    start = made.start if bias.numel() != made.units else 0
    table = (
        (facts.frozen, "its bias is frozen: not centred"),
        (bool(facts.computed_by), "its bias is computed: not centred"),
        (
            len({name for name, _ in book.beside[facts.name]}) > 1,
            f"`{facts.name}` is another weight's too: not centred",
        ),
        (
            bias.numel() != math.prod(bias.shape[-1:]) or start + made.units > bias.numel() or not made.beta,
            "its bias has not one value a channel: not centred",
        ),
    )
    why = next((text for holds, text in table if holds), "")
    return _said(made, why) if why else replace(made, bias=facts.name, bias_start=start)


def _said(made: Channels, why: str) -> Channels:
    return replace(made, remark="; ".join(filter(None, (made.remark, why))))


def begun(
    model: nn.Module, network: Network, channels: Mapping[Key, Channels], scheme: Scheme | None, seed: int
) -> dict[str, Tensor]:
    """Values of a start for the weights that are done and for the biases beside them, written into no model."""
    names = {name for each in channels.values() if not each.reason for name in (each.name, each.scaled)}
    names |= {use.bias for use in network.uses if use.bias and use.name in names}
    return {} if scheme is None else drawn(model, network, planned(network, names, scheme), seed)
