"""What tests of diagnosis share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def drawn_alike() -> Iterator[None]:
    """What a test draws is the same whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
