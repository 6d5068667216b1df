"""One contract for all starts from data: what they change, what they never change, and what a failed one leaves."""

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from initium.calibrate import data_dependent, gradinit, lsuv, metainit, output_prior, within_layer
from initium.errors import ArgumentError, BatchError, InitiumError
from initium.network import Batch
from initium.terminal import progress
from lawful import Failing, fingerprint

STARTS = {
    "lsuv": lambda model, batch: lsuv(model, batch, seed=0),
    "data_dependent": lambda model, batch: data_dependent(model, batch, pre="orthogonal", seed=0),
    "within_layer": lambda model, batch: within_layer(model, batch, seed=0),
    "metainit": lambda model, batch: metainit(model, batch, F.cross_entropy, steps=2),
    "gradinit": lambda model, batch: gradinit(model, batch, F.cross_entropy, steps=2),
    "output_prior": output_prior,
}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.a, self.b, self.head = (nn.Linear(*ends) for ends in ((6, 8), (8, 8), (8, 8), (8, 3)))

    def forward(self, x):
        h = self.enter(x)
        h = h + self.a(h.relu())
        return self.head(h + self.b(h.relu()))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(11, 8), nn.Linear(8, 3)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)

    def forward(self, ids):
        return self.head(self.block(self.table(ids)).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cells(x[:, None].expand(-1, 4, -1))[0][:, -1])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.mix = nn.Embedding(11, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 11)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(self.mix(self.table(ids)).tanh().mean(1))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(96, 3),
    )


def frozen():
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    model[2].requires_grad_(requires_grad=False)
    return model


def vectors():
    return torch.randn(12, 6)


def tokens():
    return torch.randint(0, 11, (12, 5))


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)), vectors),
    "convolutions and batch norm": (convolutional, lambda: torch.randn(12, 1, 8, 8)),
    "residual": (Residual, vectors),
    "transformer": (Transformer, tokens),
    "lstm": (Recurrent, vectors),
    "tied": (Tied, tokens),
    "frozen layer": (frozen, vectors),
}


def made(name):
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    return build(), Batch((inputs(),), target=torch.arange(12) % 3)


def assert_unchanged(before, model):
    np.testing.assert_equal(fingerprint(model), before)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("start", STARTS)
def test_success_changes_values_of_trained_parameters_alone(start, model):
    net, batch = made(model)
    F.cross_entropy(net(*batch.args), batch.target).backward()
    before = fingerprint(net)
    receipt = STARTS[start](net, batch)
    after = fingerprint(net)
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    changed = {name for name, value in after["values"].items() if value != before["values"][name]}
    assert bool(changed) == any(row.factor != 1 for row in receipt.rows)  # None: values of its own
    assert changed <= trained
    np.testing.assert_equal(after | {"values": None}, before | {"values": None})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("start", STARTS)
def test_every_weight_is_in_the_receipt(start, model):
    net, batch = made(model)
    receipt = STARTS[start](net, batch)
    assert receipt.action.startswith(start)
    assert all(np.isfinite([row.before, row.after]).all() and row.note for row in receipt.rows)
    if start != "output_prior":  # which is about one bias
        told = {row.name for row in receipt.rows} | set(receipt.notes)
        for name, parameter in net.named_parameters():
            assert parameter.ndim < 2 or any(name in each for each in told)


@pytest.mark.parametrize("start", STARTS)
def test_the_same_call_gives_the_same_bits_whatever_the_global_state(start):
    found = []
    for seed in (1, 2):
        net, batch = made("mlp")
        torch.manual_seed(seed)
        STARTS[start](net, batch)
        found.append(fingerprint(net)["values"])
    assert found[0] == found[1]


@pytest.mark.parametrize("model", ["mlp", "transformer", "lstm", "tied"])
@pytest.mark.parametrize("start", STARTS)
def test_the_default_device_is_the_callers_and_decides_nothing(start, model):
    found = []
    for default in ("cpu", "meta"):
        net, batch = made(model)
        with torch.device(default):
            STARTS[start](net, batch)
        found.append(fingerprint(net)["values"])
    assert found[0] == found[1]


@pytest.mark.parametrize("model", ["mlp", "convolutions and batch norm", "transformer", "lstm"])
@pytest.mark.parametrize("start", [name for name in STARTS if name != "lsuv"])
def test_an_interrupt_at_any_operation_changes_nothing(start, model):
    net, batch = made(model)
    with Failing() as counting:
        STARTS[start](net, batch)
    for share in (0.02, 0.3, 0.6, 0.9, 1.0):
        net, batch = made(model)
        before = fingerprint(net)
        with pytest.raises(KeyboardInterrupt), Failing(at=max(1, int(share * counting.count))):
            STARTS[start](net, batch)
        assert_unchanged(before, net)


class Counted(nn.Module):
    """A layer that fails from its k-th call on."""

    def __init__(self, at, error):
        super().__init__()
        self.at, self.error, self.calls = at, error, []

    def forward(self, x):
        self.calls.append(len(x))
        if len(self.calls) >= self.at:
            raise self.error
        return x


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize(
    ("start", "at"), [(name, 1) for name in STARTS] + [("metainit", 3), ("gradinit", 2), ("gradinit", 5)]
)
def test_a_failure_in_the_models_own_forward_changes_nothing(start, at, error):
    _, batch = made("mlp")
    net = nn.Sequential(nn.Linear(6, 8), Counted(at, error), nn.BatchNorm1d(8), nn.Linear(8, 3))
    net[1].calls = Sentinel()
    before = fingerprint(net)
    with pytest.raises((InitiumError, KeyboardInterrupt)):
        STARTS[start](net, batch)
    assert_unchanged(before, net)


class Sentinel:
    """A counter that a call cannot put back: it must count the calls of all passes."""

    __slots__ = ("kept",)

    def __init__(self):
        self.kept = []

    def append(self, value):
        self.kept.append(value)

    def __len__(self):
        return len(self.kept)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("where", ["input", "weight"])
def test_a_value_that_is_not_finite_is_refused_and_changes_nothing(start, where):
    net, batch = made("mlp")
    if where == "input":
        batch.args[0][2, 1] = torch.nan
    else:
        net[0].weight.data[1, 2] = torch.nan
    before = fingerprint(net)
    keeps = {
        "lsuv": lambda: lsuv(net, batch, pre=None),
        "data_dependent": lambda: data_dependent(net, batch),
        "within_layer": lambda: within_layer(net, batch, pre=None),
    }
    if where == "weight" and start == "output_prior":
        return  # it counts labels, and reads no weight
    with pytest.raises(BatchError):
        keeps.get(start, lambda: STARTS[start](net, batch))()
    assert_unchanged(before, net)


@pytest.mark.parametrize("start", STARTS)
def test_what_has_no_values_is_refused_by_name(start):
    net = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3, device="meta"))
    with pytest.raises(ArgumentError, match=r"`1\.weight`.*meta"):
        STARTS[start](net, Batch((vectors(),), target=torch.arange(12) % 3))


@pytest.mark.parametrize("start", STARTS)
def test_nothing_is_shown_where_nobody_watches(start, capsys):
    net, batch = made("mlp")
    STARTS[start](net, batch)
    shown = capsys.readouterr()
    assert not shown.out
    assert not shown.err


def test_a_terminal_sees_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("metainit", 2) as tick:
        tick("gradient quotient 3")
        tick("gradient quotient 2")
    shown = capsys.readouterr()
    assert not shown.out
    assert "gradient quotient 2" in shown.err
    assert "100%" in shown.err
