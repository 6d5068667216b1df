"""A module and a batch to a graph of ATen operations, once; everything that thinks about a network walks that graph."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from initium.errors import BatchError, TraceError
from initium.network._guard import unchanged
from initium.network._leaves import map_tensors, replaced, tensors_in
from initium.network._watch import Watch, written

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from torch import Tensor, nn

    from initium.network._batch import Batch


@dataclass(frozen=True, slots=True)
class Trace:
    """A graph and what is needed to run it again.

    Attributes:
        graph: The operations. Its placeholders are the parameters, then the buffers, then the batch's tensors.
        parameters: The qualified names of the parameters, each tied one once.
        buffers: The qualified names of the buffers.
        output: The model's output as it came while tracing, with hollow tensors in it.
        fake: True where the tensors had shapes and no memory.
        written: Parameters that the forward pass itself writes to (weights clipped as they are used).
    """

    graph: fx.GraphModule
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    output: Any
    fake: bool
    written: frozenset[str] = frozenset()

    def bind(
        self, model: nn.Module, batch: Batch, values: Mapping[str, Tensor] | None = None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The tensors for the placeholders: detached parameters (no copies), clones of buffers and of the batch.

        A buffer is cloned because the forward pass may write to it (running statistics), and so is a parameter that it
        does write to. ``values`` take the place of the parameters that they name.
        """
        held = dict(model.named_parameters()) | dict(model.named_buffers()) | dict(values or {})
        parameters = [held[name].detach() for name in self.parameters]
        parameters = [
            tensor.clone() if name in self.written else tensor
            for name, tensor in zip(self.parameters, parameters, strict=True)
        ]
        buffers = [held[name].detach().clone() for name in self.buffers]
        return parameters, buffers, batch_tensors(batch)

    def rebuild(self, leaves: Sequence[Tensor]) -> Any:  # noqa: ANN401 - whatever the model returns
        """The model's output with these tensors in it, in the order in which the graph returns them."""
        return replaced(self.output, iter(leaves))


def batch_tensors(batch: Batch) -> list[Tensor]:
    """Copies of the batch's tensors, in the order of the graph's last placeholders; the target is not among them.

    Copies, because the forward pass may write to its input (an in-place activation as its first step).
    """
    return [tensor.detach().clone() for tensor in tensors_in((batch.args, dict(batch.kwargs)))]


def trace(model: nn.Module, batch: Batch) -> Trace:
    """Runs the model once under ``make_fx`` and leaves it as it was.

    A model on ``meta`` is run on fake tensors: shapes, no memory, no arithmetic.

    Raises:
        BatchError: The model itself cannot take the batch.
        TraceError: The model runs, but not under ``make_fx``; or it asks for values that a fake tensor has not.
    """
    with unchanged(model):
        try:
            return _trace(model, batch)
        except TraceError:
            raise
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            raise TraceError(_without_values(model, error)) from error
        except Exception as error:
            _raise_if_model_fails(model, batch)
            where = _where(model, error)
            raise TraceError(
                f"{type(model).__name__} runs, but could not be traced: {type(error).__name__}{where}: {str(error).rstrip('.')}. "
                "Trace the part that can be traced, or plan from the modules alone (batch=None)."
            ) from error


def _trace(model: nn.Module, batch: Batch) -> Trace:
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    state = [p.detach() for p in parameters.values()] + [b.detach().clone() for b in buffers.values()]
    inputs = batch_tensors(batch)
    mode = _fake_mode(state, inputs)
    names, output = [*parameters, *buffers], None

    def run(*tensors: Tensor) -> list[Tensor]:
        nonlocal output
        held = dict(zip(names, tensors, strict=False))
        args, kwargs = replaced((batch.args, dict(batch.kwargs)), iter(tensors[len(names) :]))
        output = functional_call(model, held, args, kwargs, tie_weights=True)
        return tensors_in(output)

    if mode is not None:
        state, inputs = [_faked(mode, t) for t in state], [_faked(mode, t) for t in inputs]
    watch = Watch([] if mode else parameters.values())
    try:
        with watch if mode is None else contextlib.nullcontext():
            graph = _make_graph(run, [*state, *inputs], mode)
        _refuse_unseen(model, watch, graph)
    finally:
        watch.put_back()
    hollow = map_tensors(output, lambda _: torch.empty(0, device="meta"))
    changed = _written(graph, tuple(parameters))
    return Trace(graph, tuple(parameters), tuple(buffers), hollow, fake=mode is not None, written=changed)


def _refuse_unseen(model: nn.Module, watch: Watch, graph: fx.GraphModule) -> None:
    """A value that no operation of the graph makes would be taken for a constant, and what it is made of for unused."""
    for value in watch.unseen(graph):
        raise TraceError(
            f"{type(model).__name__} computes a value of shape {tuple(value.shape)} where it cannot be traced: inside "
            "torch.func or vmap, by torch.autograd.grad within forward(), or through a reference to a weight that is kept "
            "outside of its module. Trace the part that can be traced, or plan from the modules alone (batch=None)."
        )


def _written(graph: fx.GraphModule, parameters: tuple[str, ...]) -> frozenset[str]:
    """The parameters that some operation writes to, itself or through views."""
    names = dict(zip((node for node in graph.graph.nodes if node.op == "placeholder"), parameters, strict=False))
    roots = [_root(given) for node in graph.graph.nodes for given in written(node.target, node.args)]
    return frozenset(names[root] for root in roots if root in names)


def _root(value: Any) -> Any:  # noqa: ANN401 - an argument of a node
    """The node whose memory a view shows."""
    while isinstance(value, fx.Node) and value.op == "call_function" and value.args:
        schema: Any = getattr(value.target, "_schema", None)
        if schema is None or not any(each.alias_info is not None for each in schema.returns):
            break
        value = value.args[0]
    return value


def _make_graph(run: Any, tensors: list[Tensor], mode: FakeTensorMode | None) -> fx.GraphModule:  # noqa: ANN401
    """``make_fx`` before dispatch; a value asked of a tensor (``item``, ``bool``, ``tolist``) is answered from it."""
    with mode or contextlib.nullcontext(), _quiet():
        made = make_fx(
            run,
            tracing_mode="real",
            pre_dispatch=True,
            _allow_non_fake_inputs=True,
            _error_on_data_dependent_ops=False,
        )(*tensors)
    _remove_dead(made.graph)
    made.recompile()
    return made


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """The model's own warnings are the model's affair: the run that trains it gives them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _remove_dead(graph: fx.Graph) -> None:
    """Drops operations that nobody reads and that change nothing."""
    for node in reversed(list(graph.nodes)):
        if node.op in {"call_function", "get_attr"} and not node.users and not _changes_something(node):
            graph.erase_node(node)


def _changes_something(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return node.op == "call_function" and node.target.__module__ != "_operator"
    return schema.is_mutable or node.is_impure()


def _fake_mode(state: list[Tensor], inputs: list[Tensor]) -> FakeTensorMode | None:
    every = [*state, *inputs]
    for tensor in every:
        if isinstance(tensor, FakeTensor):
            return tensor.fake_mode
    return FakeTensorMode(allow_non_fake_inputs=True) if any(t.is_meta for t in every) else None


def _faked(mode: FakeTensorMode, tensor: Tensor) -> Tensor:
    """A tensor with shape, strides and dtype only; one on ``meta`` is taken to stand on the CPU."""
    if isinstance(tensor, FakeTensor):
        return tensor
    with mode:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


def _raise_if_model_fails(model: nn.Module, batch: Batch) -> None:
    """Runs the model plainly, on clones of its buffers: a batch that does not fit is no fault of the tracer."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    tensors, hollow = batch_tensors(batch), any(tensor.is_meta for tensor in [*parameters.values(), *buffers.values()])
    try:
        with torch.no_grad(), _quiet():
            given = iter([tensor.to("meta") for tensor in tensors] if hollow else tensors)
            args, kwargs = replaced((batch.args, dict(batch.kwargs)), given)
            functional_call(model, parameters | buffers, args, kwargs)
    except Exception as error:
        if hollow and isinstance(
            error, NotImplementedError
        ):  # what torch raises where a meta tensor is asked for values
            raise TraceError(_without_values(model, error)) from error
        shapes = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in batch_tensors(batch))
        raise BatchError(
            f"{type(model).__name__} cannot take this batch ({shapes or 'no tensor'}){_where(model, error)}: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. {_whole_numbers(model)}Give what model(...) takes: a tensor, a tuple of positional arguments, "
            "a dict of keyword arguments, or initium.Batch(args, kwargs)."
        ) from error


def _whole_numbers(model: nn.Module) -> str:
    """A hint where a weight holds integers, which few operations multiply data with."""
    whole = [(n, p.dtype) for n, p in model.named_parameters() if not (p.is_floating_point() or p.is_complex())]
    return f"`{whole[0][0]}` holds {whole[0][1]}: convert it, .to(torch.float32). " if whole else ""


def _without_values(model: nn.Module, error: Exception) -> str:
    return (
        f"{type(model).__name__} goes where its data leads{_where(model, error)}, and there are no values on meta: "
        f"{str(error).rstrip('.')}. Trace it with memory and a real batch (model.to_empty(device=...), then initialise "
        "it), or plan from the modules alone (batch=None)."
    )


def _where(model: nn.Module, error: BaseException) -> str:
    """The innermost named layer on the error's stack, for the message."""
    names = {id(module): name for name, module in model.named_modules() if name}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = names.get(id(frame.f_locals.get("self")), found)
    return f" in layer `{found}` ({_short(model.get_submodule(found))})" if found else ""


def _short(module: nn.Module) -> str:
    return repr(module).splitlines()[0].rstrip("(")
