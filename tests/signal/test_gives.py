"""What is computed step by step is what torch's own recurrent operations give, to the last state of every sequence."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initium.signal import Gates, run_layer, walked

KINDS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN}


def gave(op: str, given: Sequence[Any]) -> tuple[Tensor, ...]:
    """By its steps."""
    gates, ends, last = Gates(op, given, ()), list[tuple[Tensor, Tensor]](), list[Tensor]()
    lane, number = walked(gates), 0
    layer, index, data = next(lane)
    while True:
        ran = run_layer(gates, layer, data, index)
        last, number = [*(last if layer.number == number else []), ran.outputs], layer.number
        ends.append(ran.ends)
        try:
            layer, index, data = lane.send(ran)
        except StopIteration:
            found = gates.gives(torch.cat(last, -1), ends)
            return (found,) if isinstance(found, Tensor) else found


def states(kind: str, cells: nn.RNNBase, *shape: int) -> Any:
    count = cells.num_layers * (2 if cells.bidirectional else 1)
    first = torch.randn(count, *shape, cells.proj_size or cells.hidden_size)
    return [first, torch.randn(count, *shape, cells.hidden_size)] if kind == "lstm" else first


def assert_same(found: Sequence[Tensor], expected: Tensor | Sequence[Tensor]) -> None:
    several = [expected] if isinstance(expected, Tensor) else list(expected)
    assert len(found) == len(several)
    for mine, theirs in zip(found, several, strict=True):
        assert mine.shape == theirs.shape
        assert torch.allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("batched", [True, False])
def test_layers_give_what_the_operation_gives(kind: str, *, first: bool, both: bool, batched: bool) -> None:
    cells = KINDS[kind](6, 5, 2, bidirectional=both, batch_first=first)
    x = torch.randn(*((7, 4, 6) if batched else (7, 6)))
    begin = states(kind, cells, *([4 if not first else 7] if batched else []))
    given = [x, begin, cells._flat_weights, True, 2, 0.0, False, both, first]
    with torch.no_grad():
        expected = cells(x, tuple(begin) if kind == "lstm" else begin)
        found = gave(kind, given)
    ends = expected[1] if isinstance(expected[1], tuple) else (expected[1],)
    assert_same(found, [expected[0], *ends])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("both", [True, False])
def test_packed_sequences_end_where_they_end(kind: str, *, both: bool) -> None:
    cells = KINDS[kind](6, 5, 2, bidirectional=both)
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(9, 4, 6), torch.tensor([9, 7, 7, 2]))
    begin = states(kind, cells, 4)
    with torch.no_grad():
        made, ends = cells(packed, tuple(begin) if kind == "lstm" else begin)
        found = gave(kind, [packed.data, packed.batch_sizes, begin, cells._flat_weights, True, 2, 0.0, False, both])
    assert_same(found, [made.data, *(ends if isinstance(ends, tuple) else (ends,))])


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_projected_states_are_what_goes_out() -> None:
    cells = nn.LSTM(6, 5, 2, proj_size=3)
    x = torch.randn(7, 4, 6)
    begin = states("lstm", cells, 4)
    with torch.no_grad():
        made, ends = cells(x, tuple(begin))
        found = gave("lstm", [x, begin, cells._flat_weights, True, 2, 0.0, False, False, False])
    assert_same(found, [made, *ends])


@pytest.mark.parametrize(("kind", "build"), [("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("rnn_tanh", nn.RNNCell)])
@pytest.mark.parametrize("shape", [(4,), ()])
def test_cells_give_what_the_operation_gives(kind: str, build: Any, shape: tuple[int, ...]) -> None:
    cell, x, h, c = build(6, 5), torch.randn(*shape, 6), torch.randn(*shape, 5), torch.randn(*shape, 5)
    begin: Any = (h, c) if kind == "lstm" else h
    weights = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    with torch.no_grad():
        found = gave(f"{kind}_cell", [x, list(begin) if kind == "lstm" else begin, *weights])
        assert_same(found, cell(x, begin))


def test_dropout_between_layers_draws_as_the_operation_does_and_leaves_the_random_state_where_it_does() -> None:
    cells = nn.GRU(6, 5, 3, dropout=0.4)
    x, begin = torch.randn(7, 4, 6), torch.zeros(3, 4, 5)
    torch.manual_seed(1)
    with torch.no_grad():
        expected, after = cells(x, begin), torch.get_rng_state()
    torch.manual_seed(1)
    with torch.no_grad():
        found = gave("gru", [x, begin, cells._flat_weights, True, 3, 0.4, True, False, False])
    assert_same(found, expected)
    assert torch.equal(torch.get_rng_state(), after)
