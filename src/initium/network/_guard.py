"""A model as it was before: every attribute, mode, hook and random state is put back (law 3)."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from initium.network._casting import cast_as, casting
from initium.network._python_state import keep, put_back

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from torch import Tensor, nn


@contextlib.contextmanager
def random_state_kept(model: nn.Module | None = None) -> Generator[None]:
    """Puts the random states of Python, NumPy and torch (CPU and the model's devices) back on leaving."""
    tensors = [] if model is None else [*model.parameters(), *model.buffers()]
    devices = sorted({tensor.device.index or 0 for tensor in tensors if tensor.is_cuda})
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the legacy state is what models draw from
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Generator[None]:
    """Runs a forward pass, or a loss, that leaves no trace on the model, whatever happens.

    Parameters are not copied here: the caller runs on detached ones. Buffers are, since a loss may call the model itself.
    """
    held, tensors = keep(model)
    fast, cast = torch.backends.mha.get_fastpath_enabled(), casting()
    try:
        with random_state_kept(model), _values_kept([*tensors, *model.buffers(), *_renormalised(model)]):
            torch.backends.mha.set_fastpath_enabled(False)
            yield
    finally:
        cast_as(cast)
        torch.backends.mha.set_fastpath_enabled(fast)
        put_back(held)


def _renormalised(model: nn.Module) -> Iterator[Tensor]:
    """Tables that shorten their rows as they are looked up."""
    for module in model.modules():
        if getattr(module, "max_norm", None) is not None and isinstance(getattr(module, "weight", None), torch.Tensor):
            yield cast("Tensor", module.weight)


@contextlib.contextmanager
def _values_kept(tensors: list[Tensor]) -> Generator[None]:
    """Puts the values back that were written in place; what was not written is not touched."""
    saved = [
        (tensor, tensor._version, tensor.detach().clone())  # noqa: SLF001 - torch's own word for "was it written"
        for tensor in tensors
        if not (tensor.is_meta or tensor.is_inference())
    ]
    try:
        yield
    finally:
        with torch.no_grad(), contextlib.ExitStack() as stack:  # every one, whatever becomes of another
            for tensor, version, before in saved:
                stack.callback(_put_back, tensor, version, before)


def _put_back(tensor: Tensor, version: int, before: Tensor) -> None:
    # BatchNorm writes its averages without a word.
    if tensor._version == version and _equal(tensor, before):  # noqa: SLF001 - torch's own word for "was it written"
        return
    if tensor.layout == torch.strided or tensor.is_nested:
        tensor.detach().copy_(before)
        return
    if tensor.layout != torch.sparse_coo and tensor._nnz() != before._nnz():  # noqa: SLF001 - no public name
        tensor.resize_as_sparse_(before)
    tensor.copy_(before)  # itself: a detached sparse tensor has indices of its own


def _equal(one: Tensor, other: Tensor) -> bool:
    """By what a layout stores; of a dtype that torch cannot compare, the version alone tells."""
    pairs = zip(_stored(one), _stored(other), strict=False)
    try:
        return one.shape == other.shape and all(torch.equal(a, b) for a, b in pairs)
    except NotImplementedError:
        return True


def _stored(tensor: Tensor) -> tuple[Tensor, ...]:
    """The plain tensors that a tensor consists of."""
    if tensor.is_nested:
        return tensor.unbind()
    match tensor.layout:
        case torch.sparse_coo:
            return (tensor._indices(), tensor._values())  # noqa: SLF001 - the public ones want it coalesced
        case torch.sparse_csr | torch.sparse_bsr:
            return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
        case torch.sparse_csc | torch.sparse_bsc:
            return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())
        case _:
            return (tensor,)
