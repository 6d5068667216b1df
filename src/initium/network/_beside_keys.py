"""Attentions whose softmax goes over another axis than the product with the values sums over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.network._ops import NOISE, RESHAPES, SOFTMAXES, axis_of, behind, op_name, shape_of, viewed
from initium.network._terms import terms

if TYPE_CHECKING:
    from torch import fx

    from initium.network._network import Network

_PRODUCTS = frozenset({"matmul", "bmm"})
_MATRIX = 2


def beside_keys(network: Network) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The softmaxes of scores, of which a product of matrices then sums along an axis that is not the softmax's.

    Scores are products of two signals. Of a slot attention, which goes over the queries, the shares are divided by their sum over
    the keys first; routing between capsules weighs what made its scores: both are left out.

    Args:
        network: A network that was read with a batch.

    Returns:
        The name of each node and the shape of what it gives.
    """
    if network.trace is None:
        return ()
    attends = {each.node for each in network.attends}
    nodes = [each for each in network.trace.graph.graph.nodes if each.name in attends and op_name(each) in SOFTMAXES]
    return tuple((node.name, shape_of(node)) for node in nodes if _sums_beside(node))


def _sums_beside(node: fx.Node) -> bool:
    shape, axis = shape_of(node), axis_of(node)
    if len(shape) <= _MATRIX or not isinstance(axis, int):
        return False
    found = [sums for sums in _ways(node, axis % len(shape), _origins(node)) if sums is not None]
    return bool(found) and not any(found)


def _ways(node: fx.Node, axis: int, origins: set[fx.Node]) -> list[bool | None]:
    """Of each product that takes the shares, whether it sums along their axis; ``None`` of what cannot be told."""
    found: list[bool | None] = []
    for user in node.users:
        if op_name(user) in _PRODUCTS or op_name(user) == "einsum":
            found.append(_sums_along(user, node, axis, origins))
        elif op_name(user) in NOISE | RESHAPES and user.all_input_nodes == [node]:
            moved = _moved(user, node, axis)
            found += [None] if moved is None else _ways(user, moved, origins)
        else:
            found.append(None)
    return found


def _sums_along(product: fx.Node, shares: fx.Node, axis: int, origins: set[fx.Node]) -> bool | None:
    operands = [each for each in product.all_input_nodes if each is not shares]
    if len(operands) != 1 or behind(operands[0]) in origins:
        return None
    if op_name(product) == "einsum":
        given, output = terms(str(product.args[0]))
        place = product.all_input_nodes.index(shares)
        if "." in output or len(given) != _MATRIX or len(given[place]) != len(shape_of(shares)):
            return None
        return given[place][axis] not in output
    summed = -1 if product.args[0] is shares else -2
    return axis == summed % len(shape_of(shares))


def _moved(user: fx.Node, node: fx.Node, axis: int) -> int | None:
    """Where an axis lies behind a view, by its stride in a value without memory."""
    if op_name(user) in NOISE:
        return axis
    blank = torch.empty(shape_of(node), device="meta")
    made = viewed(user, blank)
    size, stride = blank.shape[axis], blank.stride(axis)
    there = [place for place in range(made.ndim) if made.shape[place] == size and made.stride(place) == stride]
    return there[0] if len(there) == 1 else None


def _origins(node: fx.Node) -> set[fx.Node]:
    """The values whose products are the scores, views aside."""
    seen, waiting, found = {node}, list(node.all_input_nodes), set["fx.Node"]()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        if op_name(here) in _PRODUCTS | {"einsum", "baddbmm"}:
            found |= {behind(each) for each in here.all_input_nodes}
        elif op_name(here) not in {"linear", "placeholder"}:
            waiting += here.all_input_nodes
    return found
