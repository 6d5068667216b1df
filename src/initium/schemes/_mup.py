"""Yang et al. 2022: one learning rate for every width."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

from torch import nn

from initium.errors import ArgumentError, PlanError
from initium.records import Constant, Normal
from initium.schemes._orthogonal import own_gain
from initium.schemes._parts import REST, fan_in, has_fans
from initium.schemes._rule import Choice, Scheme, first_of, on
from initium.schemes._widths import Shapes, Widths, check_shapes, widths

if TYPE_CHECKING:
    from initium.network import Facts

Optimizer = Literal["adam", "sgd"]
"""``adam`` for every optimiser that divides by the gradient's size (AdamW, Adagrad, Lion ...), else ``sgd``."""


def mup(
    base: Shapes,
    *,
    readout_multiplier: bool = False,
    attention_scaled: bool = False,
    zero_readout: bool = False,
) -> Scheme:
    r"""The initialisation of the maximal update parametrisation, relative to a narrower base of the same network.

    With $m$ the ratio of a weight's inputs to the base's and $g$ the exact gain of what follows:

    | weight | what grows with the width | std |
    |---|---|---|
    | input, embedding | outputs | $g / \sqrt{\text{fan}_{in}}$; a table N(0, 1) or N(0, 0.02^2) |
    | hidden | both | $g / \sqrt{\text{fan}_{in}}$ |
    | readout | inputs | $g / \sqrt{m \, \text{fan}_{in}}$, or, of a model that multiplies its readout's input by $1/m$, $g \sqrt{m / \text{fan}_{in}}$ |

    At the base's width all are LeCun's law with the gain. The learning rates that belong to it come from
    :func:`~initium.planning.mup_groups`; without them this is not muP. Every factor is relative to the base, so no second
    ("delta") model is needed: what has the base's size has a ratio of 1.

    Two things are changes of the model, which no initialiser can make, and a plan refuses until they are said to be made:
    a readout tied to an embedding needs its input multiplied by $1/m$ (``readout_multiplier``); attention whose heads
    grow with the width needs $1/d$ for $1/\sqrt{d}$ (``attention_scaled``).

    Args:
        base: The shape of every parameter of the base, by name.
        readout_multiplier: The model multiplies its readout's input by base width / width.
        attention_scaled: The scale of attention is $\sqrt{d_{base}} / d$, or the heads' dimension does not grow.
        zero_readout: The readout's weight starts at 0.

    Returns:
        The scheme; it has no name for a string, because it holds a base.

    Raises:
        ArgumentTypeError: A base that is no mapping.

    Example:
        >>> import torch, initium
        >>> def build(width):
        ...     return torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.ReLU(), torch.nn.Linear(width, 3))
        >>> base = {name: tuple(p.shape) for name, p in build(16).named_parameters()}
        >>> initium.plan(build(64), torch.randn(2, 8), mup(base))["2.weight"].law
        'muP readout, m = 4'

    Reference:
        Yang, Hu et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer" (2022):
        table 3 (with no multiplier), table 8 (with one); attention by 1/d and the zero readout are theirs too.
    """
    shapes = check_shapes(base)
    law = partial(_law, shapes, readout_multiplier, attention_scaled, zero_readout)
    return Scheme("mup", first_of(on(has_fans, law), partial(_rest, shapes)), "Yang et al. 2022, tables 3 and 8")


def _law(base: Shapes, multiplied: bool, attention: bool, zero: bool, facts: Facts) -> Choice:  # noqa: FBT001
    grown = widths(base, facts)
    _check_attention(facts, grown, attention=attention)
    std = own_gain(facts) / math.sqrt(fan_in(facts))
    if grown.kind != "output":
        names = {"input": "input", "hidden": "hidden", "vector": "fixed size"}
        text = f"{names[grown.kind]} weight, {_grown(grown)}: Yang et al. 2022 table 3"
        return Choice(Normal(std), f"muP {names[grown.kind]}", text)
    check_tied(facts, grown, multiplied=multiplied)
    if zero:
        return Choice(Constant(0.0), "zeros", "readout weight: Yang et al. 2022, zero readout")
    power = 0.5 if multiplied else -0.5
    table = "8, for a model that multiplies the readout's input by 1/m" if multiplied else "3"
    law, reason = (
        f"muP readout, m = {grown.inner:.4g}",
        f"readout weight, {_grown(grown)}: Yang et al. 2022 table {table}",
    )
    return Choice(Normal(std * grown.inner**power), law, reason)


def _rest(base: Shapes, facts: Facts) -> Choice | None:
    """Vectors and tables do not depend on the width; their shape is checked all the same."""
    _ = widths(base, facts)
    return REST(facts)


def _grown(grown: Widths) -> str:
    return f"inputs x {grown.inner:.4g}, outputs x {grown.outer:.4g}"


def _check_attention(facts: Facts, grown: Widths, *, attention: bool) -> None:
    if attention or facts.after.kind != "attention" or grown.outer == 1:
        return
    raise PlanError(
        f"`{facts.name}` makes queries, keys or values of attention, and grows by {grown.outer:.4g}. If the heads' dimension "
        "d grows, muP needs the scores scaled by 1/d, which is a change of the model: "
        "scaled_dot_product_attention(q, k, v, scale=d_base**0.5 / d). When that is done, or where more heads of the same d "
        "make the width, say mup(base, attention_scaled=True)."
    )


def check_tied(facts: Facts, grown: Widths, *, multiplied: bool) -> None:
    """A readout that is also an embedding cannot be smaller than it, so the model has to make up for it."""
    tied = len(facts.names) > 1 or issubclass(facts.owner, nn.Embedding)
    if tied and not multiplied and grown.kind == "output":
        raise PlanError(
            f"`{facts.name}` is readout and embedding in one, and muP wants the readout 1/{grown.inner:.4g} as large: a change "
            f"of the model. Multiply the readout's input by 1/{grown.inner:.4g} (base width / width), and say "
            "mup(base, readout_multiplier=True); or untie the two."
        )


def lr_factor(base: Shapes, facts: Facts, optimizer: Optimizer, *, readout_multiplier: bool = False) -> float:
    r"""What a parameter's learning rate is multiplied by.

    With the ratios $m_{in}$ and $m_{out}$ of its inputs and outputs: Adam $1 / m_{in}$, SGD $m_{out} / m_{in}$; of a readout
    whose input the model multiplies by $1 / m_{in}$: 1 and $m_{in}$.

    Args:
        base: The base's shapes.
        facts: Of the parameter.
        optimizer: ``adam`` (and all that divide by the gradient's size) or ``sgd``.
        readout_multiplier: As for :func:`mup`.

    Returns:
        The factor.

    Raises:
        ArgumentError: Another optimizer.
        PlanError: The base does not fit, or a tied readout has no multiplier.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> lr_factor({"weight": (8, 8), "bias": (8,)}, read(torch.nn.Linear(32, 32)).facts("weight"), "adam")
        0.25

    Reference:
        Yang, Hu et al. 2022, tables 3 and 8.
    """
    if optimizer not in {"adam", "sgd"}:
        raise ArgumentError(f"optimizer must be 'adam' (also AdamW, Lion, Adagrad ...) or 'sgd'; got {optimizer!r}.")
    grown = widths(base, facts)
    check_tied(facts, grown, multiplied=readout_multiplier)
    factor = (grown.outer if optimizer == "sgd" else 1.0) / grown.inner
    if grown.kind == "output" and readout_multiplier:
        return factor * grown.inner ** (2 if optimizer == "sgd" else 1)
    return factor
