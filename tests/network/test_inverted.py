"""Matrices whose determinant or inverse a network takes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.network import Batch, read


class Mixing(nn.Module):
    """Glow's 1x1 convolution between two others: what it multiplies, and the volume that it counts."""

    def __init__(self, volume):
        super().__init__()
        self.weight, self.volume = nn.Parameter(torch.randn(6, 6)), volume
        self.first, self.last = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 3, 1)

    def forward(self, x):
        x = F.conv2d(self.first(x), self.weight[:, :, None, None])
        kept, turned = x.chunk(2, 1)
        return self.last(torch.cat((kept, turned.tanh()), 1)), self.volume(self.weight)


VOLUMES = {
    "slogdet": lambda w: torch.linalg.slogdet(w)[1],
    "of its transpose": lambda w: torch.slogdet(w.T)[1],
    "det": torch.det,
    "inverse": torch.linalg.inv,
}


@pytest.mark.parametrize("volume", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("scheme", ["textbook", "auto"])
def test_a_matrix_whose_volume_is_counted_keeps_it(volume, scheme):
    torch.manual_seed(0)
    net, x = Mixing(volume), torch.randn(4, 3, 5, 5)
    assert [facts.name for facts in read(net, Batch((x,))).parameters if facts.inverted] == ["weight"]
    initium.initialize(net, x, scheme, seed=0)
    torch.testing.assert_close(net.weight @ net.weight.T, torch.eye(6), rtol=0, atol=1e-5)


def test_a_matrix_that_only_multiplies_is_not_inverted():
    network = read(Mixing(lambda w: w.sum()), Batch((torch.randn(4, 3, 5, 5),)))
    assert not any(facts.inverted for facts in network.parameters)
