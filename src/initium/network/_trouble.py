"""What is said when a model cannot be traced: whose fault it is, where, and what to do."""

from __future__ import annotations

import contextlib
import logging
import traceback
import warnings
from typing import TYPE_CHECKING

import torch
from torch import nn

from initium.errors import BatchError, TraceError
from initium.network._batch import batch_tensors, called_with
from initium.network._called import called
from initium.network._leaves import named_tensors
from initium.network._watch import Watch, blind

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from torch import Tensor, fx

    from initium.network._batch import Batch

_FAKE = "torch._subclasses.fake_tensor"  # the logger of operations on shapes alone


def refuse_scripted(model: nn.Module) -> None:
    """Refuses a model of which some module is TorchScript.

    Raises:
        TraceError: Naming the module.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise TraceError(
                f"`{name or 'the model'}` is TorchScript, which cannot be traced. Give the module that it was scripted "
                "from, or plan from the modules alone (batch=None)."
            )


def refuse_sharded(model: nn.Module) -> None:
    """What holds a part of a weight gathers the whole out of the tracer's sight."""
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "device_mesh"):
            raise TraceError(
                f"`{name}` is sharded ({type(parameter).__name__}), and a sharded model cannot be traced. Plan before it is "
                "sharded (on the meta device it needs no memory), or from the modules alone (batch=None)."
            )


def refuse_nested(batch: Batch) -> None:
    """The sizes of a nested tensor are no numbers that a graph could hold."""
    for name, tensor in [*named_tensors(batch.args, "args"), *named_tensors(dict(batch.kwargs), "kwargs")]:
        if tensor.is_nested:
            raise TraceError(
                f"`{name}` of the batch is a nested tensor ({tensor.dtype}, {tensor.layout}), which cannot be traced. Give it "
                "padded, torch.nested.to_padded_tensor(x, 0.0), with the mask that the model then takes; lsuv has mask= for "
                "the positions that count."
            )


def refuse_unseen(model: nn.Module, watch: Watch, graph: fx.GraphModule) -> None:
    """A value that no operation of the graph makes would be taken for a constant, and what it is made of for unused."""
    for value in watch.unseen(graph):
        raise TraceError(
            f"{type(model).__name__} computes a value of shape {tuple(value.shape)} where it cannot be traced: by "
            "operations in torch.func or torch.autograd.grad that have no graph, or through a reference to a weight that is kept "
            "outside of its module. Trace the part that can be traced, or plan from the modules alone (batch=None)."
        )
    if blind(graph, len(list(model.parameters()))):
        raise TraceError(
            f"no parameter of {type(model).__name__} reaches its output where it can be traced: the work is done in other "
            "threads or processes. Pass the part that does it, or plan from the modules alone (batch=None)."
        )


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """The model's own warnings are the model's affair: the run that trains it gives them again.

    So are the stacks that torch logs where an operation refuses shapes alone: the error that follows says the same.
    """
    log = logging.getLogger(_FAKE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.addFilter(_unsaid)
        try:
            yield
        finally:
            log.removeFilter(_unsaid)


def _unsaid(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("failed while attempting to run meta")


def raise_if_model_fails(model: nn.Module, batch: Batch) -> None:
    """Runs the model plainly, on clones of its buffers: a batch that does not fit is no fault of the tracer.

    A model that fails on plain tensors and runs on its own parameters (it asks whether they are parameters), or where
    gradients are taken (it differentiates in its forward pass), takes the batch.
    """
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    hollow = any(tensor.is_meta for tensor in [*parameters.values(), *buffers.values()])
    watch = Watch([] if hollow else parameters.values())
    plain = {name: parameter.detach() for name, parameter in parameters.items()}
    # Parameters of the same memory: a backward() within the forward pass fills their .grad and not the model's.
    own = {name: nn.Parameter(p.detach(), requires_grad=p.requires_grad) for name, p in parameters.items()}
    tries: list[tuple[Mapping[str, Tensor], bool]] = [(plain, False), (parameters, False), (own, True)]
    try:
        errors = [_failure(model, batch, ours, watch, hollow=hollow, grad=grad) for ours, grad in tries]
    finally:
        watch.put_back()
    error = errors[0]
    if error is None or None in errors or _watched(error):
        return
    if hollow and _asks_for_values(error):
        raise TraceError(without_values(model, error)) from error
    raise BatchError(_unfit(model, batch, error)) from error


def _watched(error: Exception) -> bool:
    """True for what older versions of torch raise for torch.cond and its like where somebody watches: no fault of the model."""
    return isinstance(error, NotImplementedError) and "registered for HOP" in str(error)


def _asks_for_values(error: Exception) -> bool:
    """True for what torch raises where a meta tensor is asked for values."""
    return isinstance(error, NotImplementedError) or "meta tensor" in str(error)


def _failure(
    model: nn.Module, batch: Batch, parameters: Mapping[str, Tensor], watch: Watch, *, hollow: bool, grad: bool
) -> Exception | None:
    tensors = batch_tensors(batch)
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    args, kwargs = called_with(batch, [tensor.to("meta") for tensor in tensors] if hollow else tensors)
    try:
        with torch.set_grad_enabled(grad), quiet(), watch:
            called(model, dict(parameters) | buffers, args, kwargs)
    except Exception as error:  # noqa: BLE001 - whatever a model raises is told to the caller
        return error
    return None


def _unfit(model: nn.Module, batch: Batch, error: Exception) -> str:
    shapes = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in batch_tensors(batch))
    return (
        f"{type(model).__name__} cannot take this batch ({shapes or 'no tensor'}){where_in(model, error)}: "
        f"{type(error).__name__}: {str(error).rstrip('.')}. {_whole_numbers(model)}Give what model(...) takes: a tensor, a "
        "tuple of positional arguments, a dict of keyword arguments, or initium.Batch(args, kwargs)."
    )


def _whole_numbers(model: nn.Module) -> str:
    """A hint where a weight holds integers, which few operations multiply data with."""
    whole = [(n, p.dtype) for n, p in model.named_parameters() if not (p.is_floating_point() or p.is_complex())]
    return f"`{whole[0][0]}` holds {whole[0][1]}: convert it, .to(torch.float32). " if whole else ""


def without_values(model: nn.Module, error: Exception) -> str:
    """What to say of a model on ``meta`` that asks for the values of its data."""
    return (
        f"{type(model).__name__} goes where its data leads{where_in(model, error)}, and there are no values on meta: "
        f"{str(error).rstrip('.')}. Trace it with memory and a real batch (model.to_empty(device=...), then initialise "
        "it), or plan from the modules alone (batch=None)."
    )


def where_in(model: nn.Module, error: BaseException) -> str:
    """The innermost named layer on the error's stack, for the message."""
    names = {id(module): name for name, module in model.named_modules() if name}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = names.get(id(frame.f_locals.get("self")), found)
    return f" in layer `{found}` ({_short(model.get_submodule(found))})" if found else ""


def _short(module: nn.Module) -> str:
    return repr(module).splitlines()[0].rstrip("(")
