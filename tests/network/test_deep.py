"""Graphs with more ways through them than can be walked one by one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initium.network import as_batch, read

# A sum with a branch doubles the ways: 2**100 of them are never walked.
DEPTH = 100


class Stream(nn.Module):
    """A residual stream; its answer is in two halves."""

    def __init__(self, step):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(DEPTH))
        self.step = step

    def forward(self, x):
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            x = self.step(x, layer)
        one, two = x.chunk(2, -1)
        return one * two


STEPS = {
    "sum": lambda x, layer: x + layer(x),
    "two sums of one branch": lambda x, layer: (x + layer(x)) + x.view(-1, 6),
    "dropout": lambda x, layer: x + F.dropout(x, 0.5, training=True) + layer(x),
    "gate": lambda x, layer: x * torch.sigmoid(layer(x)) + x,
    "norm": lambda x, layer: F.layer_norm(x + layer(x), (6,)),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_deep_stream_is_read_in_the_time_of_its_length(step):
    network = read(Stream(step), as_batch(torch.randn(8, 6)))
    assert len(network.uses) == DEPTH
    # The last weight alone goes nowhere but into the halves, unless something mixes its units before.
    assert [use.parts for use in network.uses[:-1]] == [1] * (DEPTH - 1)
    assert network.uses[-1].parts == (1 if step is STEPS["gate"] else 2)
