"""Values that decide sizes: a walk on other values than the traced ones keeps what was chosen."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium
from initium.network import as_batch, read

KEPT = "the choices were kept"


class Near(nn.Module):
    """Messages between points that stand near each other; how many there are is asked for by the program."""

    def __init__(self):
        super().__init__()
        self.message, self.out = nn.Linear(8, 32), nn.Linear(32, 4)

    def forward(self, points):
        apart = torch.cdist(points, points)
        here, there = ((apart < 1.5) & (apart > 0)).nonzero(as_tuple=True)
        far = apart[here, there].reshape(len(here), 1)
        message = torch.exp(-((far - torch.linspace(0, 1.5, 8)) ** 2))
        return self.out(
            F.silu(self.message(message)).new_zeros(len(points), 32).index_add(0, here, self.message(message))
        )


class Best(nn.Module):
    """Keeps the best half of the nodes and the edges between them: how many those are depends on the weights."""

    def __init__(self):
        super().__init__()
        self.embed, self.score, self.mix, self.out = (
            nn.Linear(8, 32),
            nn.Linear(32, 1),
            nn.Linear(32, 32),
            nn.Linear(32, 4),
        )

    def forward(self, x, edges):
        x = F.relu(self.embed(x))
        score, kept = self.score(x)[:, 0].topk(len(x) // 2)
        new = torch.full((len(x),), -1).index_put((kept,), torch.arange(len(kept)))
        row, column = new[edges[0]], new[edges[1]]
        among = (row >= 0) & (column >= 0)
        row, column = row[among], column[among]
        x = x[kept] * torch.tanh(score)[:, None]
        messages = self.mix(x)[row].reshape(row.shape[0], 32)
        return self.out(x.index_add(0, column, messages))


class Dropped(nn.Module):
    """Drops edges by chance."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Linear(8, 32), nn.Linear(32, 4)

    def forward(self, x, edges):
        row, column = edges[:, torch.rand(edges.shape[1]) < 0.5]
        x = self.embed(x)
        return self.out(torch.zeros_like(x).index_add(0, column, x[row].reshape(row.shape[0], 32)))


EDGES = torch.randint(0, 40, (2, 160), generator=torch.Generator().manual_seed(1))
POINTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(2))
NODES = torch.randn(40, 8, generator=torch.Generator().manual_seed(3))
NETS = {"near": (Near, (POINTS,)), "best": (Best, (NODES, EDGES)), "dropped": (Dropped, (NODES, EDGES))}


@pytest.mark.parametrize("name", NETS)
def test_a_network_whose_values_decide_sizes_is_predicted_and_started(name):
    make, batch = NETS[name]
    torch.manual_seed(0)
    net = make()
    signal = initium.predict(net, batch)
    assert all(math.isfinite(row.out_rms) and math.isfinite(row.grad_rms) for row in signal.rows)
    initium.initialize(net, batch, "auto", seed=0)
    assert all(row.out_rms > 0 for row in initium.measure(net, batch).rows)


def test_positions_that_tell_who_is_near_are_taken_as_they_are():
    torch.manual_seed(0)
    net = Near()
    told, seen = initium.predict(net, (POINTS,)), initium.measure(net, (POINTS,))
    assert not any(KEPT in note for note in told.notes)
    for one, other in zip(told.rows, seen.rows, strict=True):
        assert one.out_rms == pytest.approx(other.out_rms, rel=0.3)


def test_choices_that_were_kept_are_said():
    torch.manual_seed(0)
    assert any(KEPT in note for note in initium.predict(Best(), (NODES, EDGES)).notes)


def test_values_are_kept_of_nothing_where_no_size_depends_on_them():
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate, self.table = nn.Linear(8, 4), nn.Embedding(4, 8)

        def forward(self, x):
            return self.table(self.gate(x).argmax(-1)) * (x > 0)

    network = read(Routed(), as_batch(NODES))
    assert network.trace is not None
    assert not network.trace.choices
    assert all(getattr(node.meta.get("val"), "choice", None) is None for node in network.trace.graph.graph.nodes)
