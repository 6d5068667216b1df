"""A model as it was before: every attribute, mode, hook and random state is put back (law 3)."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import nn

_CONTAINERS = (dict, list, set)


def _snapshot(module: nn.Module) -> dict[str, Any]:
    """A module's attributes; its own containers (hooks, flags, caches) are copied one level deep."""
    return {key: value.copy() if isinstance(value, _CONTAINERS) else value for key, value in vars(module).items()}


def _written_in_place(module: nn.Module) -> list[torch.Tensor]:
    """Tensors that a forward pass may write to and that no caller clones.

    They are plain attributes, and a table that renormalises its rows as they are looked up.
    """
    values = [value for key, value in vars(module).items() if key not in {"_parameters", "_buffers", "_modules"}]
    values += [part for value in values if isinstance(value, dict | list) for part in _parts(value)]
    found = [value for value in values if isinstance(value, torch.Tensor)]
    if getattr(module, "max_norm", None) is not None and isinstance(getattr(module, "weight", None), torch.Tensor):
        found.append(cast("torch.Tensor", module.weight))
    return [tensor for tensor in found if not (tensor.is_meta or tensor.is_inference())]


def _parts(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


@contextlib.contextmanager
def _values_kept(model: nn.Module) -> Generator[None]:
    """Puts the values back that were written in place; what was not written is not touched."""
    saved = [
        (tensor, tensor._version, tensor.detach().clone())  # noqa: SLF001 - torch's own word for "was it written"
        for module in model.modules()
        for tensor in _written_in_place(module)
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, version, before in saved:
                if tensor._version != version:  # noqa: SLF001 - as above
                    tensor.detach().copy_(before)


def _put_back(module: nn.Module, before: dict[str, Any], originals: dict[str, Any]) -> None:
    """Restores attributes; a container that was changed in place keeps its identity."""
    for key, original in originals.items():
        if isinstance(original, dict | set):
            original.clear()
            original.update(before[key])
        elif isinstance(original, list):
            original[:] = before[key]
    vars(module).clear()
    vars(module).update(originals)


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
    """Runs a forward pass that leaves no trace on the model's Python side, whatever happens.

    Parameters and buffers are not copied here: the caller runs on detached parameters and on clones of the buffers.
    """
    saved = [(module, _snapshot(module), dict(vars(module))) for module in model.modules()]
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        with random_state_kept(model), _values_kept(model):
            torch.backends.mha.set_fastpath_enabled(False)
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, before, originals in saved:
            _put_back(module, before, originals)
