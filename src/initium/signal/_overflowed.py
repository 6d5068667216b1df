"""Where a value becomes infinite in half precision and is divided away again, so that all that goes out is finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from initium.network import Walk, op_name, run_walk, tensors_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, fx

    from initium.network import Network
    from initium.records import SignalRow

_HALVES = frozenset({"float16", "bfloat16"})


def overflowed(network: Network, bound: Callable[[], Iterable[list[Tensor]]], measured: Sequence[SignalRow]) -> str:
    """The operation that first makes an infinity of finite numbers; empty where there is none, or a weight has a gradient.

    An infinity under a fraction is a zero, which nothing that looks at outputs notices: so the walk is taken once more, and every
    value looked at. That is done only where half precision left no gradient at all.

    Args:
        network: A network that was read with a batch.
        bound: What gives the values of its placeholders, kind by kind.
        measured: What was measured at each use of a weight.
    """
    if not any(row.dtype in _HALVES for row in measured) or any(row.weight_grad_norm > 0 for row in measured):
        return ""
    walk = _Looking(network)
    with torch.no_grad():
        run_walk(walk, [tensor for kind in bound() for tensor in kind])
    return walk.first


class _Looking(Walk):
    """A walk that notes the first operation that gives plus infinity, and was given none."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.first = ""

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        """Runs one node and looks at what it gives."""
        made = super().run_node(n)
        if not self.first and n.op == "call_function" and _infinite(made):
            given = [self.env[each] for each in n.all_input_nodes]
            self.first = "" if any(_infinite(each) for each in given) else op_name(n)
        return made


def _infinite(value: object) -> bool:
    return any(each.is_floating_point() and bool((each == torch.inf).any()) for each in tensors_in(value))
