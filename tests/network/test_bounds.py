"""An answer lies between the bounds that are read from the graph, whatever the weights are, and comes near them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initium.network import as_batch, bounds, read

WIDTH = 6


class Ends(nn.Module):
    def __init__(self, end: Callable[["Ends", Tensor], Tensor | tuple[Tensor, ...]]) -> None:
        super().__init__()
        self.first, self.other, self.end = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), end
        self.scale = nn.Parameter(torch.full((), 3.0))
        self.lstm, self.gru = nn.LSTM(WIDTH, 4, batch_first=True), nn.GRU(WIDTH, 4, batch_first=True)
        self.projected = nn.LSTM(WIDTH, 4, proj_size=2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.end(self, x)


def unit(value: Tensor) -> Tensor:
    return F.normalize(value, dim=-1)


BOUNDED: dict[str, tuple[Callable[[Ends, Tensor], Tensor], float, float]] = {
    "a sigmoid, in a view": (lambda m, x: m.first(x).sigmoid().flatten(), 0, 1),
    "a sigmoid, scaled and shifted": (lambda m, x: 4 * m.first(x).sigmoid() + 1, 1, 5),
    "one less a sigmoid, halved": (lambda m, x: (1 - m.first(x).sigmoid()) / 2, 0, 0.5),
    "a negative rectifier": (lambda m, x: -m.first(x).relu(), -math.inf, 0),
    "a tanh of a sigmoid": (lambda m, x: m.first(x).sigmoid().tanh(), 0, math.tanh(1)),
    "softplus": (lambda m, x: F.softplus(m.first(x)), 0, math.inf),
    "elu": (lambda m, x: F.elu(m.first(x)), -1, math.inf),
    "a clamp": (lambda m, x: m.first(x).clamp(-2, 3), -2, 3),
    "log-probabilities": (lambda m, x: m.first(x).log_softmax(-1), -math.inf, 0),
    "side by side": (lambda m, x: torch.cat([m.first(x).tanh(), m.other(x).sigmoid()], -1), -1, 1),
    "a mean of sigmoids": (lambda m, x: m.first(x).sigmoid().mean(-1), 0, 1),
    "a square": (lambda m, x: m.first(x) ** 2, 0, math.inf),
    "length 1": (lambda m, x: unit(m.first(x)), -1, 1),
    "a cosine, over a temperature": (lambda m, x: unit(m.first(x)) @ unit(m.other.weight).T / 0.5, -2, 2),
    "a cosine, scaled before": (lambda m, x: (3 * unit(m.first(x))) @ unit(m.other.weight).T, -3, 3),
    "states": (lambda m, x: m.lstm(x[:, None])[0][:, -1], -1, 1),
    "a last state": (lambda m, x: m.gru(x[:, None])[1][-1], -1, 1),
}
FREE: dict[str, Callable[[Ends, Tensor], Tensor]] = {
    "a weight's own": lambda m, x: m.first(x),
    "a sigmoid, by a learned scale": lambda m, x: m.scale * m.first(x).sigmoid(),
    "a weight behind a sigmoid": lambda m, x: m.other(m.first(x).sigmoid()),
    "a cell": lambda m, x: m.lstm(x[:, None])[1][1][-1],
    "projected states": lambda m, x: m.projected(x[:, None])[0][:, -1],
    "by another's norm": lambda m, x: m.first(x) / m.other(x).norm(dim=-1, keepdim=True),
    "a sum of sigmoids": lambda m, x: m.first(x).sigmoid().sum(-1),
    "a sigmoid and what is free": lambda m, x: m.first(x).sigmoid() + m.other(x),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_bounds_hold_for_any_weights(name: str) -> None:
    end, low, high = BOUNDED[name]
    torch.manual_seed(0)
    model, given = Ends(end), torch.randn(64, WIDTH)
    (found,) = bounds(read(model, as_batch(given)))
    assert (found.low, found.high) == pytest.approx((low, high))
    for size in (1.0, 30.0):
        for parameter in model.parameters():
            parameter.data.normal_(0, size)
        answer = model(given).detach()
        assert low - 1e-6 <= float(answer.min()) <= float(answer.max()) <= high + 1e-6


@pytest.mark.parametrize("name", FREE)
def test_what_a_weight_scales_is_free(name: str) -> None:
    torch.manual_seed(0)
    (found,) = bounds(read(Ends(FREE[name]), as_batch(torch.randn(8, WIDTH))))
    assert found.free


def test_every_tensor_of_an_output_has_its_own() -> None:
    torch.manual_seed(0)
    both = bounds(read(Ends(lambda m, x: (m.first(x).relu(), m.other(x))), as_batch(torch.randn(8, WIDTH))))
    assert [(each.low, each.free) for each in both] == [(0.0, False), (-math.inf, True)]
    assert bounds(read(nn.Linear(2, 2))) == ()
