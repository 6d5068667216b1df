"""All changes of a call, or none (law 3)."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import increment_version

from initium.checks import writable
from initium.planning._journal import Journal, undo_of
from initium.planning._waiting import interrupts_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from torch import Tensor

    from initium.planning._journal import Undo


@contextlib.contextmanager
def all_or_nothing(*, undo: Undo = True) -> Generator[Callable[[Tensor], Tensor]]:
    """Gives the function that opens a parameter for writing; on any exception every opened one gets its bytes back.

    The values of a parameter are kept when it is opened: in a temporary file, so that they take none of the memory that the
    call needs, or in memory. What is written into the opened tensor is hidden from autograd until the end, so that a call
    that fails leaves a graph that holds the parameter usable; a call that succeeds tells autograd that the values changed.

    Args:
        undo: Where the old values are kept. ``True``: more than 1 MiB in a temporary file, which has no name where the system
            allows that and is gone with the process, however it ends. It lies in ``tempfile.gettempdir()``, or in
            ``/var/tmp`` where that one is memory, and takes half of what is free there at most; where no disk has room, or a
            write fails, they stay in memory. ``"memory"``: a copy on the parameter's own device. ``False``: nowhere, and
            what was written stays.

    Yields:
        A function from a parameter to the tensor to write into. It refuses one whose elements share memory.

    Raises:
        ArgumentTypeError: ``undo`` is none of these.

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
    asked = undo_of(undo)
    journal = Journal(asked) if asked else None
    saved: list[tuple[Tensor, Callable[[], object] | None]] = []

    def opened(parameter: Tensor) -> Tensor:
        data = writable(parameter.data)
        saved.append((parameter, journal.kept(data) if journal else None))  # kept first, then written
        return data

    with contextlib.closing(journal) if journal else contextlib.nullcontext():
        try:
            with torch.no_grad():
                yield opened
            for parameter, _ in saved:
                increment_version(parameter)
        except BaseException:
            with (
                interrupts_wait(),
                contextlib.ExitStack() as stack,
            ):  # the last one first, and every one, whatever becomes of another
                for parameter, back in saved:
                    stack.callback(back or partial(increment_version, parameter))
            raise


def exchange(pairs: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Writes new values into parameters, all or none; what held the new ones then holds the old ones.

    So the way back takes no memory but that of the largest parameter.

    Args:
        pairs: A parameter, and what it gets: a tensor of nobody else's.

    Example:
        >>> import torch
        >>> weight, new = torch.nn.Parameter(torch.zeros(2)), torch.ones(2)
        >>> exchange([(weight, new)])
        >>> weight.data, new
        (tensor([1., 1.]), tensor([0., 0.]))
    """
    written: list[tuple[Tensor, Tensor, Tensor]] = []
    try:
        with torch.no_grad():
            for parameter, value in pairs:
                data = writable(parameter.data)
                before = data.clone()
                written.append((parameter, data, before))  # first: an interrupt may come before the copy is done
                data.copy_(value)
                if value.dtype == data.dtype:  # else what it holds would be a rounding
                    value.copy_(before)
                    written[-1] = (parameter, data, value)
                del before  # or it would be held while the next one is copied
        for parameter, _, _ in written:
            increment_version(parameter)
    except BaseException:
        with interrupts_wait(), contextlib.ExitStack() as stack:  # as above
            for _, data, before in written:
                stack.callback(data.copy_, before)
        raise
