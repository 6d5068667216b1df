"""The recorder against ``make_fx``: the same graph, node by node, at none of the compiler's cost."""

import subprocess
import sys

import pytest
import torch
from torch import fx, nn

from architectures import ARCHITECTURES
from initium.network import _trace, as_batch, trace
from initium.network._recorder import UnrecordedError, record

_RECORDED, _MADE = _trace._WAYS[:2]


def written(way: _trace._Way, model: nn.Module, batch: object) -> list[tuple[str, ...]]:
    """The graph that a way gives, its nodes by their places."""
    with torch.random.fork_rng(devices=[]), _trace.unchanged(model):
        made = _trace._trace(model, as_batch(batch), way, {})
    places: dict[fx.Node, int] = {}

    def told(value: object) -> str:
        if isinstance(value, fx.Node):
            return f"%{places[value]}"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(told, value))}]"
        return repr(value)

    lines: list[tuple[str, ...]] = []
    for place, node in enumerate(made.graph.graph.nodes):
        places[node] = place
        if node.op == "get_attr":
            held = getattr(made.graph, str(node.target))
            target = f"{tuple(held.shape)} {held.dtype}"
        else:
            target = str(node.target) if node.op == "call_function" else node.op
        given = told([node.kwargs[key] for key in sorted(node.kwargs)])
        lines.append((node.op, target, told(node.args), given, str(node.meta.get("val"))))
    sides = made.written, made.asked, made.asks, made.functions, made.missed, made.spent, tuple(made.choices)
    return [*lines, tuple(map(str, sides))]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_graph_is_the_one_that_make_fx_writes(name: str) -> None:
    model, batch = ARCHITECTURES[name]()
    assert written(_RECORDED, model, batch) == written(_MADE, model, batch)


class Constants(nn.Module):
    """Numbers that the program writes down, asks for, and writes to; a constant table; a switch; halves of a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.table = nn.Linear(4, 6), torch.arange(3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        number = torch.tensor(2)
        number.add_(1)
        size = int(number * 2)
        with torch.no_grad():
            low, high = self.line(x).detach().aminmax()
        parts = self.line(x).split(3, -1)
        mixed = torch.cat([parts[0] * self.table, parts[1] + self.table], -1)
        return mixed[:, :size] * (high - low) if bool(high > low) else mixed


def test_numbers_of_the_program_are_answered_and_are_no_questions_to_the_model() -> None:
    model, batch = Constants(), torch.ones(2, 4)
    assert written(_RECORDED, model, batch) == written(_MADE, model, batch)
    assert trace(model, as_batch(batch)).asked == ("item",)


def test_what_it_has_no_note_for_is_left_to_make_fx() -> None:
    batch = torch.ones(3, 4)
    with pytest.raises(UnrecordedError):
        record(lambda x: [torch.vmap(torch.sin)(x)], [batch], None)
    assert trace(nn.Sequential(nn.Linear(4, 4), _Mapped()), as_batch(batch)).below


class Cast(nn.Module):
    """Half precision for a part of it, and none for a part of that."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            half = self.first(x).relu()
            with torch.autocast("cpu", enabled=False):
                whole = self.second(half.float())
            weight = self.second.weight.to(half.dtype)
        return (half @ weight.T).float() + whole


def test_autocast_is_written_down() -> None:
    lines = written(_RECORDED, Cast(), torch.ones(2, 4))
    assert lines == written(_MADE, Cast(), torch.ones(2, 4))
    assert sum("autocast" in line[1] for line in lines[:-1]) == 4


class _Mapped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.vmap(torch.sin)(x)


def test_a_process_that_compiles_nothing_loads_no_compiler() -> None:
    program = (
        "import sys, torch, initium\n"
        "model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))\n"
        "initium.diagnose(model, torch.randn(8, 4))\n"
        "initium.initialize(model, torch.randn(8, 4), 'auto', seed=0)\n"
        "assert 'torch._dynamo' not in sys.modules and 'sympy' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
