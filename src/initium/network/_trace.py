"""A module and a batch to a graph of ATen operations, once; everything that thinks about a network walks that graph."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from initium.errors import BatchError, TraceError
from initium.network._guard import unchanged
from initium.network._leaves import map_tensors, replaced, tensors_in

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from torch import Tensor, fx, nn

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
    """

    graph: fx.GraphModule
    parameters: tuple[str, ...]
    buffers: tuple[str, ...]
    output: Any
    fake: bool

    def bind(self, model: nn.Module, batch: Batch) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The tensors for the placeholders: detached parameters (no copies), clones of buffers and of the batch.

        A buffer is cloned because the forward pass may write to it (running statistics).
        """
        held = dict(model.named_parameters()) | dict(model.named_buffers())
        parameters = [held[name].detach() for name in self.parameters]
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
        TraceError: The model runs, but not under ``make_fx``.
    """
    with unchanged(model):
        try:
            return _trace(model, batch)
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
    graph = _make_graph(run, [*state, *inputs], mode)
    hollow = map_tensors(output, lambda _: torch.empty(0, device="meta"))
    return Trace(graph, tuple(parameters), tuple(buffers), hollow, fake=mode is not None)


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
    try:
        with torch.no_grad(), _quiet():
            args, kwargs = replaced((batch.args, dict(batch.kwargs)), iter(batch_tensors(batch)))
            functional_call(model, parameters | buffers, args, kwargs)
    except Exception as error:
        shapes = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in batch_tensors(batch))
        raise BatchError(
            f"{type(model).__name__} cannot take this batch ({shapes or 'no tensor'}){_where(model, error)}: "
            f"{type(error).__name__}: {str(error).rstrip('.')}. Give what model(...) takes: a tensor, a tuple of positional arguments, "
            "a dict of keyword arguments, or initium.Batch(args, kwargs)."
        ) from error


def _where(model: nn.Module, error: BaseException) -> str:
    """The innermost named layer on the error's stack, for the message."""
    names = {id(module): name for name, module in model.named_modules() if name}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = names.get(id(frame.f_locals.get("self")), found)
    return f" in layer `{found}` ({_short(model.get_submodule(found))})" if found else ""


def _short(module: nn.Module) -> str:
    return repr(module).splitlines()[0].rstrip("(")
