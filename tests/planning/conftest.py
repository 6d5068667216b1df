"""Small models whose parts have unequal fans."""

import pytest
import torch
from torch import nn

from initium.network import as_batch, read
from initium.planning import plan


class Mixed(nn.Module):
    """Tied, packed, recurrent, normalised, added and unclaimed parameters in one model."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(40, 16)
        self.places = nn.Parameter(torch.zeros(1, 7, 16))
        self.memory = nn.LSTM(16, 12, batch_first=True)
        self.norm = nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.wide = nn.Linear(12, 48)
        self.back = nn.Linear(48, 16)
        self.amount = nn.Parameter(torch.full((12,), 0.5))
        self.head = nn.Linear(16, 40, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x):
        h, _ = self.memory(self.tokens(x) + self.places)
        n = self.norm(h)
        h = h + self.amount * self.attention(n, n, n)[0]
        return self.head(self.back(nn.functional.relu(self.wide(h))))


@pytest.fixture
def mixed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Mixed()


@pytest.fixture
def mlp():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 50), nn.LeakyReLU(0.2), nn.Linear(50, 30), nn.Tanh(), nn.Linear(30, 4))


@pytest.fixture(scope="session")
def plan_of():
    """The plan of a model on a batch, or of the model alone."""

    def made(model, scheme="textbook", overrides=None, batch=None):
        return plan(read(model, as_batch(batch) if batch is not None else None), scheme, overrides)

    return made


def state_of(model):
    """Everything of a model that a failed call must leave as it was."""
    return {
        "bytes": [p.detach().cpu().clone().view(torch.uint8) for p in model.parameters() if not p.is_meta],
        "places": [p.data_ptr() for p in model.parameters() if not p.is_meta],
        "versions": [p._version for p in model.parameters()],
        "buffers": [b.clone() for b in model.buffers()],
        "trained": [p.requires_grad for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [list(m._forward_hooks) + list(m._forward_pre_hooks) for m in model.modules()],
        "generator": torch.get_rng_state(),
    }


def same(one, other):
    """Equal, tensors bit by bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and len(one) == len(other):
        return all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


@pytest.fixture(scope="session")
def state():
    return state_of


@pytest.fixture(scope="session")
def assert_unchanged():
    """Nothing of the model has changed since its state was taken."""

    def check(model, before):
        now = state_of(model)
        assert [key for key in now if not same(now[key], before[key])] == []

    return check
