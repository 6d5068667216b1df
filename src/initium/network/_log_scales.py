"""Logarithms of factors: what a weight gives is exponentiated and multiplies, in a flow's coupling or for the std of noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from initium.network._cuts import varying
from initium.network._exponents import exponents
from initium.network._ops import AFFINE, PARTS, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

# What may stand between a weight and the exponential: all that keeps a small number small.
_BETWEEN = AFFINE | PARTS | frozenset("tanh atan hardtanh clamp clamp_min clamp_max softsign".split())
_FACTORS = frozenset({"mul", "div"})


def log_scales(network: Network) -> frozenset[str]:
    """The weights of whose output the exponential is taken, and does nothing but multiply or divide other values.

    Exponentials that are summed too are none: those are the weights of an average.
    """
    if network.trace is None:
        return frozenset()
    varies = varying(network.trace)

    def back(node: fx.Node) -> fx.Node | None:
        made = [each for each in node.all_input_nodes if each in varies]
        return made[0] if len(made) == 1 and op_name(node) in _BETWEEN else None

    found = exponents(network, back)
    return frozenset(name for end, _, name in found if end in varies and _multiplies(end, varies))


def _multiplies(node: fx.Node, varies: set[fx.Node]) -> bool:
    """Whether all that reads a value multiplies or divides another by it."""
    readers = [user for user in node.users if user.op != "output"]
    return bool(readers) and all(
        op_name(user) in _FACTORS and len(varies.intersection(user.all_input_nodes)) > 1 for user in readers
    )
