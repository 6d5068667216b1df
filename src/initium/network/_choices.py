"""The choices that weights make while a model runs, and from which the sizes of its graph follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from initium.errors import TraceError
from initium.network._leaves import map_tensors
from initium.network._ops import QUESTIONS, is_float, is_truth, op_name
from initium.network._walk import Walk, run_walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx, nn

    from initium.network._batch import Batch
    from initium.network._network import Network
    from initium.network._trace import Trace

_INDEXED = frozenset("index index_put".split())


def choices(network: Network, model: nn.Module, batch: Batch) -> dict[str, Any]:
    """What the model's own weights choose (which expert, which tokens stay), by node; empty where sizes follow from none.

    With these, the graph runs on any other weights: on the way that it was traced on.
    """
    trace = network.trace
    if trace is None or trace.fake or not trace.asked:
        return {}
    wanted = {node.name for node in _chosen(trace)}
    walk = _Choosing(network, wanted)
    parameters, buffers, inputs = trace.bind(model, batch)
    try:
        with torch.no_grad():
            run_walk(walk, [*parameters, *buffers, *inputs])
    except TraceError:  # the weights, or the random numbers, are others than while it was traced
        return {}
    return walk.found


class _Choosing(Walk):
    """Remembers what some nodes give."""

    def __init__(self, network: Network, wanted: set[str]) -> None:
        super().__init__(network)
        self.found: dict[str, Any] = {}
        self._wanted = wanted

    def operation(self, n: fx.Node) -> Any:  # noqa: ANN401 - any value of the graph
        made = super().operation(n)
        if n.name in self._wanted:
            self.found[n.name] = map_tensors(made, lambda value: value.detach().clone())
        return made


def _chosen(trace: Trace) -> Iterator[fx.Node]:
    """What says how many elements there are: masks and indices that weights made, or a question's own answer."""
    depends = set[Any]()
    for position, node in enumerate(trace.graph.graph.nodes):
        if position >= len(trace.parameters) and not depends.intersection(node.all_input_nodes):
            continue
        depends.add(node)
        if _sizes(node):
            asked = [each for each in node.all_input_nodes if each in depends and not is_float(each)]
            yield from asked or ([] if is_float(node) else [node])


def _sizes(node: fx.Node) -> bool:
    """True where the size of what an operation gives follows from values."""
    name = op_name(node)
    if name in _INDEXED:
        return any(map(is_truth, node.all_input_nodes))
    lengths = len(node.args) > 1 and isinstance(node.args[1], torch.fx.Node)
    return name in QUESTIONS or (name == "where" and len(node.args) == 1) or (name == "repeat_interleave" and lengths)
