"""Who turns (key, index) into values. All backends give the same bits, so the choice is one of speed alone.

``reference``, torch operations, serves any tensor; ``numba`` the CPU, once enough is drawn to be worth loading it;
``triton`` CUDA devices. ``INITIUM_BACKEND`` names one to be used for everything.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import torch

from initium.errors import ArgumentError
from initium.random._observed import observed
from initium.random._reference import Reference
from initium.random._verified import Verified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from initium.random._backend import Backend, Short
    from initium.random._laws import Law


_DISPATCH = "__torch_dispatch__"  # torch has it, and its stubs do not
_PLAIN = getattr(torch.Tensor, _DISPATCH)
VARIABLE = "INITIUM_BACKEND"
# os.environ recodes a name at each question, which takes as long as to fill 500 elements: what lies under it is asked.
_SET: Mapping[Any, str | bytes] = getattr(os.environ, "_data", os.environ)
_KEY = VARIABLE.encode() if os.supports_bytes_environ and _SET is not os.environ else VARIABLE
REFERENCE: Final = Reference()
# Elements. A fill so large is worth the second that loading Numba takes; small ones are, when they add up to so many,
# each call counting as many as the reference would fill while it gets going.
LARGE, PRICE, CALL = 1 << 20, 1 << 21, 7000


def backend_for(out: torch.Tensor) -> Backend:
    """The backend that fills a tensor: the one that INITIUM_BACKEND names, or the fastest for its device and size."""
    if not bare(out):
        return REFERENCE
    named = _SET.get(_KEY)
    if named:
        return _forced(os.fsdecode(named), out)
    if out.is_cpu:
        return _numba() if _RENT.due(int(out.numel())) else REFERENCE
    return _triton() if out.is_cuda else REFERENCE


def compiled_for(out: torch.Tensor, law: Law) -> Short | None:
    """What Numba compiled to fill such a tensor by a law, from (address, count, key), once it is loaded and believed."""
    if not out.is_cpu or forced() or _RENT.paid < PRICE:
        return None
    chosen = _numba()
    return chosen.compiled(out, law) if isinstance(chosen, Verified) else None


def forced() -> bool:
    """Whether the variable names a backend."""
    return bool(_SET.get(_KEY))


def bare(out: torch.Tensor) -> bool:
    """Whether a tensor is memory and nothing else: no subclass, mode or transform wants to see what is done to it."""
    # An address is missing where values are still to come: a functional or a zero tensor.
    return getattr(type(out), _DISPATCH) is _PLAIN and not observed() and (out.data_ptr() != 0 or not out.numel())


class _Rent:
    """The reference is rented, so to speak, until the rent that was paid comes near to the price of Numba."""

    def __init__(self) -> None:
        self.paid = 0

    def due(self, count: int) -> bool:
        """Whether to load Numba now, or whether it was."""
        self.paid += PRICE if count >= LARGE else count + CALL
        return self.paid >= PRICE


_RENT = _Rent()


def _forced(name: str, out: torch.Tensor) -> Backend:
    """The backend of that name, if it can fill that tensor."""
    if name not in _BACKENDS:
        raise ArgumentError(f"{VARIABLE} is one of {', '.join(_BACKENDS)}, or unset; got {name!r}.")
    serves, backend = _BACKENDS[name]
    if not serves(out):
        raise ArgumentError(
            f"{VARIABLE}={name} does not fill tensors on {out.device.type}. Unset it: the backend is then chosen by device."
        )
    return backend()


def _loaded(name: str) -> Backend:
    """A fast backend, or, where it cannot be imported, the reference and one warning."""
    try:
        fast: Backend = getattr(import_module(f"initium.random._{name}"), name.capitalize())()
    except Exception as error:  # noqa: BLE001  a compiler that does not fit its surroundings fails in many ways
        warnings.warn(
            f"{name} cannot be loaded ({type(error).__name__}: {error}), so tensors are filled by torch operations: the "
            f"same values, some 20 times more slowly. `pip install {name}`, or set {VARIABLE}=reference to be content.",
            RuntimeWarning,
            stacklevel=2,
        )
        return REFERENCE
    return Verified(fast, REFERENCE)


@cache
def _numba() -> Backend:
    return _loaded("numba")


@cache
def _triton() -> Backend:
    return _loaded("triton")


def _on_cuda_or_interpreted(out: torch.Tensor) -> bool:
    return out.is_cuda or (out.is_cpu and os.environ.get("TRITON_INTERPRET") == "1")


_BACKENDS: dict[str, tuple[Callable[[torch.Tensor], bool], Callable[[], Backend]]] = {
    "reference": (lambda _: True, lambda: REFERENCE),
    "numba": (lambda out: out.is_cpu, _numba),
    "triton": (_on_cuda_or_interpreted, _triton),
}
