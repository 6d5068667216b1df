"""Which axes of a parameter grow with a network's width: read off a base of the same network, narrower."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from initium.errors import ArgumentTypeError, PlanError

if TYPE_CHECKING:
    from initium.network import Facts

Shapes: TypeAlias = Mapping[str, Sequence[int]]
"""The shape of every parameter, by its qualified name."""

Kind = Literal["input", "hidden", "output", "vector"]

_IN_FIRST = ("in_out", "conv_transpose")


@dataclass(frozen=True, slots=True)
class Widths:
    """How many times as wide as in the base a parameter is.

    Attributes:
        inner: The ratio of its inputs; 1 where they do not grow.
        outer: The ratio of its outputs.
        kind: ``input`` (only the outputs grow), ``hidden`` (both), ``output`` (only the inputs), ``vector`` (no matrix, or
            nothing grows).
    """

    inner: float
    outer: float
    kind: Kind


def widths(base: Shapes, facts: Facts) -> Widths:
    """How a parameter grew.

    Args:
        base: The base's shapes.
        facts: Of the parameter.

    Returns:
        The ratios, and what follows from them.

    Raises:
        PlanError: The base has no such parameter, or one of another number of axes.

    Example:
        >>> import torch
        >>> from initium.network import read
        >>> widths({"weight": (3, 8), "bias": (3,)}, read(torch.nn.Linear(32, 3)).facts("weight"))
        Widths(inner=4.0, outer=1.0, kind='output')
    """
    ratios = _ratios(base, facts)
    if facts.role not in {"weight", "recurrent", "embedding"} or len(ratios) == 1:
        return Widths(1.0, math.prod(ratios), "vector")
    inner = math.prod(ratio for ratio, inside in zip(ratios, _inputs(facts), strict=True) if inside)
    outer = math.prod(ratios) / inner
    return Widths(inner, outer, _kind(inner, outer, facts))


def _kind(inner: float, outer: float, facts: Facts) -> Kind:
    if facts.role == "embedding":
        return "input"
    if inner != 1:
        return "hidden" if outer != 1 else "output"
    return "input" if outer != 1 else "vector"


def _ratios(base: Shapes, facts: Facts) -> list[float]:
    name = next((each for each in facts.names if each in base), None)
    if name is None:
        raise PlanError(
            f"the base has no `{facts.name}`: it must be the same network, narrower. Give "
            "{name: tuple(p.shape) for name, p in base_model.named_parameters()}."
        )
    shape = tuple(base[name])
    if len(shape) != len(facts.shape) or not all(shape):
        raise PlanError(f"`{facts.name}` has shape {facts.shape}, and {shape} in the base: it must have as many axes.")
    return [size / before for size, before in zip(facts.shape, shape, strict=True)]


def _inputs(facts: Facts) -> list[bool]:
    """Which axes count inputs: the rest count outputs, taps or places."""
    axes = len(facts.shape)
    if facts.role == "embedding":
        return [False] * axes
    if facts.layout == "batched":
        fans = [size == facts.fan_in for size in facts.shape[-2:]]
        at = axes - 2 if fans[0] and not fans[1] else axes - 1
        return [axis == at for axis in range(axes)]
    first = facts.layout in _IN_FIRST
    return [axis == (0 if first else 1) for axis in range(axes)]


def check_shapes(base: object) -> Shapes:
    """A base as it was given, checked.

    Raises:
        ArgumentTypeError: No mapping from names to shapes.
    """
    if isinstance(base, Mapping) and all(isinstance(key, str) for key in base):
        return base
    raise ArgumentTypeError(
        f"a base is a dict from every parameter's name to its shape; got {type(base).__name__}. Of a model: "
        "{name: tuple(p.shape) for name, p in base_model.named_parameters()}."
    )
