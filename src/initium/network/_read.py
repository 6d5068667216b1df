"""A model to a network: the graph where there is a batch, the modules alone where there is none."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from initium.errors import ArgumentTypeError, TraceError
from initium.network._facts import Facts, Neighbour, Role, Use
from initium.network._kinds import Kinds, kinds
from initium.network._modules import Held, guess, held, neighbours_by_order
from initium.network._neighbours import NOTHING, Neighbours, neighbours
from initium.network._network import Network
from initium.network._numbers import numbers
from initium.network._ops import NORMS, SUMS, op_name, shape_of
from initium.network._packed import output_runs, parameter_axis
from initium.network._regions import regions
from initium.network._rejoined import rejoined
from initium.network._trace import Trace, trace
from initium.network._uses import Site, sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import fx

    from initium.network._batch import Batch


def read(model: nn.Module, batch: Batch | None = None) -> Network:
    """The graph of a model and the facts of its parameters.

    Args:
        model: Any module; on ``meta`` it is run on fake tensors.
        batch: What it is called with. Without one the modules alone are read, and every guess says ``assumed``.

    Returns:
        The network. The model is left as it was.

    Raises:
        ArgumentTypeError: ``model`` is no module.
        BatchError: The model cannot take the batch.
        TraceError: The model runs, but not under the tracer; or a parameter is lazy and has no shape yet.

    Example:
        >>> import torch
        >>> from initium.network import Batch, read
        >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        >>> facts = read(net, Batch((torch.ones(5, 3),))).facts("0.weight")
        >>> str(facts.before), str(facts.after), facts.fan_in
        ('input', 'relu', 3)
    """
    title = type(as_module(model)).__name__
    _refuse_lazy(model)
    if batch is None:
        return Network(_assumed(model), (), None, (), title)
    traced = trace(model, batch)
    graph = _Graph.of(traced, dict(model.named_parameters()))
    uses, roles = graph.uses(), graph.roles()
    parameters = tuple(_facts(one, uses, roles) for one in held(model))
    strays = tuple(_strays(traced.graph))
    return Network(parameters, tuple(uses), traced, tuple(graph.neighbours.unknown), title, strays)


def _strays(graph: fx.GraphModule) -> Iterator[tuple[int, ...]]:
    """Constants that require a gradient: layers in a plain list, a tensor that is an attribute."""
    held = (getattr(graph, str(node.target), None) for node in graph.graph.nodes if node.op == "get_attr")
    for value in held:
        if isinstance(value, torch.Tensor) and value.requires_grad and value.ndim > 1:
            yield tuple(value.shape)


def as_module(model: object) -> nn.Module:
    """A module that can be read, as it is.

    Raises:
        ArgumentTypeError: It is no module, or one that only hands its work to copies of another.
    """
    if isinstance(model, nn.DataParallel):
        raise ArgumentTypeError("nn.DataParallel hands its work to copies of a model: pass the model, `model.module`.")
    if isinstance(model, nn.Module):
        return model
    made = isinstance(model, type) and issubclass(model, nn.Module)
    raise ArgumentTypeError(
        f"a model is a torch.nn.Module; got {model!r} of type {type(model).__name__}. "
        + ("Make one of the class first: call it." if made else "Wrap a function in a Module with a forward method.")
    )


def _refuse_lazy(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise TraceError(
                f"`{name}` is lazy: it has no shape before the first forward pass. Call the model once on a batch, "
                "then come back."
            )


@dataclass(frozen=True, slots=True)
class _Graph:
    """The readings of one graph, side by side."""

    nodes: tuple[fx.Node, ...]
    kinds: Kinds
    neighbours: Neighbours
    placeholders: dict[str, fx.Node]

    @staticmethod
    def of(traced: Trace, values: dict[str, nn.Parameter]) -> _Graph:
        graph = rejoined(traced.graph.graph)
        kind = kinds(traced, graph)
        around = neighbours(regions(kind, graph, numbers(kind, graph, values)), graph)
        placeholders = [node for node in graph.nodes if node.op == "placeholder"]
        return _Graph(tuple(graph.nodes), kind, around, dict(zip(traced.parameters, placeholders, strict=False)))

    def uses(self) -> list[Use]:
        """Every use of a weight in execution order."""
        found: list[Use] = []
        count: dict[str, int] = defaultdict(int)
        for node in self.nodes:
            if self.kinds.kind[node] == "data":
                for site in sites(self.kinds, node):
                    name = self._name(site.weight)
                    found.append(self._use(site, name, count[name]))
                    count[name] += 1
        return found

    def _name(self, node: fx.Node) -> str:
        """The parameter behind a weight; of several (a composed weight), the largest."""
        names = self.kinds.origin[node].names
        return max(names, key=lambda name: len(shape_of(self.placeholders[name])) * 2**40 + _size(self, name))

    def _use(self, site: Site, name: str, index: int) -> Use:
        parameter = self.placeholders[name]
        axis, slices = parameter_axis(site.weight, parameter, site.out_axis)
        layout = _layout(site, axis, shape_of(parameter))
        runs = output_runs(self.kinds, site.node, site.unit_axis) if site.layout not in _UNSPLIT else [1]
        split = len(runs) if len(set(runs)) == 1 else 1
        stack = layout == "batched"
        ahead = self.neighbours.following(site.node)
        bias = self.kinds.origin[site.bias].names[0] if site.bias is not None else None
        before = NOTHING if site.data is None else self.neighbours.preceding(site.data)
        if site.role == "embedding":
            before = Neighbour("input", "indices")
        after = Neighbour("gates", "gates") if site.layout == "gates" else ahead.neighbour
        return Use(
            node=site.node.name,
            name=name,
            op=op_name(site.node),
            index=index,
            layout=layout,
            fan_in=site.fan_in,
            fan_out=site.fan_out / split,
            unit_axis=site.unit_axis,
            parts=shape_of(parameter)[0] if stack else site.parts * split * slices,
            axis=0 if stack else axis,
            bias=bias,
            before=before,
            after=after,
            activated=ahead.activated.name if ahead.activated is not None else "",
            normalised=ahead.normalised and site.layout != "gates",
            direct=self.kinds.origin[site.weight].moved,
            note="" if split == len(runs) else f"packs matrices of {runs} outputs, taken as one",
        )

    def roles(self) -> dict[str, tuple[Role, str, str]]:
        """Role, layout and a note for every parameter that some operation reads, weights excepted."""
        found: dict[str, tuple[Role, str, str]] = {}
        for node in self.nodes:
            if self.kinds.kind[node] != "data" or node.op == "output":
                continue
            weights = {site.weight: site for site in sites(self.kinds, node)}
            signals = {site.data for site in weights.values()}
            for operand in self.kinds.parameter_inputs(node):
                role = ("embedding", "added", "") if operand in signals else self._role(node, operand, weights)
                for name in self.kinds.origin[operand].names:
                    found[name] = _stronger(found.get(name), self._part(operand, name, role))
        return found

    def _part(self, operand: fx.Node, name: str, role: tuple[Role, str, str]) -> tuple[Role, str, str]:
        """A vector that a weight is computed with (a gain, a magnitude) is no weight itself."""
        vector = sum(size > 1 for size in shape_of(self.placeholders[name])) < 2  # noqa: PLR2004 - a matrix has two
        composed = role[0] == "weight" and name != self._name(operand)
        return ("other", "", role[2]) if composed and vector else role

    def _role(self, node: fx.Node, operand: fx.Node, weights: dict[fx.Node, Site]) -> tuple[Role, str, str]:
        name, through = op_name(node), self.kinds.origin[operand].through
        note = f"reaches {name} through {', '.join(through)}" if through else ""
        if operand in weights:
            return weights[operand].role, weights[operand].layout, note
        if name in NORMS:
            scale, _ = NORMS[name]
            return ("scale" if len(node.args) > scale and node.args[scale] is operand else "shift"), "", note
        if weights:
            return "bias", "", note
        return self._beside_data(node, operand, note)

    def _beside_data(self, node: fx.Node, operand: fx.Node, note: str) -> tuple[Role, str, str]:
        """A parameter that meets the data in no weight operation: added, multiplied, joined."""
        name = op_name(node)
        wide = [size for size in shape_of(operand) if size > 1]
        if name in SUMS:
            vector: Role = "shift" if self._follows_norm(node) else "bias"
            return (vector, "", note) if len(wide) < 2 else ("embedding", "added", note)  # noqa: PLR2004 - a table
        if name in {"cat", "stack", "concat", "linear", "where", "scaled_dot_product_attention", "index_put"}:
            return "embedding", "added", note
        if name == "mul" and self._follows_norm(node):
            return "scale", "", note
        return "other", "", note or f"used by {name}"

    def _follows_norm(self, node: fx.Node) -> bool:
        """True where the data that the parameter meets has just been normalised."""
        around = self.neighbours
        return any(around.preceding(parent).kind == "norm" for parent in self.kinds.data_inputs(node))


def _size(graph: _Graph, name: str) -> int:
    size = 1
    for length in shape_of(graph.placeholders[name]):
        size *= length
    return size


def _layout(site: Site, axis: int, shape: tuple[int, ...]) -> str:
    """Which way round the parameter itself lies, whatever views stand between it and the operation."""
    if site.layout not in {"out_in", "in_out"}:
        return site.layout
    if op_name(site.node) in {"einsum", "tensordot"}:
        return site.layout
    if len(shape) > 2 and op_name(site.node) != "bilinear":  # noqa: PLR2004 - a stack of matrices
        return "batched"
    return "out_in" if axis == 0 else "in_out"


_UNSPLIT = frozenset({"gates", "lookup", "added"})
_STRENGTH: tuple[Role, ...] = ("weight", "recurrent", "embedding", "scale", "shift", "bias", "other")


def _stronger(one: tuple[Role, str, str] | None, other: tuple[Role, str, str]) -> tuple[Role, str, str]:
    """A parameter with two roles (a tied embedding) takes the one that multiplies data."""
    return other if one is None or _STRENGTH.index(other[0]) < _STRENGTH.index(one[0]) else one


def _facts(one: Held, uses: list[Use], roles: dict[str, tuple[Role, str, str]]) -> Facts:
    """The facts of one parameter from the graph; from its module where the graph does not use it."""
    mine = [use for use in uses if use.name == one.name]
    role, layout, note = roles.get(one.name, ("other", "", ""))
    if one.name not in roles:
        idle = _module_facts(one, NOTHING, NOTHING, normalised=False)
        return replace(idle, uses=0, notes=(*idle.notes, "not used in this forward pass"))
    first = next((use for use in mine if (use.layout in {"lookup", "added"}) == (role == "embedding")), None)
    return Facts(
        name=one.name,
        names=one.names,
        shape=tuple(one.parameter.shape),
        role=role,
        owner=type(one.module),
        layout=first.layout if first else layout,
        fan_in=first.fan_in if first else None,
        fan_out=first.fan_out if first else None,
        parts=first.parts if first else 1,
        axis=first.axis if first else 0,
        before=first.before if first else NOTHING,
        after=first.after if first else NOTHING,
        uses=max(len(mine), 1),
        normalised=first.normalised if first else False,
        assumed=first is not None and ("unknown" in {first.after.kind, first.before.kind} or not first.direct),
        frozen=not one.parameter.requires_grad,
        computed_by=one.computed_by,
        notes=tuple(each for each in (note, first.note if first else "") if each),
    )


def _assumed(model: nn.Module) -> tuple[Facts, ...]:
    """Facts from the modules alone: the type says the role, the order of registration says what follows."""
    around = neighbours_by_order(model)
    nothing = (NOTHING, NOTHING, False)
    found: list[Facts] = []
    for one in held(model):
        before, after, normalised = around.get(id(one.module), nothing)
        found.append(_module_facts(one, before, after, normalised=normalised))
    return tuple(found)


def _module_facts(one: Held, before: Neighbour, after: Neighbour, *, normalised: bool) -> Facts:
    supposed = guess(one)
    weighty = supposed.fan_in is not None
    return Facts(
        name=one.name,
        names=one.names,
        shape=tuple(one.parameter.shape),
        role=supposed.role,
        owner=type(one.module),
        layout=supposed.layout,
        fan_in=supposed.fan_in,
        fan_out=supposed.fan_out,
        parts=supposed.parts,
        axis=supposed.axis,
        before=before if weighty else NOTHING,
        after=after if weighty else NOTHING,
        uses=1,
        normalised=normalised and weighty,
        assumed=True,
        frozen=not one.parameter.requires_grad,
        computed_by=one.computed_by,
    )
