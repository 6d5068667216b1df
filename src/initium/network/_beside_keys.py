"""Attentions whose softmax goes over another axis than the product with the values sums over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from initium.network._ops import NOISE, ORDERED, RESHAPES, SOFTMAXES, axis_of, behind, op_name, shape_of, viewed
from initium.network._terms import terms

if TYPE_CHECKING:
    from torch import Tensor, fx

    from initium.network._network import Network

_PRODUCTS = frozenset({"matmul", "bmm"})
_BY_ITSELF = frozenset({"mul", "div", "add", "masked_fill"})
_MATRIX = 2


def beside_keys(network: Network) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The softmaxes of scores, of which a product of matrices then sums along an axis that is not the softmax's.

    Scores are products of two signals. Of a slot attention, which goes over the queries, the shares are divided by their sum over
    the keys first; routing between capsules weighs what made its scores, and goes over an axis that is no query's: both are left out.

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
    if len(shape) < _MATRIX or not isinstance(axis, int):
        return False
    shares = torch.empty(shape, device="meta")
    run = _Run(shares.shape[axis], shares.stride(axis))
    origins = set["fx.Node"]() if _of_queries(node, run) else _origins(node)
    found = [sums for sums in _ways(node, shares, run, origins) if sums is not None]
    return bool(found) and not any(found)


class _Run(NamedTuple):
    """Elements at equal distances in memory, which is where an axis lies, whatever view is taken of it."""

    size: int
    stride: int

    def within(self, other: _Run) -> bool | None:
        """Whether it is another, or a part of it; ``None`` of one element, and where they overlap."""
        if self.size == 1 or other.size == 1:
            return None
        ends, others = self.size * self.stride, other.size * other.stride
        if other.stride <= self.stride and ends <= others:
            return True
        return False if ends <= other.stride or others <= self.stride else None


def _of_queries(node: fx.Node, run: _Run) -> bool:
    """Whether the softmax goes over the rows of a product of matrices: the queries of an attention whose keys are its values."""
    product = behind(node.all_input_nodes[0], ORDERED | _BY_ITSELF)
    shape = shape_of(product)
    kept = op_name(product) in _PRODUCTS and math.prod(shape) == math.prod(shape_of(node)) and len(shape) > _MATRIX
    return kept and _Run(shape[-2], shape[-1]).within(run) is True


def _ways(node: fx.Node, shares: Tensor, run: _Run, origins: set[fx.Node]) -> list[bool | None]:
    """Of each product that takes the shares, whether it sums along their axis; ``None`` of what cannot be told."""
    found: list[bool | None] = []
    for user in node.users:
        if op_name(user) in _PRODUCTS or op_name(user) == "einsum":
            within = [summed.within(run) for summed in _summed(user, node, shares, origins)]
            found.append(None if None in within or not within else any(within))
        elif op_name(user) in NOISE | RESHAPES and user.all_input_nodes == [node]:
            moved = _moved(user, shares)
            found += [None] if moved is None else _ways(user, moved, run, origins)
        else:
            found.append(None)
    return found


def _summed(product: fx.Node, node: fx.Node, shares: Tensor, origins: set[fx.Node]) -> list[_Run]:
    """Where the axes lie along which a product sums the shares, of three axes or more; none where that cannot be told."""
    operands = [each for each in product.all_input_nodes if each is not node]
    if len(operands) != 1 or behind(operands[0]) in origins or shares.ndim <= _MATRIX:
        return []
    axes = [-1 if product.args[0] is node else -2]
    if op_name(product) == "einsum":
        given, output = terms(str(product.args[0]))
        place = product.all_input_nodes.index(node)
        if "." in output or len(given) != _MATRIX or len(given[place]) != shares.ndim:
            return []
        axes = [axis for axis, letter in enumerate(given[place]) if letter not in output]
    return [_Run(shares.shape[axis], shares.stride(axis)) for axis in axes]


def _moved(user: fx.Node, shares: Tensor) -> Tensor | None:
    """What a view makes of the shares; ``None`` of one that copies them into another order."""
    if op_name(user) in NOISE:
        return shares
    made = viewed(user, shares)
    kept = made is shares or made._is_view()  # noqa: SLF001 - torch's own word for it
    return made if kept or (shares.is_contiguous() and made.is_contiguous()) else None


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
