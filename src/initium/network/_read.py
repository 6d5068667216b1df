"""A model to a network: the graph where there is a batch, the modules alone where there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from initium.errors import ArgumentTypeError, TraceError
from initium.gains import Activation
from initium.network._facts import Facts, Neighbour
from initium.network._inverted import inverted_names
from initium.network._modules import guess, held, neighbours_by_order
from initium.network._neighbours import NOTHING
from initium.network._network import Network
from initium.network._ops import op_name
from initium.network._places import places
from initium.network._readings import readings
from initium.network._roles import roles
from initium.network._trace import trace, trace_hollow
from initium.network._uses import uses

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from torch import Tensor, fx

    from initium.network._batch import Batch
    from initium.network._facts import Use
    from initium.network._modules import Held
    from initium.network._noted import Hearing
    from initium.network._places import Places
    from initium.network._readings import Readings
    from initium.network._roles import Part
    from initium.network._traced import Trace

# What the parts of one sum lead to within an operation.
_INNER = {
    "lstm": ("sigmoid", "tanh"),
    "gru": ("sigmoid", "tanh"),
    "rnn_tanh": ("tanh",),
    "rnn_relu": ("relu",),
    "glu": ("sigmoid",),
}


def read(
    model: nn.Module,
    batch: Batch | None = None,
    *,
    values: Mapping[str, Tensor] | None = None,
    hollow: bool = False,
    hearing: Hearing | None = None,
) -> Network:
    """The graph of a model and the facts of its parameters.

    Args:
        model: Any module; on ``meta`` it is run on fake tensors.
        batch: What it is called with. Without one the modules alone are read, and every guess says ``assumed``.
        values: Tensors in the place of the parameters that they name, where the way depends on the weights.
        hollow: Spare the model's work where it can be spared: weights have shapes alone while the model is traced.
        hearing: Who is shown what the operations give while the model is traced for real.

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
    refuse_lazy(as_module(model))
    if batch is None:
        return Network(_assumed(model), (), None, (), type(model).__name__)
    return _network(model, trace(model, batch, values, hollow=hollow, hearing=hearing))


def read_hollow(model: nn.Module, batch: Batch) -> Network | None:
    """The same without the model's work; ``None`` where it asks for values that depend on its weights, or fails."""
    refuse_lazy(as_module(model))
    traced = trace_hollow(model, batch)
    return None if traced is None else _network(model, traced)


def _network(model: nn.Module, traced: Trace) -> Network:
    graph = readings(traced, dict(model.named_parameters()))
    where = places(graph)
    every, parts = uses(graph, where), roles(graph)
    inverted = frozenset(inverted_names(traced.graph.graph, graph.kinds))
    mine: dict[str, list[Use]] = {}
    for use in every:
        mine.setdefault(use.name, []).append(use)
    found = (
        replace(_facts(one, mine.get(one.name, []), parts, traced.spent), inverted=one.name in inverted)
        for one in held(model)
    )
    parameters = tuple(_leading(_placed(facts, where), graph, parts.get(facts.name)) for facts in found)
    strays = tuple(_strays(traced.graph))
    return Network(
        parameters, tuple(every), traced, tuple(graph.neighbours.unknown), type(model).__name__, strays, where.attends
    )


def _placed(facts: Facts, where: Places) -> Facts:
    closes = where.closing.get(facts.name, ()) if facts.role == "scale" else ()
    return replace(facts, idle=where.idle.get(facts.name, ""), closes=closes)


def _leading(facts: Facts, graph: Readings, part: Part | None) -> Facts:
    """A bias with what follows the sum that it is a term of."""
    if facts.role != "bias" or part is None or part.at is None:
        return facts
    base = graph.neighbours.regions.base.get(part.at, part.at)
    seen = {one.neighbour for one in graph.neighbours.after.get(base, ()) if not one.normalised}
    inner = _INNER.get(op_name(part.at).removesuffix("_cell")) or [
        name for one in seen for name in _INNER.get(str(one), ())
    ]
    found = {Neighbour("activation", name, Activation(name, ())) for name in inner}
    return replace(facts, leads=tuple(sorted(found or seen, key=str)))


def _strays(graph: fx.GraphModule) -> Iterator[tuple[int, ...]]:
    """Constants that require a gradient: layers in a plain list, a tensor that is an attribute."""
    held = (getattr(graph, str(node.target), None) for node in graph.graph.nodes if node.op == "get_attr")
    for value in held:
        if isinstance(value, torch.Tensor) and value.requires_grad and value.ndim > 1:
            yield tuple(value.shape)


def as_module(model: object) -> nn.Module:
    """A module that can be read, as it is.

    Raises:
        ArgumentTypeError: It is no module.
    """
    if isinstance(model, nn.Module):
        return model
    made = isinstance(model, type) and issubclass(model, nn.Module)
    raise ArgumentTypeError(
        f"a model is a torch.nn.Module; got {model!r} of type {type(model).__name__}. "
        + ("Make one of the class first: call it." if made else "Wrap a function in a Module with a forward method.")
    )


def refuse_lazy(model: nn.Module) -> None:
    """Turns away a model with a parameter that has no shape yet.

    Raises:
        TraceError: Naming the first one and the cure.
    """
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise TraceError(
                f"`{name}` is lazy: it has no shape before the first forward pass. Call the model once on a batch, "
                "then come back."
            )


def _facts(one: Held, mine: list[Use], parts: dict[str, Part], spent: Container[str]) -> Facts:
    """The facts of one parameter from the graph; from its module where the graph does not use it."""
    if one.name not in parts:
        idle = _module_facts(one, NOTHING, NOTHING, normalised=False)
        why = (
            "what it gives is asked for or dropped, and goes nowhere"
            if one.name in spent
            else "not used in this forward pass"
        )
        return replace(idle, uses=0, notes=(*idle.notes, why))
    part = parts[one.name]
    alike = [use for use in mine if (use.layout in {"lookup", "added"}) == (part.role == "embedding")]
    first, notes = next(iter(alike), None), tuple(_notes(part, alike))
    return Facts(
        name=one.name,
        names=one.names,
        shape=tuple(one.parameter.shape),
        role=part.role,
        owner=type(one.module),
        layout=first.layout if first else part.layout,
        fan_in=first.fan_in if first else None,
        fan_out=first.fan_out if first else None,
        parts=first.parts if first else 1,
        axis=first.axis if first else 0,
        before=first.before if first else NOTHING,
        after=first.after if first else NOTHING,
        uses=max(len(mine), 1),
        normalised=first.normalised if first else False,
        assumed=_unknown_identity(part) or (first is not None and (_unsure(first) or part.mixed or _differ(alike))),
        frozen=not one.parameter.requires_grad,
        computed_by=one.computed_by,
        neutral=part.neutral,
        notes=notes,
        whole=_whole(one),
        padding=part.padding,
        residual=first.residual if first else None,
        attention=_attention(alike),
        head=next((use.head for use in alike if use.head), ""),
        heads=alike[0].heads if len({use.heads for use in alike}) == 1 else (),
        divided_out=bool(alike) and all(use.divided_out for use in alike),
        renewed=bool(alike) and all(use.renewed for use in alike),
    )


def _attention(alike: list[Use]) -> tuple[tuple[str, int], ...]:
    """Of the first use, or of all of them where each uses a part of its own."""
    parts = {use.start: use for use in reversed(alike)}
    several = [parts[start].attention for start in sorted(parts)]
    return tuple(span for spans in several for span in spans) if all(several) else ()


def _unknown_identity(part: Part) -> bool:
    return part.role in {"scale", "shift"} and part.neutral is None


def _unsure(use: Use) -> bool:
    return "unknown" in {use.after.kind, use.before.kind} or not use.direct


def _differ(alike: list[Use]) -> bool:
    """Uses with other fans: parts of one parameter that are weights of their own, or one used both ways round."""
    return len({(use.fan_in, use.fan_out) for use in alike}) > 1


def _notes(part: Part, alike: list[Use]) -> Iterator[str]:
    yield from (note for note in (part.note, *{use.note: None for use in alike}) if note)
    if part.mixed:
        yield "parts of it are a weight and others a bias or a scale: one law for all of it"
    if _differ(alike):
        fans = dict.fromkeys(f"{use.fan_in:g} to {use.fan_out:g}" for use in alike)
        yield f"its uses differ in their fans ({', '.join(fans)}): it is taken as in the first"


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
        neutral={"scale": 1.0, "shift": 0.0}.get(supposed.role),
        whole=_whole(one),
        padding=one.module.padding_idx if isinstance(one.module, nn.Embedding | nn.EmbeddingBag) else None,
    )


def _whole(one: Held) -> bool:
    return not (one.parameter.is_floating_point() or one.parameter.is_complex())
