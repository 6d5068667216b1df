"""Recurrent recipes, read off what torch's own layers do with the biases."""

import math

import pytest
import torch
from torch import nn

import initium
from initium.records import Identity, Normal, Orthogonal, Packed, Uniform
from initium.schemes import rnn

KINDS = [nn.LSTM, nn.GRU, nn.RNN]


def filled(layer, scheme, *, traced=True):
    """A recurrent layer after a scheme, in float64, its plan beside it."""
    layer = layer.double()
    x = torch.zeros(2, layer.input_size, dtype=torch.float64)
    batch = (x if isinstance(layer, nn.RNNCellBase) else x[None]) if traced else None
    plan = initium.plan(layer, batch, scheme)
    plan.apply(layer, seed=0)
    return layer, plan


def without_weights(layer):
    """Only the biases act, so that a step shows the gates."""
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if "weight" in name:
                parameter.zero_()
    return layer


def kept(layer, state):
    """The share of each unit's state that one step keeps, of a layer that gets no input."""
    cell = without_weights(layer)
    x = torch.zeros(1, layer.input_size, dtype=torch.float64)
    state = torch.full((1, layer.hidden_size), state, dtype=torch.float64)
    if isinstance(cell, nn.LSTMCell):
        return (cell(x, (state, state))[1] / state)[0].detach()
    return (cell(x, state) / state)[0].detach()


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("bias", [1.0, 2.5, -1.0])
def test_an_lstm_keeps_the_sigmoid_of_the_forget_bias(bias, split):
    cell, _ = filled(nn.LSTMCell(3, 5), f"rnn(forget_bias={bias}, split={split})")
    # The cell's input is tanh(0) = 0: what is left of the state is the forget gate alone.
    assert torch.allclose(kept(cell, 0.7), torch.sigmoid(torch.tensor(bias).double()).expand(5), rtol=1e-14)


@pytest.mark.parametrize("split", [False, True])
def test_a_gru_keeps_the_sigmoid_of_the_update_bias(split):
    cell, _ = filled(nn.GRUCell(3, 5), f"rnn(update_bias=2.0, split={split})")
    assert torch.allclose(kept(cell, 0.7), torch.sigmoid(torch.tensor(2.0).double()).expand(5), rtol=1e-14)
    plain, _ = filled(nn.GRUCell(3, 5), "rnn")
    assert torch.allclose(kept(plain, 0.7), torch.full((5,), 0.5, dtype=torch.float64), rtol=1e-14)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_chrono_forgets_after_times_spread_over_the_whole_range(kind, split):
    units, t_max = 400, 50.0
    cell, _ = filled(kind(3, units), rnn(t_max=t_max, split=split))
    share = kept(cell, 0.7).sort().values
    odds = share / (1 - share)  # a gate of sigmoid(log T) has the odds T
    middles = 1 + (torch.arange(units, dtype=torch.float64) + 0.5) / units * (t_max - 2)
    # A rounding of the share near 1 - 1/T is T times as large in its odds.
    assert torch.allclose(odds, middles, rtol=8 * t_max * 2.0**-52, atol=0)


def test_chronos_input_gate_is_the_forget_gates_complement():
    cell, _ = filled(nn.LSTMCell(3, 20), "rnn(t_max=100)")
    total = (cell.bias_ih + cell.bias_hh).detach().chunk(4)
    assert torch.equal(total[0], -total[1])
    assert not total[2].any()
    assert not total[3].any()


def test_the_law_of_chrono_is_the_papers():
    """The largest gap between the two distribution functions is half a unit's share."""
    units, t_max = 37, 20.0
    cell, _ = filled(nn.LSTMCell(3, units), rnn(t_max=t_max))
    drawn = (cell.bias_ih + cell.bias_hh).detach().chunk(4)[1].sort().values
    theirs = (drawn.exp() - 1) / (t_max - 2)  # P(log U(1, t_max - 1) < b)
    steps = torch.arange(units, dtype=torch.float64) / units
    assert (theirs - steps).abs().max() <= 1 / (2 * units) + 1e-12
    assert (theirs - steps - 1 / units).abs().max() <= 1 / (2 * units) + 1e-12


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("split", [False, True])
def test_every_pair_of_biases_of_a_deep_network_both_ways_sums_to_one(split, traced):
    layer = nn.LSTM(3, 6, num_layers=2, bidirectional=True, proj_size=4)
    layer, plan = filled(layer, rnn(split=split), traced=traced)
    names = [name for name, _ in layer.named_parameters() if "bias_ih" in name]
    assert len(names) == 4
    for name in names:
        other = name.replace("_ih", "_hh")
        total = (layer.get_parameter(name) + layer.get_parameter(other)).detach().chunk(4)
        assert [float(gate.unique()) for gate in total] == [0, 1, 0, 0]
        assert other in plan[name].reason
        assert ("half" in plan[name].reason) == split
        assert bool(layer.get_parameter(other).any()) == split


@pytest.mark.parametrize("kind", KINDS)
def test_every_gates_state_keeps_lengths(kind):
    layer, _ = filled(kind(3, 5), "rnn")
    for gate in layer.weight_hh_l0.detach().split(5):
        # Rounded from float64: a few units in the last place.
        assert torch.allclose(gate @ gate.T, torch.eye(5, dtype=torch.float64), atol=1e-14)


def test_an_irnn_with_no_input_keeps_its_state():
    cell, plan = filled(nn.RNNCell(3, 5, nonlinearity="relu"), "rnn(recurrent='identity')")
    state = torch.rand(4, 5, dtype=torch.float64)
    assert torch.equal(cell(torch.zeros(4, 3, dtype=torch.float64), state).detach(), state)
    assert plan["weight_hh"].fill == Identity(1.0)
    assert plan["weight_ih"].fill == Normal(0.001)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_gates_have_no_identity_and_say_so(kind):
    _, plan = filled(kind(3, 5), "rnn(recurrent='identity')")
    assert plan["weight_hh_l0"].fill == Packed(0, 4 if kind is nn.LSTM else 3, Orthogonal(1.0))
    assert "no identity" in plan["weight_hh_l0"].reason
    assert isinstance(plan["weight_ih_l0"].fill, Uniform)


def test_what_is_not_recurrent_is_the_textbooks():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.cells = nn.Embedding(11, 4), nn.LSTM(4, 6, batch_first=True)
            self.wide, self.head = nn.Linear(6, 9), nn.Linear(9, 2)

        def forward(self, x):
            return self.head(self.wide(self.cells(self.table(x))[0]).relu())

    net, x = Net(), torch.arange(10).reshape(2, 5)
    mine, theirs = initium.plan(net, x, "rnn"), initium.plan(net, x, "textbook")
    apart = {change.name for change in mine.diff(theirs)}
    assert apart == {"cells.bias_ih_l0"}


def test_a_zero_forget_bias_is_no_start_and_both_are_plain_zeros():
    _, plan = filled(nn.LSTM(3, 5), "rnn(forget_bias=0)")
    assert {plan[name].reason for name in ("bias_ih_l0", "bias_hh_l0")} == {"biases start at zero"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"recurrent": "eye"}, "recurrent must be"),
        ({"forget_bias": math.nan}, "value must be finite"),
        ({"update_bias": math.inf}, "value must be finite"),
        ({"t_max": 2}, "t_max"),
        ({"t_max": math.inf}, "t_max"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments, named):
    with pytest.raises(initium.ArgumentError, match=named):
        rnn(**arguments)
