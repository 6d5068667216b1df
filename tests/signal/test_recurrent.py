"""Gates and states by hand against torch: the same states, the same growth as autograd's, whatever the layout."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from initium.network import Batch, as_batch
from initium.signal import measure

WIDTH, STEPS = 24, 12


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_states_are_those_of_torch(kind, both, first) -> None:
    steps = kind(5, WIDTH, 2, batch_first=first, bidirectional=both).double()
    given = draw(*((7, STEPS, 5) if first else (STEPS, 7, 5))).double()
    signal = measure(steps, as_batch(given))
    assert [row.state for row in signal.states] == [
        f"weight_hh_l{n}{end}" for n in (0, 1) for end in ("", "_reverse")[: 1 + both]
    ]
    assert {row.steps for row in signal.states} == {STEPS}
    last = steps(given)[0].detach().unflatten(-1, (1 + both, WIDTH))
    for row, way in zip(signal.states[-1 - both :], last.unbind(-2), strict=True):
        assert row.rms == pytest.approx(float(way.square().mean().sqrt()), rel=1e-9)
        flat = way.flatten(0, -2)
        assert row.unit_std == pytest.approx(float(flat.var(0, correction=0).mean().sqrt()), rel=1e-9)
    assert signal.states[0].reads == pytest.approx(
        float(given.flatten(0, -2).var(0, correction=0).mean().sqrt()), rel=1e-9
    )


def test_growth_is_what_autograd_says_of_the_last_state() -> None:
    """Of an RNN of random weights, to first order; a nudge of 1e-4 leaves a second order of about that size."""
    steps = nn.RNN(5, WIDTH, batch_first=True).double()
    nn.init.normal_(steps.weight_hh_l0, std=1.2 / WIDTH**0.5)
    given = draw(1, STEPS, 5).double()
    (row,) = measure(steps, as_batch(given)).states
    jacobian = torch.autograd.functional.jacobian(
        lambda h: steps(given, h)[1].flatten(), torch.zeros(1, 1, WIDTH).double()
    )
    sizes = torch.linalg.svdvals(jacobian.reshape(WIDTH, WIDTH))
    assert float(sizes.min()) <= row.growth <= float(sizes.max())
    assert 0.2 < row.growth / float(sizes.square().mean().sqrt()) < 5  # a random direction, of 24


def test_packed_sequences_are_looked_at_with_their_lengths() -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.GRU(5, WIDTH, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.steps(pack_padded_sequence(x, [9, 6, 2], batch_first=True))[1]

    (row,) = measure(Packed(), as_batch(draw(3, 9, 5))).states
    assert row.steps == 9
    assert 0 < row.unit_std < 1


def test_a_gate_is_shut_where_its_bias_says_so() -> None:
    steps = nn.LSTM(5, WIDTH, batch_first=True)
    with torch.no_grad():
        steps.bias_ih_l0[WIDTH : 2 * WIDTH] = -20
    gates = {row.gate: row for row in measure(steps, as_batch(draw(7, STEPS, 5))).gates}
    assert list(gates) == ["i", "f", "g", "o"]
    assert (gates["f"].shut, gates["f"].saturated, gates["i"].saturated) == (1, 1, 0)
    assert gates["f"].offset == pytest.approx(20, abs=1)


@pytest.mark.parametrize("layers", [1, 2])
def test_states_alone_are_read_of_several_layers(layers) -> None:
    """The output, which nobody reads, gets no gradient, and the states do."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps, self.head = nn.LSTM(4, 6, layers, batch_first=True), nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.steps(x)[1][0][-1])

    batch = Batch((draw(8, 5, 4),), target=torch.arange(8) % 3)
    signal = measure(Last(), batch, nn.functional.cross_entropy)
    assert signal.rows[-1].grad_rms
