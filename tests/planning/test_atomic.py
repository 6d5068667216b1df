"""All changes or none, whatever happens."""

import signal

import pytest
import torch
from torch import nn

from initium.planning import _apply, _journal, all_or_nothing


@pytest.fixture(params=["in a file", "in memory"], autouse=True)
def _kept(request, monkeypatch):
    """Where the way back is kept, of these small models too."""
    if request.param == "in a file":
        monkeypatch.setattr(_journal, "_LITTLE", 0)
        monkeypatch.setattr(_journal, "_is_memory", lambda _: False)


def fail_at(monkeypatch, k, error):
    """Make the k-th write fail, half done."""
    real, calls = _apply.write, []

    def write(tensor, fill, stream):
        calls.append(1)
        real(tensor, fill, stream)
        if len(calls) == k:
            tensor.fill_(float("nan"))
            raise error

    monkeypatch.setattr(_apply, "write", write)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("k", [1, 2, 7, 16])
def test_an_error_in_any_write_leaves_every_byte(mixed, plan_of, state, assert_unchanged, *, monkeypatch, k, error):
    batch = torch.arange(14).reshape(2, 7)
    mixed(batch).sum().backward()
    mixed.memory.eval()
    made, before = plan_of(mixed, batch=batch), state(mixed)
    assert sum(row.law != "keep" for row in made) == 16
    fail_at(monkeypatch, k, error)
    with pytest.raises(type(error)):
        made.apply(mixed)
    assert_unchanged(mixed, before)


def test_a_graph_made_before_a_failed_call_still_runs_backward(mlp, plan_of, monkeypatch):
    loss = mlp(torch.ones(2, 20)).sum()
    fail_at(monkeypatch, 3, RuntimeError())
    with pytest.raises(RuntimeError):
        plan_of(mlp).apply(mlp)
    loss.backward()
    assert all(p.grad is not None for p in mlp.parameters())


def test_a_graph_made_before_a_call_that_succeeds_is_refused_by_autograd(mlp, plan_of):
    loss = mlp(torch.ones(2, 20)).sum()
    plan_of(mlp).apply(mlp)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_without_a_way_back_a_call_that_succeeds_writes_the_same(mlp, plan_of):
    made = plan_of(mlp)
    made.apply(mlp, seed=3)
    expected = [parameter.clone() for parameter in mlp.parameters()]
    for parameter in mlp.parameters():
        parameter.data.fill_(7)
    made.apply(mlp, seed=3, undo=False)
    assert all(torch.equal(*pair) for pair in zip(mlp.parameters(), expected, strict=True))


def test_without_a_way_back_nothing_is_copied_and_autograd_knows_what_was_written(mlp, plan_of, monkeypatch):
    loss = mlp(torch.ones(2, 20)).sum()
    copies = []
    monkeypatch.setattr(torch.Tensor, "clone", lambda self, **_: copies.append(self))
    fail_at(monkeypatch, 3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        plan_of(mlp).apply(mlp, undo=False)
    assert not copies
    assert sum(bool(parameter.isnan().any()) for parameter in mlp.parameters()) == 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("undo", [0, None, "no"])
def test_a_way_back_is_wanted_or_not(mlp, plan_of, undo):
    with pytest.raises(TypeError, match="undo must be True or False"):
        plan_of(mlp).apply(mlp, undo=undo)


def write_and_fail(weight, *values):
    """Open and fill a weight several times; then the user loses patience."""
    with all_or_nothing() as opened:
        for value in values:
            opened(weight).fill_(value)
        assert weight.flatten()[0] == values[-1]
        raise KeyboardInterrupt


def fail_after_zeros(weights):
    with all_or_nothing() as opened:
        for weight in weights:
            opened(weight).zero_()
        raise RuntimeError


def test_who_presses_again_while_values_are_put_back_waits_until_they_are(monkeypatch):
    weights = [nn.Parameter(torch.ones(4)) for _ in range(3)]
    real = _journal.Journal.kept

    def kept(self, data):
        back = real(self, data)

        def slowly():
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
            back()

        return slowly

    monkeypatch.setattr(_journal.Journal, "kept", kept)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fail_after_zeros(weights)
    assert all(torch.equal(weight.data, torch.ones(4)) for weight in weights)
    assert signal.getsignal(signal.SIGINT) is before


def interrupted(weight, *values):
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(weight, *values)


def test_a_tensor_opened_twice_gets_its_first_bytes_back():
    weight = nn.Parameter(torch.ones(3))
    interrupted(weight, 2.0, 3.0)
    assert weight.tolist() == [1.0, 1.0, 1.0]


def test_not_a_number_comes_back_bit_by_bit():
    bits = torch.tensor([0x7FC00001, 0x7F800001, -0x800000, 1], dtype=torch.int32)
    weight = nn.Parameter(bits.view(torch.float32).clone())
    interrupted(weight, 0.0)
    assert torch.equal(weight.detach().view(torch.int32), bits)


def test_a_weight_that_is_a_view_with_gaps_is_restored_and_its_neighbours_left():
    whole = torch.arange(12.0).reshape(3, 4)
    weight = nn.Parameter(whole[:, 1:3])
    interrupted(weight, -1.0)
    assert torch.equal(whole, torch.arange(12.0).reshape(3, 4))
