"""Pointwise regions of a graph: what stands between two operations as one function of one variable.

Every data node has a base: the nearest value behind it of which it is a pointwise function. ``x * sigmoid(x)``, written
out, has the base ``x`` and is recognised by its values, like the one operation ``silu``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.fx.node import map_arg

from initium.errors import InitiumError
from initium.gains import Activation, recognise
from initium.network._lone import bends, lone
from initium.network._numbers import as_operand
from initium.network._ops import AFFINE, NORMS, REDUCTIONS, RESHAPES, SLOPED, is_noise, is_pointwise, op_name

if TYPE_CHECKING:
    from torch import fx

    from initium.network._kinds import Kinds


@dataclass(frozen=True, slots=True)
class Regions:
    """The base of every data node, which statistics were taken of which base, and which nodes normalise.

    Attributes:
        base: The base of a data node; a node that is no pointwise function of one value is its own.
        statistic: For a mean, a variance, a norm (and functions of it): the base that it was taken of.
        normalises: Nodes that divide a base by a statistic of itself: a normalisation written out.
        normalised: The bases that a statistic of themselves divides or multiplies: it scales them, and is no way of the signal.
        bent: Data nodes that some nonlinear operation leads to from their base.
        named: Functions that were recognised already, by their operations.
        numbers: The nodes that are one number.
    """

    kinds: Kinds
    numbers: dict[fx.Node, float]
    base: dict[fx.Node, fx.Node] = field(default_factory=dict["fx.Node", "fx.Node"])
    statistic: dict[fx.Node, fx.Node] = field(default_factory=dict["fx.Node", "fx.Node"])
    normalises: set[fx.Node] = field(default_factory=set["fx.Node"])
    normalised: set[fx.Node] = field(default_factory=set["fx.Node"])
    bent: set[fx.Node] = field(default_factory=set["fx.Node"])
    named: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def activation(self, node: fx.Node) -> Activation | Pointwise | None:
        """The nonlinear function that leads from a node's base to it, by name where it has one; ``None`` for none."""
        if node not in self.bent:
            return None
        steps = _steps(self, node)
        known = _operands(self, steps)
        key = _signature(steps, known)
        if key not in self.named:
            self.named[key] = _name(Pointwise(tuple(steps), key, known))
        return self.named[key]

    def is_norm(self, node: fx.Node) -> bool:
        """True for a normalisation, written out or not."""
        return op_name(node) in NORMS or node in self.normalises

    def scaled(self, norm: fx.Node) -> fx.Node | None:
        """The product with a parameter that a normalisation divides: ``a * (x - mean)`` of ``a * (x - mean) / (std + eps)``.

        ``None`` where the std is that of the product itself, which divides the factor out again (a demodulated weight).
        """
        if norm not in self.normalises:
            return None
        parents = self.kinds.data_parents(norm)
        products = [each for each in parents if op_name(each) == "mul" and each not in self.statistic]
        if len(products) != 1 or not self.kinds.parameter_inputs(products[0]):
            return None
        (product,), stack = products, [each for each in parents if each is not products[0]]
        seen = {norm, self.base[product]}
        while stack:
            here = stack.pop()
            if here is product:
                return None
            if here not in seen:
                seen.add(here)
                stack += self.kinds.data_parents(here)
        return product

    def entry(self, node: fx.Node) -> fx.Node:
        """The value that a bent node's function takes: the base, or the base with its bias added."""
        steps = _steps(self, node)
        here = steps[0]
        while True:
            users = [user for user in here.users if user in steps]
            if len(users) != 1 or op_name(users[0]) not in {"add", "sub"} or not self.kinds.parameter_inputs(users[0]):
                return here
            here = users[0]


def regions(kinds: Kinds, graph: fx.Graph, numbers: dict[fx.Node, float]) -> Regions:
    """Reads the graph once, in order."""
    read = Regions(kinds, numbers)
    for node in graph.nodes:
        if kinds.kind[node] != "data" or node.op == "output":
            continue
        parents = kinds.data_parents(node)
        read.base[node] = _base(read, node, parents)
        _mark_statistic(read, node, parents)
        if read.base[node] is not node and (op_name(node) not in AFFINE or any(p in read.bent for p in parents)):
            read.bent.add(node)
    return read


def _base(read: Regions, node: fx.Node, parents: list[fx.Node]) -> fx.Node:
    signals = _signals(read, parents)
    if not signals or len(signals) < len(parents) or not is_pointwise(node):
        return node
    bases = {read.base[parent] for parent in signals}
    return bases.pop() if len(bases) == 1 else node


def _signals(read: Regions, parents: list[fx.Node]) -> list[fx.Node]:
    """What a statistic is taken of beside it; where there is nothing else (pooled features), the statistics themselves."""
    return [parent for parent in parents if parent not in read.statistic] or parents


def _mark_statistic(read: Regions, node: fx.Node, parents: list[fx.Node]) -> None:
    """Follows means and variances of a base until the base is divided by them."""
    if not parents:
        return
    of = {read.statistic.get(parent, read.base[parent]) for parent in parents}
    if len(of) > 1:
        return
    taken = [parent for parent in parents if parent in read.statistic]
    if op_name(node) in REDUCTIONS:
        read.statistic[node] = of.pop()
    elif taken and is_pointwise(node):
        if len(taken) == len(parents):
            read.statistic[node] = of.pop()
        elif op_name(node) == "div" or (op_name(node) == "mul" and _is_inverse(taken[0])):
            read.normalises.add(node)
            read.normalised.update(of)
        elif op_name(node) == "mul":  # a factor that is made of the signal's size: clipped norms
            read.normalised.update(of)
        elif op_name(node) in {"sub", "rsub", "add"}:
            read.base[node] = of.pop()


def _is_inverse(statistic: fx.Node) -> bool:
    """One over a root, seen through views."""
    while op_name(statistic) in RESHAPES:
        statistic = statistic.all_input_nodes[0]
    return op_name(statistic) in {"rsqrt", "reciprocal", "pow", "div"}


def _operands(read: Regions, steps: list[fx.Node]) -> dict[fx.Node, dict[fx.Node, float]]:
    """The numbers that each step combines the signal with.

    A parameter that only shifts or scales what goes in or what comes out (a bias, a norm's scale, a layer's scale) is no
    part of the function; one in its midst (Swish's rate, Snake's frequency) is, and so is one that does both (the step of
    a quantiser).
    """
    outer = _outer(read, steps)
    uses = Counter(parent for node in steps[1:] for parent in node.all_input_nodes)
    return {
        node: {
            parent: read.numbers[parent]
            for parent in node.all_input_nodes
            if parent in read.numbers
            and not (node in outer and uses[parent] == 1 and read.kinds.kind[parent] == "parameter")
        }
        for node in steps[1:]
    }


def _outer(read: Regions, steps: list[fx.Node]) -> set[fx.Node]:
    """The steps from the base onwards, and from the end backwards, that only move, shift or scale."""
    inside, here = set(steps), steps[0]
    found: set[fx.Node] = set()
    while len(users := [user for user in here.users if user in inside]) == 1 and op_name(users[0]) in AFFINE:
        here = users[0]
        found.add(here)
    here = steps[-1]
    while op_name(here) in AFFINE and here is not steps[0]:
        found.add(here)
        here = next(parent for parent in read.kinds.data_parents(here) if parent in inside)
    return found


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A pointwise region as a function of one variable; equal where the operations are."""

    steps: tuple[fx.Node, ...] = field(compare=False, repr=False)
    key: tuple[Any, ...]
    numbers: dict[fx.Node, dict[fx.Node, float]] = field(compare=False, repr=False)

    def __call__(self, value: torch.Tensor) -> torch.Tensor:
        """Runs the region's operations on any vector of values."""
        held: dict[fx.Node, Any] = {self.steps[0]: value}
        for node in self.steps[1:]:
            held[node] = _evaluate(node, held, self.numbers[node])
        return held[self.steps[-1]]

    def __str__(self) -> str:
        names = dict.fromkeys(op_name(node) for node in self.steps[1:] if not is_noise(node))
        return "pointwise(" + ", ".join(name for name in names if name not in RESHAPES) + ")"


def _evaluate(node: fx.Node, held: dict[fx.Node, Any], numbers: dict[fx.Node, float]) -> Any:  # noqa: ANN401 - the value of a node
    """One step on a vector: what only moves or masks elements, or is not one number, passes the signal on."""
    signal = next(held[parent] for parent in node.all_input_nodes if parent in held)
    if op_name(node) == "detach":
        return signal.detach()  # a straight-through estimator has the slope of what it leaves attached
    if op_name(node) in RESHAPES or is_noise(node):
        return signal
    if any(parent not in held and parent not in numbers for parent in node.all_input_nodes):
        return signal
    operands = {parent: as_operand(parent, number) for parent, number in numbers.items()}
    if op_name(node) in SLOPED:
        return torch.nn.functional.leaky_relu(signal, next(iter(numbers.values())))
    lookup = held | operands
    args = map_arg(node.args, lookup.__getitem__)
    kwargs = map_arg(node.kwargs, lookup.__getitem__)
    target: Any = _out_of_place(node)
    return target(*args, **kwargs)


def _out_of_place(node: fx.Node) -> Any:  # noqa: ANN401 - an operator
    """The operator that leaves its input alone, so that a region can be run on the same values twice."""
    name = str(getattr(node.target, "__name__", ""))
    if not name.partition(".")[0].endswith("_") or name.startswith("__"):
        return node.target
    packet = getattr(torch.ops.aten, op_name(node), None)
    overload = name.partition(".")[2]
    return getattr(packet, overload, node.target) if packet is not None else node.target


def _steps(read: Regions, node: fx.Node) -> list[fx.Node]:
    """The region's nodes from the base to the node, in the graph's order."""
    base = read.base[node]
    seen, stack = {base}, [node]
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            stack += _signals(read, read.kinds.data_parents(here))
    return [base, *sorted(seen - {base})]


def _signature(steps: list[fx.Node], numbers: dict[fx.Node, dict[fx.Node, float]]) -> tuple[Any, ...]:
    """The operations and their constants with node names left out: equal for every repetition of a block."""
    position = {node: index for index, node in enumerate(steps)}

    def argument(value: Any, known: dict[fx.Node, float]) -> Any:  # noqa: ANN401 - any argument of a node
        if isinstance(value, torch.fx.Node):
            return position.get(value, ("number", known[value]) if value in known else "other")
        return tuple(argument(part, known) for part in value) if isinstance(value, list | tuple) else repr(value)

    return tuple(
        (
            op_name(n),
            *(argument(a, numbers[n]) for a in (n.args[:1] if op_name(n) in RESHAPES or is_noise(n) else n.args)),
            repr(dict(n.kwargs)),
        )
        for n in steps[1:]
    )


def _name(function: Pointwise) -> Activation | Pointwise | None:
    """The activation's name and parameters, read off a lone operation or recognised by its values; ``None`` if straight."""
    bending = [node for node in function.steps[1:] if op_name(node) not in RESHAPES and not is_noise(node)]
    known = lone(bending[0]) if len(bending) == 1 else None
    if known is not None:
        return known if bends(known) else None
    try:
        found = recognise(function)
    except (InitiumError, RuntimeError, TypeError):
        return function
    return None if found is not None and found.name == "linear" else found or function
