"""Networks with a state over time."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    """Embedding, two bidirectional recurrent layers, a head on the last step."""

    def __init__(self, kind):
        super().__init__()
        self.table = nn.Embedding(23, 12)
        self.cells = kind(12, 10, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.norm, self.head = nn.LayerNorm(20), nn.Linear(20, 4)

    def forward(self, tokens):
        return self.head(self.norm(self.cells(self.table(tokens))[0][:, -1]))


def _classifier(kind):
    return Classifier(kind), torch.randint(0, 23, (6, 9))


lstm = partial(_classifier, partial(nn.LSTM, proj_size=0))
gru = partial(_classifier, nn.GRU)
rnn = partial(_classifier, partial(nn.RNN, nonlinearity="relu"))


class Selective(nn.Module):
    """A Mamba block: causal depthwise convolution, input-dependent steps, a scan, a gate."""

    def __init__(self, width, inner, states, rank):
        super().__init__()
        self.rank, self.states = rank, states
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, 4, padding=3, groups=inner)
        self.select, self.step = nn.Linear(inner, rank + 2 * states, bias=False), nn.Linear(rank, inner)
        self.decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))
        self.through = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        length = x.shape[1]
        hidden, gate = self.enter(self.norm(x)).chunk(2, -1)
        hidden = F.silu(self.conv(hidden.transpose(1, 2))[..., :length].transpose(1, 2))
        rank, write, read = self.select(hidden).split([self.rank, self.states, self.states], -1)
        step = F.softplus(self.step(rank))[..., None]
        keep = torch.exp(step * -torch.exp(self.decay))
        add = step * write[:, :, None] * hidden[..., None]
        state, seen = torch.zeros_like(add[:, 0]), []
        for time in range(length):
            state = keep[:, time] * state + add[:, time]
            seen.append((state * read[:, time, None]).sum(-1))
        scanned = torch.stack(seen, 1) + self.through * hidden
        return x + self.out(scanned * F.silu(gate))


class Mamba(nn.Module):
    """Two blocks between an embedding and a head tied to it."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(23, 12)
        self.blocks = nn.Sequential(*(Selective(12, 20, 4, 3) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 23, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.table(tokens))))


def mamba():
    return Mamba(), torch.randint(0, 23, (4, 7))
