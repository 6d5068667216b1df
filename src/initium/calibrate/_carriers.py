"""Which parameter scales a weight that is computed: a magnitude, a gain, or the weight itself behind a mask."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.fx.node import map_arg

from initium.network import changes_something, root, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import fx

    from initium.network import Network, Use

_ROUNDINGS = 64
# Not whole numbers alone: what is rounded to whole numbers, as a sign that is kept in an integer, can follow those.
_TRIED = (2.0, 0.75)


@dataclass(frozen=True, slots=True)
class _Way:
    """How a weight is made.

    Attributes:
        end: The node of the weight.
        nodes: What it is made of, in order, with what is written to any of it on the way.
        given: The parameters and buffers among them, by their nodes.
    """

    end: fx.Node
    nodes: list[fx.Node]
    given: Mapping[fx.Node, str]

    @property
    def names(self) -> list[str]:
        """The parameters and buffers among them."""
        return [self.given[node] for node in self.nodes if node in self.given]


def carriers_of(network: Network, use: Use, held: Mapping[str, Tensor]) -> list[str]:
    """The parameters such that twice the parameter makes twice the weight, the weight's own name first.

    It is tried on the parameter's values: the operations between it and the weight are run again.
    """
    if network.trace is None:
        return []
    nodes: list[fx.Node] = list(network.trace.graph.graph.nodes)
    given = dict(zip((node for node in nodes if node.op == "placeholder"), _names(network), strict=False))
    at = next(place for place, node in enumerate(nodes) if node.name == use.node)
    writers = _writers(nodes[:at])
    found = (_made_of(each, given, writers) for each in nodes[at].all_input_nodes)
    ways = [way for way in found if way is not None and use.name in way.names]
    if len(ways) != 1:
        return []
    names = [
        name for name in ways[0].names if name in held and (held[name].is_floating_point() or held[name].is_complex())
    ]
    return [name for name in sorted(names, key=lambda name: name != use.name) if _scales(network, ways[0], held, name)]


def _names(network: Network) -> list[str]:
    return [*network.trace.parameters, *network.trace.buffers] if network.trace else []


def _writers(nodes: Iterable[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """What writes to a value or to views of it, by its node."""
    found = defaultdict[Any, list["fx.Node"]](list)
    for node in nodes:
        for each in written(node.target, node.args):
            found[root(each)].append(node)
    return found


def _made_of(node: fx.Node, given: Mapping[fx.Node, str], writers: Mapping[fx.Node, Sequence[fx.Node]]) -> _Way | None:
    """How a value is made; ``None`` where data takes part, or chance."""
    seen, stack = dict["fx.Node", None](), [node]
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        writes = bool(written(here.target, here.args))
        if (here.op == "placeholder" and here not in given) or (changes_something(here) and not writes):
            return None
        seen[here] = None
        stack += [*here.all_input_nodes, *writers.get(here, ())]
    return _Way(node, sorted(seen), given)


def _scales(network: Network, way: _Way, held: Mapping[str, Tensor], name: str) -> bool:
    once = _run(network, way, held)
    if not isinstance(once, Tensor) or not once.numel():
        return False
    slack = _ROUNDINGS * torch.finfo(once.dtype).eps * float(once.abs().max())
    tries = ((factor, _run(network, way, {**held, name: held[name] * factor})) for factor in _TRIED)
    return all(bool(((other - factor * once).abs() <= slack).all()) for factor, other in tries)


def _run(network: Network, way: _Way, held: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - what an operation gives
    """The weight that these parameters make."""
    values: dict[fx.Node, Any] = {}
    for node in way.nodes:
        if node in way.given:
            values[node] = held[way.given[node]].detach().clone()  # it may be written to
        elif node.op == "get_attr":
            values[node] = getattr(cast("Any", network.trace).graph, str(node.target))
        else:
            target: Any = node.target
            values[node] = target(*map_arg(node.args, values.__getitem__), **map_arg(node.kwargs, values.__getitem__))
    return values[way.end]
