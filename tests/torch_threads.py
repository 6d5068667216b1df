"""torch's number of threads, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(number: int) -> Iterator[int]:
    """So many threads; afterwards as many as before, and nobody changed the number meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield number
        assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(before)
