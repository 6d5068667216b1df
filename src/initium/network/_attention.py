"""Which weights make queries, keys and values, and which takes what attention gives."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch

from initium.network._facts import Attends
from initium.network._ops import ATTENTIONS, LINEAR, NOISE, PARTS, RESHAPES, SOFTMAXES, op_name, shape_of
from initium.network._packed import arrivals, distinct_labels, labels_of
from initium.network._terms import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from torch import fx

    from initium.network._flow import Flow

_ROLES = ("q", "k", "v")
_MOVES = RESHAPES | NOISE | PARTS
Spans = tuple[tuple[str, int], ...]
Operands = tuple[tuple[str, "fx.Node", "fx.Node"], ...]  # a role, the value, and the operation that takes it


def attentions(flow: Flow, joins: AbstractSet[fx.Node]) -> dict[fx.Node, Spans]:
    """What the output units of every weight around an attention are, in runs, by the operation that uses it.

    ``q``, ``k``, ``v``, ``out``; empty for units of a weight with several uses that go elsewhere. Nobody looks beyond
    the sums at which a residual branch comes back.
    """
    every = dict(every_attention(flow))
    ways: dict[fx.Node, set[str]] = defaultdict(set)
    for operands in every.values():
        for role, operand, _ in operands:
            for node in made_of(flow, operand, joins):
                ways[node].add(role)
    taken: dict[tuple[fx.Node, fx.Node], set[str]] = defaultdict(set)
    for role, operand, taker in (each for operands in every.values() for each in operands):
        taken[operand, taker].add(role)
    spans = {node: _spans(flow, node, ways, taken) for node in ways if node in flow.weights}
    for node in followers(flow, every, joins):
        spans.setdefault(node, (("out", _units(flow, node)),))
    return spans


def every_attention(flow: Flow) -> Iterator[tuple[fx.Node, Operands]]:
    """Every node that gives an attention's output, with what it is made of."""
    for node in flow.parents:
        if op_name(node) in ATTENTIONS:
            pairs = zip(_ROLES, node.args[:3], strict=False)
            yield node, tuple((role, each, node) for role, each in pairs if each in flow.parents)
        elif op_name(node) in SOFTMAXES:
            products, scores = _mixed(flow, node), _scores(flow, node)
            for product, value in products if scores else ():
                yield product, (*scores, ("v", value, product))


def attends(flow: Flow, joins: AbstractSet[fx.Node]) -> Iterator[Attends]:
    """Every attention with the weights that make its queries and its keys; a softmax that weighs no values is none."""
    for node in flow.parents:
        if op_name(node) in ATTENTIONS:
            operands = tuple((role, each, node) for role, each in zip(_ROLES, node.args[:2], strict=False))
        elif op_name(node) in SOFTMAXES and "log" not in op_name(node) and _mixed(flow, node):
            operands = _scores(flow, node)
        else:
            continue
        made = {role: _weights(flow, operand, joins) for role, operand, _ in operands if operand in flow.parents}
        if operands:
            yield Attends(node.name, made.get("q", ()), made.get("k", ()))


def _weights(flow: Flow, operand: fx.Node, joins: AbstractSet[fx.Node]) -> tuple[str, ...]:
    """The names of the weights that make a value."""
    nodes = (node for node in made_of(flow, operand, joins) if node in flow.weights)
    return tuple(dict.fromkeys(flow.read.name_of(flow.weights[node][0].weight) for node in nodes))


def _mixed(flow: Flow, softmax: fx.Node) -> list[tuple[fx.Node, fx.Node]]:
    """The products of attention weights with values."""
    found: list[tuple[fx.Node, fx.Node]] = []
    waiting = [softmax]
    while waiting:
        here = waiting.pop()
        for user in flow.users[here]:
            parents = flow.parents[user]
            if op_name(user) in LINEAR and user not in flow.weights and len(parents) > 1:
                found.append((user, next(each for each in parents if each is not here)))
            elif op_name(user) in _MOVES and len(parents) == 1:
                waiting.append(user)
    return found


def scored(flow: Flow) -> set[fx.Node]:
    """The nodes between products of queries with keys and the softmax of them: sums there are no residual sums."""
    return {
        node
        for softmax in flow.parents
        if op_name(softmax) in SOFTMAXES and _products(flow, softmax)
        for node in flow.behind(softmax, lambda each: _ends_scores(flow, each))
    }


def _ends_scores(flow: Flow, node: fx.Node) -> bool:
    return node in flow.weights or op_name(node) in LINEAR


def _products(flow: Flow, softmax: fx.Node) -> list[fx.Node]:
    """The products of two signals that a softmax is taken of, whatever is added to them or multiplies them."""
    found = dict.fromkeys(
        parent
        for node in flow.behind(softmax, lambda each: _ends_scores(flow, each))
        for parent in flow.parents[node]
        if op_name(parent) in LINEAR and parent not in flow.weights and len(flow.parents[parent]) > 1
    )
    return list(found)


def _scores(flow: Flow, softmax: fx.Node) -> Operands:
    return tuple(each for product in _products(flow, softmax) for each in _queries_and_keys(flow, product, softmax))


def _queries_and_keys(flow: Flow, product: fx.Node, softmax: fx.Node) -> Operands:
    """The keys are what the softmax runs along."""
    first, second = flow.parents[product][:2]
    shape, places = shape_of(softmax), len(shape_of(product))
    given: Any = softmax.args[1] if len(softmax.args) > 1 else -1
    axis = given % max(len(shape), 1) - len(shape)
    swapped = axis == -2  # noqa: PLR2004 - the rows of a product belong to its first factor
    if op_name(product) == "einsum" and places == len(shape):
        inputs, output = terms(str(product.args[0]))
        if "." not in output:
            swapped = output[axis] in inputs[0] and output[axis] not in inputs[1]
    roles = ("k", "q") if swapped else ("q", "k")
    return (roles[0], first, product), (roles[1], second, product)


def made_of(flow: Flow, operand: fx.Node, joins: AbstractSet[fx.Node]) -> Iterator[fx.Node]:
    """The nodes from an operand back to the weights that make it."""
    seen, stack = {operand}, [operand]
    while stack:
        here = stack.pop()
        yield here
        if here in flow.weights:
            continue
        fresh = [parent for parent in flow.parents[here] if parent not in seen and parent not in joins]
        seen.update(fresh)
        stack += fresh


def _spans(
    flow: Flow, weight: fx.Node, ways: dict[fx.Node, set[str]], taken: dict[tuple[fx.Node, fx.Node], set[str]]
) -> Spans:
    """The runs of a weight's units: where all go one way, one."""
    roles, units = ways[weight], _units(flow, weight)
    whole = (_together(roles), units)
    site = flow.weights[weight][0]
    labels = labels_of(weight, site.unit_axis) if weight in flow.read.keeping.parted else None
    if labels is None:
        return (whole,)

    held = torch.zeros(units, dtype=torch.int64, device="cpu")  # by unit, a bit for each role
    for node, user, run in arrivals(flow.read.keeping, weight, labels):
        here = taken.get((node, user)) or ways.get(user, set())
        if here:
            held[distinct_labels(run)] |= sum(1 << _ROLES.index(role) for role in here)
    kept, counts = held.unique_consecutive(return_counts=True)
    names = [_together({role for place, role in enumerate(_ROLES) if bits >> place & 1}) for bits in kept.tolist()]
    return tuple(zip(names, counts.tolist(), strict=True))


def _together(roles: set[str]) -> str:
    return "".join(sorted(roles, key=_ROLES.index))


def _units(flow: Flow, node: fx.Node) -> int:
    shape = shape_of(node)
    return shape[flow.weights[node][0].unit_axis] if shape else 1


def followers(flow: Flow, every: dict[fx.Node, Operands], joins: AbstractSet[fx.Node]) -> Iterator[fx.Node]:
    """The first weights after an attention."""
    seen, waiting = set(every), list(every)
    while waiting:
        for user in flow.users[waiting.pop()]:
            if user in flow.weights:
                yield user
            elif user not in seen and user not in joins:
                seen.add(user)
                waiting.append(user)
