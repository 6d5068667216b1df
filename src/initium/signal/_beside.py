"""What a walk sees beside the outputs of weights: inputs, normalisations, attentions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import torch
from torch.fx.node import map_arg

from initium.network import NORMS, named_tensors, op_name
from initium.records import AddedRow, AttentionRow, GateRow, InputRow, NormRow, StateRow
from initium.signal._attentions import attention_figures, softmax_figures
from initium.signal._fetched import fetched
from initium.signal._inputs import input_figures
from initium.signal._moments import all_moments
from initium.signal._norms import PLAIN, norm_figures
from initium.signal._recurrent import recurrent_figures
from initium.signal._tables import added_figures, added_tables, along

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor, fx

    from initium.network import Attends, Batch, Network, Use
    from initium.signal._moments import UnitMoments

Row: TypeAlias = InputRow | NormRow | AttentionRow | GateRow | StateRow | AddedRow
_UNREAD = frozenset({"lookup", "added"})


@dataclass(frozen=True, slots=True)
class Beside:
    """A row that lacks nothing but its numbers.

    Attributes:
        made: The row from its numbers.
        figures: The numbers, on their device.
    """

    made: Callable[..., Row]
    figures: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Places:
    """The nodes at which there is something to see.

    Attributes:
        inputs: The uses that read an input, and the input's placeholder, by node.
        norms: The plain name of a normalisation, by node.
        attends: The attentions, by node.
        names: The parameter or buffer that a placeholder stands for, by its own name.
        entries: The placeholders of the batch's tensors, in their order.
        recurrent: The uses of a recurrent operation, by node; of an unrolled cell the last step's.
        added: The parameter whose table a sum adds to the data, by node.
    """

    inputs: Mapping[str, list[tuple[Use, str]]]
    norms: Mapping[str, str]
    attends: Mapping[str, Attends]
    names: Mapping[str, str]
    entries: tuple[str, ...] = ()
    recurrent: Mapping[str, list[Use]] = field(default_factory=dict[str, "list[Use]"])
    added: Mapping[str, str] = field(default_factory=dict[str, str])

    def __contains__(self, node: str) -> bool:
        return any(node in each for each in (self.inputs, self.norms, self.attends, self.recurrent, self.added))


def places_of(network: Network) -> Places:
    """Reads a network for them once."""
    trace = network.trace
    if trace is None:
        return Places({}, {}, {}, {})
    nodes = list(trace.graph.graph.nodes)
    held = (*trace.parameters, *trace.buffers)
    placeholders = tuple(node.name for node in nodes if node.op == "placeholder")
    names, entries = dict(zip(placeholders, held, strict=False)), placeholders[len(held) :]
    inputs = _arriving(network, nodes, set(entries))
    norms = {node.name: PLAIN.get(op_name(node), op_name(node)) for node in nodes if op_name(node) in NORMS}
    attends = {each.node: each for each in network.attends}
    return Places(inputs, norms, attends, names, entries, _recurrent(network), added_tables(network, names))


def _arriving(network: Network, nodes: list[fx.Node], entries: set[str]) -> dict[str, list[tuple[Use, str]]]:
    """The uses that read an input of the batch, whole numbers too, with no other use between, by node, and which input."""
    used = {use.node for use in network.uses}
    made: dict[
        str, frozenset[str] | None
    ] = {}  # of which inputs alone a value is made; None where a weight had a part in it
    for node in nodes:
        parts = [made[each.name] for each in node.all_input_nodes]
        learned = node.name in used or None in parts
        own = frozenset({node.name} & entries)
        made[node.name] = None if learned else own.union(*(part for part in parts if part))
    found: dict[str, list[tuple[Use, str]]] = {}
    for use in network.uses:
        read = made.get(use.reads)
        first = use.layout != "gates" or use.node not in found  # of an operation's matrices the first reads its input
        if read and first and use.layout not in _UNREAD:
            found.setdefault(use.node, []).append((use, min(read)))
    return found


def _recurrent(network: Network) -> dict[str, list[Use]]:
    uses = [use for use in network.uses if use.layout == "gates"]
    last = {use.name: use.node for use in uses}
    found: dict[str, list[Use]] = {}
    for use in uses:
        if last[use.name] == use.node:
            found.setdefault(use.node, []).append(use)
    return found


def seen_at(
    places: Places, n: fx.Node, value_of: Callable[[Any], Any], known: Callable[[fx.Node], UnitMoments | None]
) -> Iterator[tuple[tuple[str, str], Beside]]:
    """Everything that there is to see at a node, before it runs, each under a key of its own."""
    for use, entry in places.inputs.get(n.name, ()):
        read = next((each for each in n.all_input_nodes if each.name == use.reads), None)
        value = None if read is None else value_of(read)
        if _plain(value):
            axis = 1 if use.layout in {"conv", "conv_transpose"} and value.ndim > 2 else -1  # noqa: PLR2004
            made = partial(InputRow, name=entry, weight=use.name)
            yield (n.name, use.name), Beside(made, input_figures(value, axis))
    if n.name in places.recurrent:
        yield from _steps(places.recurrent[n.name], n, value_of)
    if n.name in places.added:
        found = added_figures(n, value_of)
        if found is not None:
            yield (n.name, "added"), Beside(partial(AddedRow, name=places.added[n.name], along=along(n)), found)
    if n.name in places.norms:
        yield from _norm(places, n, value_of, known)
    if n.name in places.attends:
        yield from _attention(places.attends[n.name], n, value_of)


def _steps(uses: list[Use], n: fx.Node, value_of: Callable[[Any], Any]) -> Iterator[tuple[tuple[str, str], Beside]]:
    given = map_arg(n.args, value_of)
    if not _plain(given[0]):
        return
    for place, (made, figures) in enumerate(recurrent_figures(op_name(n), given, [use.name for use in uses])):
        yield (n.name, f"step {place}"), Beside(made, figures)


def _norm(
    places: Places, n: fx.Node, value_of: Callable[[Any], Any], known: Callable[[fx.Node], UnitMoments | None]
) -> Iterator[tuple[tuple[str, str], Beside]]:
    nodes, op = arguments(n), places.norms[n.name]
    given = {name: value_of(each) for name, each in nodes.items()}
    if not _plain(given.get("input")) or given["input"].ndim < 2:  # noqa: PLR2004 - a batch of something
        return
    held = (getattr(nodes.get(name), "name", "") for name in ("weight", "bias", "running_mean"))
    name = next((places.names[each] for each in held if each in places.names), n.name)
    values, figures = norm_figures(op, given, known(nodes["input"]) if op == "batch_norm" else None)
    yield (n.name, "norm"), Beside(partial(_norm_row, name, op, values), figures)


def _norm_row(name: str, op: str, values: int, *, constant: float, std: float, untrained: float) -> NormRow:
    return NormRow(name, op, values, constant, std, bool(untrained))


def _attention(
    attends: Attends, n: fx.Node, value_of: Callable[[Any], Any]
) -> Iterator[tuple[tuple[str, str], Beside]]:
    given = {name: value_of(each) for name, each in arguments(n).items()}
    made = partial(AttentionRow, queries=attends.queries, keys=attends.keys)
    if _plain(given.get("query")) and _plain(given.get("key")) and given["query"].ndim > 1:
        yield (n.name, "attention"), Beside(made, attention_figures(given))
    elif _plain(given.get("self")) and given["self"].ndim > 1:
        yield (n.name, "attention"), Beside(made, softmax_figures(given["self"], given["dim"]))


def arguments(n: fx.Node) -> dict[str, Any]:
    """A node's arguments by the names that the operation gives them."""
    schema: Any = getattr(n.target, "_schema", None)
    names = [each.name for each in schema.arguments] if schema is not None else []
    return {**dict(zip(names, n.args, strict=False)), **n.kwargs}


def _plain(value: Any) -> TypeGuard[Tensor]:  # noqa: ANN401 - any value of the graph
    """True for a tensor of real numbers in memory that can be reduced like any other."""
    if not isinstance(value, torch.Tensor) or value.is_nested or value.layout != torch.strided:
        return False
    return value.is_floating_point() and value.numel() > 0 and value.element_size() > 1


def _as_given(row: InputRow, entries: Mapping[str, tuple[str, Tensor]]) -> InputRow:
    """By its place in the batch, and with the size that it has there."""
    if row.name not in entries:
        return row
    path, value = entries[row.name]
    size = value.detach().abs() if value.is_complex() else value.detach()
    return replace(row, name=path, given=float(all_moments(size.to(torch.get_default_dtype())).rms))


def beside(places: Places, seen: Iterable[Beside], batch: Batch) -> dict[str, tuple[Any, ...]]:
    """The rows by the field of a signal that holds them; an input by its place in the batch."""
    every = list(seen)
    given = [*named_tensors(batch.args, "args"), *named_tensors(dict(batch.kwargs), "kwargs")]
    entries = dict(zip(places.entries, given, strict=False))
    rows = [
        each.made(**numbers) for each, numbers in zip(every, fetched([each.figures for each in every]), strict=True)
    ]
    kinds: dict[str, type[Row]] = {
        "inputs": InputRow,
        "norms": NormRow,
        "attentions": AttentionRow,
        "gates": GateRow,
        "states": StateRow,
        "added": AddedRow,
    }
    rows = [_as_given(row, entries) if isinstance(row, InputRow) else row for row in rows]
    return {field: tuple(row for row in rows if isinstance(row, kind)) for field, kind in kinds.items()}
