"""LSUV changes everything that it says, or nothing at all: faults are put at every step."""

import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from initium import calibrate
from initium.calibrate import _lsuv, lsuv
from initium.calibrate._commit import commit
from initium.errors import BatchError, PlanError
from initium.planning import _journal
from lawful import fingerprint

ROOM = str(Path(calibrate.__file__).parent)


@pytest.fixture(params=["in a file", "in memory"], autouse=True)
def _kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the way back is kept, of these small models too."""
    if request.param == "in a file":
        monkeypatch.setattr(_journal, "_LITTLE", 0)
        monkeypatch.setattr(_journal, "_is_memory", lambda _: False)


class Tagger(nn.Module):
    """Something of everything: a tied table, a recurrent layer, a norm with averages, dropout, a frozen weight, a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.cells = nn.Embedding(20, 8), nn.GRU(8, 8, batch_first=True)
        self.norm, self.drop, self.mix = nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.table.weight
        self.mix.weight.requires_grad_(requires_grad=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, ids: Tensor) -> Tensor:
        self.calls += 1
        states = self.norm(self.cells(self.table(ids))[0].transpose(1, 2)).transpose(1, 2)
        return self.head(self.drop(self.mix(states)).tanh())


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))


def normalised() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Conv2d(8, 4, 3), nn.Flatten()
    )


def made(case: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if case == "tagger":
        return Tagger(), torch.randint(0, 20, (6, 5))
    if case == "mlp":
        return mlp(), torch.randn(64, 16)
    return normalised(), torch.randn(4, 1, 12, 12)


def assert_unchanged(before: dict[str, Any], model: nn.Module) -> None:
    np.testing.assert_equal(fingerprint(model), before)


def test_success_changes_weights_and_biases_alone() -> None:
    model, batch = made("normalised")
    model(batch).sum().backward()
    before = fingerprint(model)
    lsuv(model, batch)
    after = fingerprint(model)
    changed = {name for name, value in after["values"].items() if value != before["values"][name]}
    assert changed == {"0.weight", "0.bias", "4.weight", "4.bias"}
    np.testing.assert_equal(after | {"values": None}, before | {"values": None})


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (torch.ones(4, 5), BatchError),
        (torch.full((4, 16), torch.nan), BatchError),
        (torch.ones(0, 16), BatchError),
        (torch.full((4, 16), 3e38), BatchError),
    ],
    ids=["shape", "nan", "empty", "overflow"],
)
def test_a_bad_batch_changes_nothing(batch: Tensor, error: type[Exception]) -> None:
    model, _ = made("mlp")
    before = fingerprint(model)
    with pytest.raises(error):
        lsuv(model, batch)
    assert_unchanged(before, model)


# ---- faults ----


class Faulty(TorchDispatchMode):
    """Raises at one operation; without an error it counts."""

    def __init__(self, at: int, error: type[BaseException] | None) -> None:
        super().__init__()
        self.at, self.error, self.calls = at, error, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        if self.error is not None and self.calls == self.at:
            raise self.error
        return func(*args, **(kwargs or {}))


STEPS = 8


@pytest.mark.parametrize(
    ("case", "pre", "error"), [("tagger", None, KeyboardInterrupt), ("normalised", "orthogonal", RuntimeError)]
)
def test_a_fault_in_any_operation_changes_nothing(case: str, pre: Any, error: type[BaseException]) -> None:
    model, batch = made(case)
    with Faulty(0, None) as counting:
        lsuv(made(case)[0], batch, pre=pre)
    before, failed = fingerprint(model), 0
    for at in np.linspace(1, counting.calls, STEPS).astype(int):
        try:
            with Faulty(int(at), error):
                lsuv(model, batch, pre=pre)
        except (error, ValueError):  # a RuntimeError of the model's own is a TraceError, which is a ValueError
            failed += 1
            assert_unchanged(before, model)
        else:  # the fault was in a way of tracing that has another behind it
            model, batch = made(case)
            before = fingerprint(model)
    assert failed > STEPS / 3


class Interrupted:
    """An interrupt at one call of a function of the room, as Ctrl-C gives one; a generator that is given up hears none."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOM) and not code.co_flags & inspect.CO_GENERATOR:
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt

    def run(self, model: nn.Module, batch: Tensor) -> None:
        sys.settrace(self)
        try:
            lsuv(model, batch)
        finally:
            sys.settrace(None)


@pytest.mark.parametrize("case", ["tagger", "normalised"])
def test_an_interrupt_at_any_call_changes_nothing(case: str) -> None:
    counting = Interrupted(0)
    counting.run(*made(case))
    model, batch = made(case)
    before = fingerprint(model)
    for at in np.linspace(1, 0.98 * counting.calls, STEPS).astype(int):
        with pytest.raises(KeyboardInterrupt):
            Interrupted(int(at)).run(model, batch)
        assert_unchanged(before, model)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    "name", ["table.weight", "cells.weight_hh_l0", "cells.bias_ih_l0", "mix.weight", "norm.weight"]
)
def test_a_value_that_is_not_finite_anywhere_changes_nothing(name: str, value: float) -> None:
    model, batch = made("tagger")
    with torch.no_grad():
        model.get_parameter(name).view(-1)[1::3] = value
    before = fingerprint(model)
    with pytest.raises(BatchError, match="not finite"):
        lsuv(model, batch, pre=None)
    assert_unchanged(before, model)


def test_a_loader_that_breaks_changes_nothing() -> None:
    def breaking() -> Iterator[Tensor]:
        yield torch.randn(8, 16)
        torch.rand(3)
        raise OSError

    model, _ = made("mlp")
    before = fingerprint(model)
    with pytest.raises(OSError):  # noqa: PT011 - it has no words
        lsuv(model, breaking())
    assert_unchanged(before, model)


def test_a_factor_that_does_not_fit_changes_nothing() -> None:
    model, batch = nn.Linear(16, 4, bias=False).half(), (1e-4 * torch.randn(64, 16)).half()
    before = fingerprint(model)
    with pytest.raises(PlanError, match=r"does not fit into torch.float16"):
        lsuv(model, batch, pre=None, target=100)  # weights near 1e6
    assert_unchanged(before, model)


class Breaking(Mapping[str, Tensor]):
    """Values whose last one never comes."""

    def __init__(self, values: dict[str, Tensor]) -> None:
        self.values_ = values

    def __getitem__(self, name: str) -> Tensor:
        if name == list(self.values_)[-1]:
            raise KeyboardInterrupt
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_an_interrupt_between_two_writes_takes_the_first_back() -> None:
    model, _ = made("mlp")
    before = fingerprint(model)
    with pytest.raises(KeyboardInterrupt):
        commit(model, Breaking({name: torch.ones_like(p) for name, p in model.named_parameters()}))
    assert_unchanged(before, model)


def test_a_nan_in_a_kept_weight_is_named_and_nothing_changes() -> None:
    model, batch = made("mlp")
    with torch.no_grad():
        model[2].weight[3, 3] = torch.nan
    before = fingerprint(model)
    with pytest.raises(BatchError, match=r"`2\.weight` \(linear\) is not finite"):
        lsuv(model, batch, pre=None)
    assert_unchanged(before, model)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_while_the_receipt_is_made_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object) -> Iterator[str]:
        raise error
        yield

    model, batch = made("mlp")
    before = fingerprint(model)
    monkeypatch.setattr(_lsuv, "_notes", fail)
    with pytest.raises(error):
        lsuv(model, batch)
    assert_unchanged(before, model)
