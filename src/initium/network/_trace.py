"""A module and a batch to a graph of ATen operations, once; everything that thinks about a network walks that graph."""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.fx._lazy_graph_module import _use_lazy_graph_module  # pyright: ignore[reportPrivateUsage] - no public name
from torch.fx.experimental.proxy_tensor import make_fx

from initium.errors import TraceError
from initium.network._batch import batch_tensors, called_with
from initium.network._called import called
from initium.network._choices import take_choices
from initium.network._guard import unchanged
from initium.network._hollow import HollowMode, PartlyHollow
from initium.network._leaves import map_tensors, tensors_in
from initium.network._noted import noting_shapes
from initium.network._ops import QUESTIONS, op_name
from initium.network._own_backward import own_backwards
from initium.network._pairs import in_pairs
from initium.network._recorder import record
from initium.network._rejoined import root
from initium.network._saved import join_saved
from initium.network._traced import Trace, shapes_of
from initium.network._trouble import (
    quiet,
    raise_if_model_fails,
    refuse_nested,
    refuse_scripted,
    refuse_sharded,
    refuse_unseen,
    where_in,
    without_values,
)
from initium.network._watch import Calls, LightWatch, Watch, written

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from torch import Tensor

    from initium.network._batch import Batch
    from initium.network._noted import Hearing


def trace(
    model: nn.Module,
    batch: Batch,
    values: Mapping[str, Tensor] | None = None,
    *,
    hollow: bool = False,
    hearing: Hearing | None = None,
) -> Trace:
    """Runs the model once, writes down the operations, and leaves it as it was.

    A model on ``meta`` is run on fake tensors: shapes, no memory, no arithmetic. With ``hollow`` any model is, as long as
    nobody asks for a value that depends on its weights. ``values`` take the place of the parameters that they name. Who is
    ``hearing`` is shown what the operations give.

    Raises:
        BatchError: The model itself cannot take the batch.
        TraceError: The model runs, but not while it is traced; or it asks for values that a fake tensor has not.
    """
    if hollow and (made := trace_hollow(model, batch)) is not None:
        return made
    _refuse(model, batch)
    failures: list[TraceError] = []
    for way in _WAYS:
        try:
            with unchanged(model), _uncompiled(), torch.inference_mode(mode=False), torch.enable_grad():
                return _attempt(model, batch, way, values or {}, hearing)
        except TraceError as error:
            if isinstance(error.__cause__, DataDependentOutputException | DynamicOutputShapeException):
                raise failures[0] if failures else error from None
            failures += [error] * (not way.fast)
    raise failures[0]


def _refuse(model: nn.Module, batch: Batch) -> None:
    refuse_scripted(model)
    refuse_sharded(model)
    refuse_nested(batch)


def trace_hollow(model: nn.Module, batch: Batch) -> Trace | None:
    """A trace without the model's work; ``None`` where it cannot be had, for whatever reason: the real one says that."""
    _refuse(model, batch)
    for way in _WAYS:
        try:
            with unchanged(model), _uncompiled(), torch.inference_mode(mode=False), torch.enable_grad():
                made = _trace(model, batch, replace(way, hollow=True), {})
        except (DataDependentOutputException, DynamicOutputShapeException):
            return None
        except Exception:  # noqa: BLE001, S112 - as above
            continue
        nodes = (node for node in made.graph.graph.nodes if node.op == "get_attr")
        constants = [getattr(made.graph, str(node.target), None) for node in nodes]
        return None if any(isinstance(each, FakeTensor) for each in constants) else made
    return None


def _attempt(model: nn.Module, batch: Batch, way: _Way, values: Mapping[str, Tensor], hearing: Hearing | None) -> Trace:
    try:
        return _trace(model, batch, way, values, hearing)
    except TraceError:
        raise
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise TraceError(without_values(model, error)) from error
    except Exception as error:
        if not way.fast:
            raise_if_model_fails(model, batch)
        where = where_in(model, error)
        raise TraceError(
            f"{type(model).__name__} runs, but could not be traced: {type(error).__name__}{where}: {str(error).rstrip('.')}. "
            "Trace the part that can be traced, or plan from the modules alone (batch=None)."
        ) from error


@dataclass(frozen=True, slots=True)
class _Way:
    """How a model is traced.

    Attributes:
        own: Its parameters are parameters and require a gradient, as the model may ask or need; else plain tensors, which
            keep no activation for a backward pass.
        below: Below autograd, where what ``torch.func`` and ``torch.autograd.grad`` make of operations is seen, and the
            high-level operations and ``no_grad()`` are not.
        hollow: Its parameters have no memory, and the batch has.
        fast: By the recorder of this library, which knows less than ``make_fx`` does.
    """

    own: bool
    below: bool
    hollow: bool = False
    fast: bool = False


# What a trace patches is the process's; two threads that trace take turns.
_TURN = threading.RLock()
_WAYS = (
    _Way(own=False, below=False, fast=True),
    _Way(own=False, below=False),
    _Way(own=True, below=False),
    _Way(own=True, below=True),
)


def _trace(
    model: nn.Module, batch: Batch, way: _Way, values: Mapping[str, Tensor], hearing: Hearing | None = None
) -> Trace:
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    # Before the model runs: a buffer that it makes then is taken back.
    shapes, modes = shapes_of(model), tuple(module.training for module in model.modules())
    state, inputs, mode = _given(parameters, buffers, batch, way, values)
    names, output = [*parameters, *buffers], None

    def run(*tensors: Tensor) -> list[Tensor]:
        nonlocal output
        held = dict(zip(names, tensors, strict=False))
        args, kwargs = called_with(batch, tensors[len(names) :])
        output = called(model, held, args, kwargs)
        return tensors_in(output)

    watch = (LightWatch if way.fast else Watch)([] if mode else parameters.values())
    try:
        with _TURN, watch, own_backwards() as own:
            graph = _make_graph(run, [*state, *inputs], mode, hearing, way)
        refuse_unseen(model, watch, graph)
        watch.keep_drawn(graph)
    finally:
        watch.put_back()
    in_pairs(graph.graph, len(parameters))
    if way.below:
        join_saved(graph.graph)
    asked = tuple(dict.fromkeys(_asked(graph, len(parameters))))
    asks = any(op_name(node) in QUESTIONS for node in graph.graph.nodes)
    choices = take_choices(graph.graph)
    places = dict(zip(parameters, graph.graph.nodes, strict=False))
    read = {name for name, node in places.items() if node.users}
    _remove_dead(graph.graph)
    graph.recompile()
    return Trace(
        graph=graph,
        parameters=tuple(parameters),
        buffers=tuple(buffers),
        output=map_tensors(output, lambda _: torch.empty(0, device="cpu")),  # a packed sequence takes no other device
        fake=mode is not None and not way.hollow,
        written=_written(graph, tuple(parameters)),
        asked=asked,
        asks=asks,
        functions=tuple(own.names),
        backwards=tuple(own.standing(graph.graph)),
        missed=tuple(own.missed),
        shapes=shapes,
        modes=modes,
        below=way.below,
        choices=choices,
        spent=frozenset(name for name in read if not places[name].users),
    )


def _given(
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    batch: Batch,
    way: _Way,
    values: Mapping[str, Tensor],
) -> tuple[list[Tensor], list[Tensor], FakeTensorMode | None]:
    """The tensors with which a model is traced, its own and the batch's, and the mode that they have where they have no memory."""
    state = [values.get(name, p).detach() for name, p in parameters.items()]
    state += [b.detach().clone() for b in buffers.values()]
    inputs = batch_tensors(batch)
    mode = PartlyHollow() if way.hollow else _fake_mode(state, inputs)
    if isinstance(mode, PartlyHollow):
        known = [position >= len(parameters) and not t.is_floating_point() for position, t in enumerate(state)]
        state = [t if each else _faked(mode, t) for t, each in zip(state, known, strict=True)]
    elif mode is not None:
        state, inputs = [_faked(mode, t) for t in state], [_faked(mode, t) for t in inputs]
    if way.own:
        state[: len(parameters)] = [
            nn.Parameter(tensor, parameter.requires_grad)
            for tensor, parameter in zip(state, parameters.values(), strict=False)
        ]
    return state, inputs, mode


def _asked(graph: fx.GraphModule, parameters: int) -> Iterator[str]:
    """The questions to values that depend on a parameter."""
    depends = set[fx.Node]()
    for position, node in enumerate(graph.graph.nodes):
        if position < parameters or any(parent in depends for parent in node.all_input_nodes):
            depends.add(node)
            where = op_name(node) == "where" and len(node.args) == 1  # the places at which it is true
            if where or op_name(node) in QUESTIONS:
                yield op_name(node)


def _written(graph: fx.GraphModule, parameters: tuple[str, ...]) -> frozenset[str]:
    """The parameters that some operation writes to, itself or through views."""
    names = dict(zip((node for node in graph.graph.nodes if node.op == "placeholder"), parameters, strict=False))
    roots = [root(given) for node in graph.graph.nodes for given in written(node.target, node.args)]
    return frozenset(names[each] for each in roots if each in names)


def _make_graph(
    run: Callable[..., list[Tensor]],
    tensors: list[Tensor],
    mode: FakeTensorMode | None,
    hearing: Hearing | None,
    way: _Way,
) -> fx.GraphModule:
    """The graph of a run; a value asked of a tensor (``item``, ``bool``, ``tolist``) is answered from it."""
    calls = Calls(below=way.below)

    def watched(*tensors: Tensor) -> list[Tensor]:
        with calls:
            return run(*tensors)

    with mode or contextlib.nullcontext(), quiet():
        made = (
            record(watched, tensors, hearing) if way.fast else _by_make_fx(watched, tensors, hearing, below=way.below)
        )
    calls.remove_idle(made.graph)
    return made


def _by_make_fx(
    run: Callable[..., list[Tensor]], tensors: list[Tensor], hearing: Hearing | None, *, below: bool
) -> fx.GraphModule:
    with noting_shapes(hearing), _use_lazy_graph_module(should_use=True):
        return make_fx(
            run,
            tracing_mode="real",
            pre_dispatch=not below,
            _allow_non_fake_inputs=True,
            _error_on_data_dependent_ops=False,
        )(*tensors)


@contextlib.contextmanager
def _uncompiled() -> Generator[None]:
    """What ``torch.compile`` wrapped runs as it was written; there is nothing to do before dynamo is loaded."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
        return
    with dynamo.config.patch(error_on_nested_fx_trace=False):
        yield


def _remove_dead(graph: fx.Graph) -> None:
    """Drops operations that nobody reads and that change nothing."""
    for node in reversed(list(graph.nodes)):
        if node.op in {"call_function", "get_attr"} and not node.users and not changes_something(node):
            graph.erase_node(node)


def changes_something(node: fx.Node) -> bool:
    """True for what cannot be left out or run twice: it writes, draws or stops."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return node.op == "call_function" and node.target.__module__ != "_operator"
    return schema.is_mutable or node.is_impure()


def _fake_mode(state: list[Tensor], inputs: list[Tensor]) -> FakeTensorMode | None:
    every = [*state, *inputs]
    for tensor in every:
        if isinstance(tensor, FakeTensor):
            return tensor.fake_mode
    return HollowMode() if any(t.is_meta for t in every) else None


def _faked(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """A tensor with shape, strides and dtype only; one on ``meta`` is taken to stand on the CPU."""
    if isinstance(tensor, FakeTensor):
        return tensor
    # Made by hand: by way of the mode each would cost a millisecond.
    bare = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
    return FakeTensor(mode, bare, torch.device("cpu"))
