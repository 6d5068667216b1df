"""Fused recurrent layers: what is wrong with their weights and gates is found and named, and what is meant is not."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium

WIDTH = 64


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Reader(nn.Module):
    """A recurrent layer, and an answer from its last output."""

    def __init__(self, steps: nn.Module) -> None:
        super().__init__()
        self.steps, self.head = steps, nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.steps(x)[0][:, -1])


def told(model: nn.Module, given: Tensor | None = None) -> dict[str, str]:
    """By code the severity of what is no info, in the order of the report."""
    given = torch.randn(64, 24, 16) if given is None else given
    batch = initium.Batch((given,), target=torch.arange(len(given)) % 10)
    findings = initium.diagnose(model, batch, F.cross_entropy).findings
    return {each.code: each.severity for each in reversed(findings) if each.severity != "info"}


def matrices(std: float) -> Callable[[nn.Module], None]:
    def fill(steps: nn.Module) -> None:
        for name, value in steps.named_parameters():
            if "weight" in name:
                nn.init.normal_(value, std=std)

    return fill


def constant(steps: nn.Module) -> None:
    for name, value in steps.named_parameters():
        if "weight" in name:
            nn.init.constant_(value, 0.05)


def biases(start: int, stop: int, value: float) -> Callable[[nn.Module], None]:
    def fill(steps: nn.Module) -> None:
        with torch.no_grad():
            steps.bias_ih_l0[start * WIDTH : stop * WIDTH] = value

    return fill


def steep(steps: nn.Module) -> None:
    nn.init.orthogonal_(steps.weight_hh_l0, gain=5.0)


SICK = {
    "weights of one value": (nn.LSTM, constant, "symmetry"),
    "weights of one value in a GRU": (nn.GRU, constant, "symmetry"),
    "weights of 1e-4": (nn.LSTM, matrices(1e-4), "vanishing-signal"),
    "weights of zero": (nn.LSTM, matrices(0.0), "vanishing-signal"),
    "weights of 5": (nn.LSTM, matrices(5.0), "saturation"),
    "weights of 3 in a GRU": (nn.GRU, matrices(3.0), "saturation"),
    "weights of 1 in an RNN": (nn.RNN, matrices(1.0), "saturation"),
    "all gates shut": (nn.LSTM, biases(0, 4, -10.0), "large-bias"),
    "a forget gate that is shut": (nn.LSTM, biases(1, 2, -10.0), "large-bias"),
    "an output gate that is shut": (nn.LSTM, biases(3, 4, -12.0), "large-bias"),
    "an orthogonal state of gain 5": (nn.GRU, steep, "exploding-gradient"),
}


@pytest.mark.parametrize("name", SICK)
def test_what_is_wrong_inside_a_fused_layer_is_named(name: str) -> None:
    kind, harm, code = SICK[name]
    steps = kind(16, WIDTH, batch_first=True)
    assert told(Reader(steps)) == {}
    harm(steps)
    found = told(Reader(steps))
    assert code in found


def test_steps_that_multiply_the_gradient_are_an_error() -> None:
    steps = nn.RNN(16, WIDTH, nonlinearity="relu", batch_first=True)
    nn.init.orthogonal_(steps.weight_hh_l0, gain=2.0)
    assert told(Reader(steps))["exploding-gradient"] == "error"
    nn.init.orthogonal_(steps.weight_hh_l0)
    assert told(Reader(steps)) == {}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_healthy_stack_is_left_alone(kind, both) -> None:
    steps = kind(16, WIDTH // (1 + both), 2, batch_first=True, bidirectional=both, dropout=0.1)
    assert told(Reader(steps)) == {}


def test_a_long_memory_is_meant() -> None:
    """Forget gates held open and input gates nearly shut, as chrono initialisation wants them for 400 steps."""
    steps = nn.LSTM(16, WIDTH, batch_first=True)
    times = torch.linspace(1, 399, WIDTH)
    with torch.no_grad():
        steps.bias_ih_l0[:WIDTH], steps.bias_ih_l0[WIDTH : 2 * WIDTH] = -times.log(), times.log()
    assert told(Reader(steps), torch.randn(16, 200, 16)) == {}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_raw_input_before_a_recurrent_layer_is_the_first_cause(kind: type[nn.RNNBase]) -> None:
    model, given = Reader(kind(16, WIDTH, batch_first=True)), torch.randn(64, 24, 16)
    assert next(iter(reversed(told(model, 200 * given + 1500)))) == "input-scale"
    assert told(model, given) == {}


def test_an_unrolled_cell_is_judged_at_its_last_step() -> None:
    class Unrolled(nn.Module):
        def __init__(self, std: float) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTMCell(16, WIDTH), nn.Linear(WIDTH, 10)
            for value in self.cell.parameters():
                nn.init.normal_(value, std=std)

        def forward(self, x: Tensor) -> Tensor:
            state = cell = x.new_zeros(len(x), WIDTH)
            for step in x.unbind(1):
                state, cell = self.cell(step, (state, cell))
            return self.head(state)

    assert "saturation" in told(Unrolled(4.0), torch.randn(32, 6, 16))
    assert "saturation" not in told(Unrolled(0.1), torch.randn(32, 6, 16))
