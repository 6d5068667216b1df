"""Logarithms that a ReLU has cut off: exponentials of what is never below zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._exponents import exponents
from initium.network._ops import RESHAPES, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_RECTIFIERS = frozenset({"relu", "relu6"})
_PARTS = RESHAPES | {"chunk", "split", "split_with_sizes", "getitem", "slice", "select", "narrow", "unbind"}


def exp_of_rectified(network: Network) -> tuple[str, ...]:
    """The weights behind which a ReLU stands of which, or of a multiple above 0, the exponential is taken; views and parts aside.

    Args:
        network: A network that was read with a batch.

    Returns:
        Their names, each once.
    """
    found = exponents(network, _back)
    cut = (name for _, between, name in found if any(op_name(each) in _RECTIFIERS for each in between))
    return tuple(dict.fromkeys(cut))


def _back(node: fx.Node) -> fx.Node | None:
    """What a view, a part, a ReLU or a multiple above 0 is made of."""
    passes = op_name(node) in _PARTS | _RECTIFIERS or _grows(node)
    return node.all_input_nodes[0] if passes and len(node.all_input_nodes) == 1 else None


def _grows(node: fx.Node) -> bool:
    """A product with, or a division by, a number above 0."""
    numbers = [each for each in node.args if isinstance(each, int | float)]
    return (
        op_name(node) in {"mul", "div"}
        and len(numbers) == 1
        and numbers[0] > 0
        and node.args[0] in node.all_input_nodes
    )
