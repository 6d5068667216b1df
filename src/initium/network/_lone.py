"""An activation that is one operation: its name and parameters, and whether it bends anything with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from initium.errors import InitiumError
from initium.gains import ACTIVATIONS, Activation, recognise
from initium.network._ops import SLOPED, op_name

if TYPE_CHECKING:
    from torch import Tensor, fx


def lone(node: fx.Node) -> Activation | None:
    """The activation that an operation is by its name; ``None`` where the table has no such row, or none with its parameters."""
    if op_name(node) not in ACTIVATIONS or op_name(node) in SLOPED:
        return None
    try:
        return Activation(op_name(node), _parameters(node))
    except InitiumError:  # a parameter that the table's activation lacks: judged by its values
        return None


def bends(activation: Activation) -> bool:
    """False where its parameters make a straight line of it: a leaky ReLU of slope 1, a clamp that nothing reaches.

    At its default parameters every activation of the table bends.
    """
    if not activation.parameters:
        return True

    def by_values(value: Tensor) -> Tensor:  # the function itself would be known by its name
        return activation.function(value)

    try:
        found = recognise(by_values)
    except (InitiumError, RuntimeError, TypeError):
        return True
    return found is None or found.name != "linear"


def _parameters(node: fx.Node) -> tuple[tuple[str, Any], ...]:
    """The parameters that an activation's operation was given, by the names of its schema."""
    schema: Any = getattr(node.target, "_schema", None)
    names = [str(argument.name) for argument in schema.arguments] if schema is not None else []
    given = dict(zip(names[1:], node.args[1:], strict=False)) | node.kwargs
    return tuple((name, value) for name, value in given.items() if name != "generator")
