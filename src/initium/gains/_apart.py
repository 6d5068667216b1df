"""A place where a function has one value: outside of traces, fake modes and defaults, and leaving no trace itself."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]  no public name does it

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def apart() -> Generator[None]:
    """Evaluate as if nothing were traced, faked or transformed, on the CPU; torch's generator comes back as it was.

    A moment is a number of the function alone. Inside a trace its operations would land in the graph, in a fake mode
    they would have no values, in a transform of `torch.func` no gradient of their own, and a default device or half-precision default would change the function's constants.
    """
    with ExitStack() as stack:
        stack.enter_context(temporarily_clear_interpreter_stack())
        stack.enter_context(_disable_current_modes())
        # Each is entered only where it changes something: a device context slows every operation, and the default
        # dtype is one for all threads. float64 stays, since constants of more digits are the user's wish.
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() not in {torch.float32, torch.float64}:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        stack.callback(_put_back, torch.get_rng_state())
        yield


def _put_back(before: torch.Tensor) -> None:
    """Set the generator only where it moved: a state that was never touched is not written."""
    if not torch.equal(torch.get_rng_state(), before):
        torch.set_rng_state(before)
