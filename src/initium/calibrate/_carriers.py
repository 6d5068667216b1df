"""Which parameter scales a weight that is computed: a magnitude, a gain, or the weight itself behind a mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.fx.node import map_arg

from initium.network import changes_something

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import fx

    from initium.network import Network, Use

_ROUNDINGS = 64


def carriers_of(network: Network, use: Use, held: Mapping[str, Tensor]) -> list[str]:
    """The parameters that are such that twice the parameter makes twice the weight, the weight's own name first.

    It is tried on the parameter's values: the operations between it and the weight are run twice.
    """
    if network.trace is None:
        return []
    nodes: list[fx.Node] = list(network.trace.graph.graph.nodes)
    given = dict(zip((node for node in nodes if node.op == "placeholder"), _names(network), strict=False))
    node = next(node for node in nodes if node.name == use.node)
    found = (_made_of(each, given) for each in node.all_input_nodes)
    ways = [way for way in found if way is not None and use.name in _leaves(way, given)]
    if len(ways) != 1:
        return []
    names = [name for name in _leaves(ways[0], given) if name in held and held[name].is_floating_point()]
    return [
        name
        for name in sorted(names, key=lambda name: name != use.name)
        if _scales(network, ways[0], given, held, name)
    ]


def _names(network: Network) -> list[str]:
    return [*network.trace.parameters, *network.trace.buffers] if network.trace else []


def _made_of(node: fx.Node, given: Mapping[fx.Node, str]) -> list[fx.Node] | None:
    """The nodes that a value is made of, in order; ``None`` where one is data, or writes to what it is given."""
    seen, stack = dict["fx.Node", None](), [node]
    while stack:
        here = stack.pop()
        if here in seen:
            continue
        if (here.op == "placeholder" and here not in given) or changes_something(here):
            return None
        seen[here] = None
        stack += here.all_input_nodes
    return sorted(seen)


def _leaves(way: list[fx.Node], given: Mapping[fx.Node, str]) -> list[str]:
    return [given[node] for node in way if node in given]


def _scales(
    network: Network, way: list[fx.Node], given: Mapping[fx.Node, str], held: Mapping[str, Tensor], name: str
) -> bool:
    once, twice = (_run(network, way, given, {**held, name: held[name] * factor}) for factor in (1, 2))
    if not isinstance(once, Tensor) or not once.numel():
        return False
    slack = _ROUNDINGS * torch.finfo(once.dtype).eps * float(once.abs().max())
    return bool(((twice - 2 * once).abs() <= slack).all())


def _run(network: Network, way: list[fx.Node], given: Mapping[fx.Node, str], held: Mapping[str, Tensor]) -> Any:  # noqa: ANN401
    """The last value, on these parameters."""
    values: dict[fx.Node, Any] = {}
    for node in way:
        if node in given:
            values[node] = held[given[node]].detach()
        elif node.op == "get_attr":
            values[node] = getattr(cast("Any", network.trace).graph, str(node.target))
        else:
            target: Any = node.target
            values[node] = target(*map_arg(node.args, values.__getitem__), **map_arg(node.kwargs, values.__getitem__))
    return values[way[-1]]
