"""Inside what others do with tensors: traces, fake modes, compilation."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import initium
from initium import init

FILLS = {
    "normal_": lambda w: init.normal_(w, std=0.1),
    "uniform_": init.uniform_,
    "trunc_normal_": init.trunc_normal_,
    "orthogonal_": init.orthogonal_,
    "he_normal_": lambda w: init.he_normal_(w, nonlinearity="silu"),
    "sparse_": lambda w: init.sparse_(w, 0.5),
}


class Noisy(nn.Module):
    """Fills a tensor as it runs."""

    def __init__(self, fill):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.fill = fill

    def forward(self, x):
        return self.layer(x + self.fill(torch.empty_like(x)))


@pytest.fixture(params=FILLS.values(), ids=FILLS)
def fill(request):
    return request.param


def test_a_model_that_fills_as_it_runs_can_be_planned_and_measured(fill):
    model, batch = Noisy(fill), torch.randn(8, 4)
    assert {row.name for row in initium.plan(model, batch).rows} == {"layer.weight", "layer.bias"}
    initium.diagnose(model, batch)


def test_inside_a_fake_mode_nothing_is_written(fill):
    out = torch.zeros(8, 4)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fill(out)
    assert not out.any()  # as by torch's own fills


def test_a_fill_is_one_call_in_a_symbolic_trace(fill):
    graph = torch.fx.symbolic_trace(Noisy(fill))
    assert graph(torch.ones(8, 4)).shape == (8, 3)
    assert sum(node.op == "call_function" and "initium" in node.target.__module__ for node in graph.graph.nodes) == 1


def test_inside_a_gradient_transform_a_fill_is_a_constant(fill):
    normal = init.normal_(torch.empty(8, 4))  # whatever was drawn before
    assert normal.isfinite().all()
    gradient = torch.func.grad(lambda x: (fill(torch.empty(8, 4)) * x).sum())(torch.ones(8, 4))
    assert gradient.any()


def test_imported_inside_a_fake_mode_it_fills_outside():
    code = """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    with FakeTensorMode():
        from initium import init
    print(bool(init.normal_(torch.zeros(9)).any()))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"
