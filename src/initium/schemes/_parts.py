"""The rules that most schemes share, and the two readings of a fan."""

from __future__ import annotations

import math
from functools import partial, reduce
from typing import TYPE_CHECKING, cast

from initium.errors import InitiumError, PlanError
from initium.gains import Activation, gain, reach, saturation, small_signal_gain
from initium.records import Constant, Normal, Orthogonal, Packed, Uniform
from initium.schemes._rule import Choice, always, first_of, on, words
from initium.schemes._select import layout, role

if TYPE_CHECKING:
    from initium.network import Facts
    from initium.records import Fill

_HALF = 0.5

BIASES = on(role("bias"), always(Constant(0.0), "biases start at zero"))


def _identity(usual: float, facts: Facts) -> Choice:
    """Where a scale is used as 1 + w, it is the identity at 0."""
    value = usual if facts.neutral is None else facts.neutral
    return Choice(Constant(value), words(Constant(value)), "a normalisation starts as the identity")


NORMS = first_of(on(role("scale"), partial(_identity, 1.0)), on(role("shift"), partial(_identity, 0.0)))
VECTORS = first_of(BIASES, NORMS)
"""Biases 0, scales 1, shifts 0."""


def _lookup(facts: Facts) -> Choice:
    return Choice(Normal(1.0), "normal, fan_in 1", f"a row of {facts.shape[-1]} is read, not summed: unit variance out")


def _tied(facts: Facts) -> Choice | None:
    """With no batch, a table with several names is most likely a head too; a batch would have told."""
    if not facts.assumed or len(facts.names) == 1:
        return None
    fill = Uniform(math.sqrt(6 / _positive(sum(facts.shape), facts)))
    return Choice(fill, "Glorot uniform", f"tied to {facts.names[1]}: taken as a linear weight", assumed=True)


EMBEDDINGS = on(
    role("embedding"),
    first_of(
        on(layout("lookup"), _tied),
        on(layout("lookup"), _lookup),
        on(layout("added"), always(Normal(0.02), "a learned table beside the data: 0.02, as BERT's and ViT's")),
    ),
)
"""A table that is looked up has unit variance; one that is added to the data starts small.

Reference: Devlin et al. 2019 and Dosovitskiy et al. 2021, in their code (``initializer_range``, ``posemb_init``); neither
paper gives an equation.
"""

REST = first_of(VECTORS, EMBEDDINGS)


_FOLLOWS = {
    "gates": "gates follow",
    "output": "the output follows",
    "linear": "a linear layer follows",
    "norm": "a norm follows",
    "product": "a product follows",
}


def follows(facts: Facts) -> str:
    """What follows a weight, as the start of a reason."""
    return _FOLLOWS.get(facts.after.kind, f"{facts.after} follows")


def exact_gain(facts: Facts) -> float | None:
    """The gain of the activation that follows, where it has one that keeps a signal's size; of small signals if it is steep."""
    activation = facts.after.activation
    if activation is None or is_bounded(facts):
        return None
    try:
        return steep_gain(facts) or gain(activation)
    except InitiumError:
        return None


def steep_gain(facts: Facts) -> float | None:
    """The gain for small signals of the activation that follows, where its exact one would swell the gradient: sin(30 x).

    Args:
        facts: What is known of a weight.

    Returns:
        :func:`~initium.gains.small_signal_gain` of what follows; ``None`` where nothing steep does.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.schemes import steep_gain
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
        >>> steep_gain(read(net).facts("0.weight")) is None
        True
    """
    activation = facts.after.activation
    try:
        return None if activation is None else small_signal_gain(activation)
    except InitiumError:
        return None


def is_bounded(facts: Facts) -> bool:
    """True where the activation that follows is flat at both ends and no gain of its own serves it.

    A gain makes up for what a function takes away, and no input makes a bounded function larger than its bound: that of
    0.05 tanh, 31.8, would drive 19 of 20 inputs to the ends. So one without a name has none, and one with a name only
    if that gain leaves most of the inputs where the function has a slope (hardtanh: 1.39).
    """
    activation = facts.after.activation
    try:
        if activation is None or not reach(activation).bounded:
            return False
        return not isinstance(activation, Activation) or saturation(activation, gain(activation)) > _HALF
    except InitiumError:
        return False


def has_fans(facts: Facts) -> bool:
    """True for what multiplies data or a state and has fans to go by."""
    return facts.role in {"weight", "recurrent"} and facts.fan_in is not None and facts.fan_out is not None


def fan_in(facts: Facts) -> float:
    """Inputs summed into one output."""
    return _positive(facts.fan_in, facts)


def fan_out(facts: Facts) -> float:
    """Outputs that one input reaches."""
    return _positive(facts.fan_out, facts)


def fan_sum(facts: Facts) -> float:
    """Both."""
    return _positive((facts.fan_in or 0) + (facts.fan_out or 0), facts)


def _positive(fan: float | None, facts: Facts) -> float:
    if fan:
        return fan
    raise PlanError(
        f"`{facts.name}` has shape {facts.shape}, so nothing is summed (fan_in {facts.fan_in}, fan_out "
        f"{facts.fan_out}) and no law fits. Give the layer at least one feature, or leave the parameter alone: "
        f'overrides={{"{facts.name}": "keep"}}.'
    )


def each_matrix(facts: Facts, fill: Fill) -> Fill:
    """The fill for each of the matrices that a parameter packs (gates, experts, fused q, k and v).

    Args:
        facts: Of the parameter.
        fill: For one matrix.

    Returns:
        The fill of the whole: packed where it is orthogonal; elements that are drawn independently need no packing.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> from initium.records import Orthogonal
        >>> each_matrix(read(torch.nn.GRU(3, 4)).facts("weight_hh_l0"), Orthogonal(1.0))
        Packed(axis=0, parts=3, each=Orthogonal(gain=1.0))
    """
    if not isinstance(fill, Orthogonal):
        return fill
    if facts.layout == "batched":
        return reduce(
            lambda each, size: Packed(0, size, each), reversed(facts.shape[: _stack(facts)]), cast("Fill", fill)
        )
    return Packed(facts.axis, facts.parts, fill) if facts.parts > 1 else fill


def _stack(facts: Facts) -> int:
    """How many leading axes count matrices: the most that leave a matrix with fan_in on one side."""
    shape = facts.shape
    depths = range(len(shape) - 2, -1, -1)
    return next((at for at in depths if facts.fan_in in {shape[at], math.prod(shape[at + 1 :])}), len(shape) - 2)


def matrices(fill: Fill) -> int:
    """How many matrices a fill makes."""
    return fill.parts * matrices(fill.each) if isinstance(fill, Packed) else 1
