"""What `lsuv` costs in forward passes where weights are used again: recurrent layers, cells in loops, shared blocks, routes.

Run from a checkout, with any installation of initium:

    python benchmarks/lsuv_work.py            # every family
    python benchmarks/lsuv_work.py gru albert # those whose name contains a word
    python benchmarks/lsuv_work.py gru 8      # from that many starts: the middle one, and the worst

Above 2.2 are those whose samples tell each other too little, or do not stand by themselves; their rows say in how many rounds.

Work is on real numbers, from the weights as they are (`pre=None`), and a forward pass of a recurrent layer is counted by its
products: the kernels that do all steps at once, of which the counter knows nothing, are switched off. ``far`` is the largest
distance of a row from its target.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from lsuv import work
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

import initium

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, WORDS = 64, 100


class Layers(nn.Module):
    """Two recurrent layers between a table and a head."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 10)
        self.cells = kind(WIDTH, WIDTH, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        return self.head(self.cells(self.table(x))[0])


class Cells(nn.Module):
    """A cell in a loop."""

    def __init__(self, kind: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.table, self.cell, self.head = nn.Embedding(WORDS, WIDTH), kind(WIDTH, WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        state: Any = None
        for now in self.table(x).unbind(1):
            state = self.cell(now, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class Shared(nn.Module):
    """One block of a transformer, six times, as in ALBERT."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
        self.block = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.0, batch_first=True, norm_first=first)

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        x = self.table(x)
        for _ in range(6):
            x = self.block(x)
        return self.head(x)


class Routed(nn.Module):
    """Each token to one expert, in a way that its weights choose."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.gate, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 4), nn.Linear(WIDTH, WORDS)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, WIDTH)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        tokens = self.table(x).flatten(0, 1)
        sure, chosen = self.gate(tokens).softmax(-1).max(-1)
        made = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows = torch.nonzero(chosen == number).squeeze(-1)
            if len(rows):
                made[rows] = expert(tokens[rows]) * sure[rows, None]
        return self.head(tokens + made)


class Neighbours(nn.Module):
    """Four rounds of messages by one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.message, self.own = nn.Linear(8, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Runs it."""
        x = self.begin(x)
        for _ in range(4):
            x = torch.relu(self.own(x) + torch.zeros_like(x).index_add(0, target, self.message(x)[source]))
        return x


class Settled(nn.Module):
    """A fixed point, in twelve rounds (a deep equilibrium network's forward pass)."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.own, self.head = nn.Linear(16, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        given = self.read(x)
        z = torch.zeros_like(given)
        for _ in range(12):
            z = torch.tanh(self.own(z) + given)
        return self.head(z)


class Solved(nn.Module):
    """Eight steps of a differential equation that two layers give (a neural ODE)."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.head = nn.Linear(16, WIDTH), nn.Linear(WIDTH, 10)
        self.slope = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        x = self.read(x)
        for _ in range(8):
            x = x + self.slope(x) / 8
        return self.head(x)


class Tied(nn.Module):
    """A table that is the head too."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH)
        self.block = nn.TransformerEncoderLayer(WIDTH, 4, 256, 0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Runs it."""
        return F.linear(self.block(self.table(x)), self.table.weight)


def ids(batch: int = 32, steps: int = 32) -> tuple[Tensor]:
    """A batch of tokens."""
    return (torch.randint(0, WORDS, (batch, steps)),)


def points() -> tuple[Tensor]:
    """A batch of points."""
    return (torch.randn(256, 16),)


def graph() -> tuple[Tensor, ...]:
    """200 nodes and 800 edges."""
    return torch.randn(200, 8), torch.randint(0, 200, (800,)), torch.randint(0, 200, (800,))


FAMILIES: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "rnn": (lambda: Layers(nn.RNN), ids),
    "gru": (lambda: Layers(nn.GRU), ids),
    "lstm": (lambda: Layers(nn.LSTM), ids),
    "rnn cell": (lambda: Cells(nn.RNNCell), ids),
    "gru cell": (lambda: Cells(nn.GRUCell), ids),
    "lstm cell": (lambda: Cells(nn.LSTMCell), ids),
    "albert, norm last": (lambda: Shared(first=False), ids),
    "albert, norm first": (lambda: Shared(first=True), ids),
    "fixed point": (Settled, points),
    "solver's steps": (Solved, points),
    "tied head": (Tied, ids),
    "routed experts": (Routed, ids),
    "graph, shared weights": (Neighbours, graph),
}


def run(model: nn.Module, given: tuple[Tensor, ...]) -> None:
    """A plain forward."""
    with torch.no_grad():
        model(*given)


def measured(build: Callable[[], nn.Module], batch: Callable[[], tuple[Tensor, ...]], seed: int) -> tuple[float, float]:
    """The passes that a call takes, and how far the farthest row is."""
    torch.manual_seed(seed)
    model, given = build().eval(), batch()
    receipts: list[initium.Receipt] = []
    with torch.backends.mkldnn.flags(enabled=False):
        once = work(lambda: run(model, given))
        mine = work(lambda: receipts.append(initium.lsuv(model, given, pre=None)))
    return mine / once, max(abs(row.after - 1) for row in receipts[0].rows if row.factor is not None)


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    starts = next((int(each) for each in sys.argv[1:] if each.isdigit()), 1)
    words = [each for each in sys.argv[1:] if not each.isdigit()]
    table = Table("family", "passes", "at worst", "far")
    for name, (build, batch) in FAMILIES.items():
        if words and not any(word in name for word in words):
            continue
        passes, far = zip(*(measured(build, batch, seed) for seed in range(starts)), strict=True)
        table.add_row(name, f"{median(passes):.2f}", f"{max(passes):.2f}", f"{max(far):.0e}")
    Console().print(table)


if __name__ == "__main__":
    main()
