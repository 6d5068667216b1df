"""A model as it was before: every attribute, mode, hook and random state is put back (law 3)."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

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
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with random_state_kept(model), _values_kept([*tensors, *model.buffers(), *_renormalised(model)]):
            torch.backends.mha.set_fastpath_enabled(False)
            yield
    finally:
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
        with torch.no_grad():
            for tensor, version, before in saved:
                # BatchNorm writes its averages without a word.
                if tensor._version != version or not torch.equal(tensor, before):  # noqa: SLF001 - as above
                    tensor.detach().copy_(before)
