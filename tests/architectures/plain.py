"""Perceptrons and what is done to them: order, reuse, bare parameters, questions, graphs, odd outputs."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


def mlp():
    layers = [nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 5)]
    return nn.Sequential(*layers), torch.randn(16, 12)


class Backwards(nn.Module):
    """Its modules are registered in another order than they run."""

    def __init__(self):
        super().__init__()
        self.head, self.third, self.second, self.first = (
            nn.Linear(24, 3),
            nn.Linear(16, 24),
            nn.Linear(20, 16),
            nn.Linear(12, 20),
        )

    def forward(self, x):
        return self.head(F.silu(self.third(F.selu(self.second(torch.sigmoid(self.first(x)))))))


def backwards():
    return Backwards(), torch.randn(16, 12)


class Bare(nn.Module):
    """Nothing but parameters: products by operator, einsum, addmm, baddbmm, a weight on the left."""

    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(12, 32)), nn.Parameter(torch.randn(32))
        self.heads = nn.Parameter(torch.randn(4, 32, 8))
        self.stack, self.offset = nn.Parameter(torch.randn(4, 8, 6)), nn.Parameter(torch.randn(4, 1, 6))
        self.left = nn.Parameter(torch.randn(10, 6))
        self.out, self.out_bias = nn.Parameter(torch.randn(40, 3)), nn.Parameter(torch.randn(3))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        hidden = F.relu(x @ self.w + self.b)
        heads = torch.einsum("bi,eio->ebo", hidden, self.heads).tanh()
        mixed = torch.baddbmm(self.offset, heads, self.stack)
        left = F.gelu(torch.matmul(self.left, mixed.transpose(1, 2)))
        flat = left.permute(2, 0, 1).flatten(1) * self.scale
        return torch.addmm(self.out_bias, flat, self.out)


def bare():
    return Bare(), torch.randn(16, 12)


class Hypernetwork(nn.Module):
    """The main layer's weight is what another network makes of a learned code."""

    def __init__(self):
        super().__init__()
        self.code = nn.Parameter(torch.randn(1, 8))
        self.make, self.mix = nn.Linear(8, 24), nn.Linear(24, 10 * 12)
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        weight = self.mix(F.relu(self.make(self.code))).view(10, 12)
        return self.head(F.relu(F.linear(x, weight)))


def hypernetwork():
    return Hypernetwork(), torch.randn(16, 12)


class Siamese(nn.Module):
    """One tower for both inputs, and in it one layer three times."""

    def __init__(self):
        super().__init__()
        self.enter, self.again, self.head = nn.Linear(12, 20), nn.Linear(20, 20), nn.Bilinear(20, 20, 4)

    def tower(self, x):
        x = F.relu(self.enter(x))
        for _ in range(3):
            x = x + torch.tanh(self.again(x))
        return x

    def forward(self, left, right):
        return self.head(self.tower(left), self.tower(right))


def siamese():
    return Siamese(), (torch.randn(16, 12), torch.randn(16, 12))


class TwoHeads(nn.Module):
    """A body, two heads, and a container of the caller's choice around their outputs."""

    def __init__(self, container):
        super().__init__()
        self.container = container
        self.body, self.policy, self.value = nn.Linear(12, 32), nn.Linear(32, 5), nn.Linear(32, 1)

    def forward(self, x):
        hidden = F.elu(self.body(x))
        return self.container(self.policy(hidden), self.value(hidden).squeeze(-1))


@dataclass
class Answer:
    """An output of named fields, one of them no tensor."""

    policy: torch.Tensor
    value: torch.Tensor
    note: str = "both heads"


def tuple_output():
    return TwoHeads(lambda *parts: parts), torch.randn(16, 12)


def dict_output():
    return TwoHeads(lambda policy, value: {"policy": policy, "value": value, "steps": 3}), torch.randn(16, 12)


def dataclass_output():
    return TwoHeads(Answer), torch.randn(16, 12)


class Questions(nn.Module):
    """Asks tensors for numbers, truths and lists, and goes where the answers lead."""

    def __init__(self):
        super().__init__()
        self.first, self.positive, self.negative = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x, lengths):
        hidden = F.relu(self.first(x))
        branch = self.positive if bool(x.sum() > 0) else self.negative
        for _ in range(int(lengths.max().item())):
            hidden = torch.tanh(branch(hidden))
        rows = [hidden[row, :length].mean(0) for row, length in enumerate(lengths.tolist())]
        return self.head(torch.stack(rows))


def questions():
    return Questions(), (torch.randn(3, 4, 12), torch.tensor([2, 4, 1]))


class GraphNetwork(nn.Module):
    """Messages along edges, gathered by index and summed by ``index_add`` and ``scatter_add``."""

    def __init__(self):
        super().__init__()
        self.embed, self.edge = nn.Linear(6, 16), nn.Linear(3, 16)
        self.message, self.update = nn.Linear(48, 16), nn.GRUCell(16, 16)
        self.readout = nn.Linear(16, 2)

    def forward(self, nodes, edges, source, target, graph):
        state = F.relu(self.embed(nodes))
        features = self.edge(edges)
        for _ in range(2):
            message = F.relu(self.message(torch.cat([state[source], state[target], features], -1)))
            received = torch.zeros_like(state).index_add(0, target, message)
            state = self.update(received, state)
        places = graph[:, None].expand_as(state)
        pooled = torch.zeros(2, state.shape[1], dtype=state.dtype, device=state.device).scatter_add(0, places, state)
        return self.readout(pooled)


def graph_network():
    nodes, edges = torch.randn(10, 6), torch.randn(24, 3)
    ends = torch.randint(0, 10, (2, 24))
    return GraphNetwork(), (nodes, edges, ends[0], ends[1], torch.arange(10) // 5)
