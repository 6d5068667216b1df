"""Whether somebody watches what is done to tensors: then the work must be torch's operations, and on tensors made there."""

from __future__ import annotations

import torch
from torch._C import (
    _functorch,  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]  torch's stubs leave it out
    _is_tracing,  # pyright: ignore[reportPrivateUsage]
    _len_torch_dispatch_stack,  # pyright: ignore[reportPrivateUsage]  the public question costs as much as a small fill
)


def observed() -> bool:
    """A mode (a trace, fake tensors), a transform (``vmap``, ``grad``) or a compiler sees every operation."""
    return torch.compiler.is_compiling() or watched()


def watched() -> bool:
    """The same for who knows already that no compiler is at work."""
    return bool(_len_torch_dispatch_stack() or _functorch.peek_interpreter_stack() is not None or _is_tracing())
