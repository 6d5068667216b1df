"""All changes of a call, or none (law 3)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import increment_version

from initium.checks import writable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor


@contextlib.contextmanager
def all_or_nothing(*, undo: bool = True) -> Generator[Callable[[Tensor], Tensor]]:
    """Gives the function that opens a parameter for writing; on any exception every opened one gets its bytes back.

    The values of a parameter are copied when it is opened, unless ``undo`` is false: then there is no copy, and what was
    written stays. What is written into the opened tensor is hidden from
    autograd until the end, so that a call that fails leaves a graph that holds the parameter usable; a call that
    succeeds tells autograd that the values changed.

    Args:
        undo: Whether to keep the copies that make a way back.

    Yields:
        A function from a parameter to the tensor to write into. It refuses one whose elements share memory.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> try:
        ...     with all_or_nothing() as opened:
        ...         _ = opened(weight).zero_()
        ...         raise KeyboardInterrupt
        ... except KeyboardInterrupt:
        ...     print(weight.data)
        tensor([1., 1.])
    """
    saved: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def opened(parameter: Tensor) -> Tensor:
        data = writable(parameter.data)
        saved.append((parameter, data, data.clone() if undo else None))
        return data

    try:
        with torch.no_grad():
            yield opened
        for parameter, _, _ in saved:
            increment_version(parameter)
    except BaseException:
        with contextlib.ExitStack() as stack:  # the last one first, and every one, whatever becomes of another
            for parameter, data, before in saved:
                if before is None:
                    stack.callback(increment_version, parameter)
                else:
                    stack.callback(data.copy_, before)
        raise
