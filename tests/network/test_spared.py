"""What reading a network leaves undone: looks that nobody asked for, code that nobody runs, garbage that is none."""

import gc
import weakref

import pytest
import torch
from torch import fx, nn

from initium.network import _recorder, as_batch, collector_spared, read
from initium.network._leaves import operands

NET = nn.Sequential(*[part for _ in range(5) for part in (nn.Linear(4, 4), nn.ReLU())])
BATCH = as_batch(torch.ones(2, 4))


def test_the_tracers_own_questions_to_a_value_pass_through_no_function_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    mode = _recorder._Switches
    as_it_is = mode.__torch_function__

    def noted(self, func, types, args=(), kwargs=None):
        asked.append(getattr(func, "__name__", str(func)))
        return as_it_is(self, func, types, args, kwargs)

    monkeypatch.setattr(mode, "__torch_function__", noted)
    read(NET, BATCH)
    assert asked == ["linear", "relu"] * 5


def test_reading_makes_no_python_code_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fx.Graph, "python_code", None)
    assert len(read(NET, BATCH).uses) == 5


def test_the_tensors_of_an_operation_are_found_in_lists_and_tables() -> None:
    one, two, three = torch.ones(1), torch.ones(2), torch.ones(3)
    found = operands(((one, 2, [None, two]), 1), {"weight": three, "dim": 1}, "word")
    assert [tensor.numel() for tensor in found] == [1, 2, 3]


class Loop:
    """An object that holds itself."""

    def __init__(self) -> None:
        self.me = self


def test_while_the_collector_is_spared_old_objects_are_set_aside_and_new_cycles_are_collected() -> None:
    before = gc.get_freeze_count()
    with collector_spared():
        assert gc.get_freeze_count() > before
        gone = weakref.ref(Loop())
        gc.collect()
        assert gone() is None
    assert gc.get_freeze_count() == before


def test_the_collector_is_as_it_was_after_an_error_too() -> None:
    with pytest.raises(KeyError), collector_spared():
        raise KeyError
    assert gc.get_freeze_count() == 0
    assert gc.isenabled()


def test_what_the_caller_set_aside_stays_aside() -> None:
    gc.freeze()
    try:
        held = gc.get_freeze_count()
        with collector_spared():
            assert gc.get_freeze_count() == held
        assert gc.get_freeze_count() == held
    finally:
        gc.unfreeze()
