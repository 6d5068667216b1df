"""Tracing runs a model once and leaves it as it was."""

import copy
import random
from itertools import chain

import numpy as np
import pytest
import torch
from torch import fx, nn

from initium.errors import ArgumentTypeError, BatchError, TraceError
from initium.network import Batch, Walk, as_batch, read, run_walk, tensors_in, trace


class Odd(nn.Module):
    """Everything that makes tracing hard: questions to tensors, written buffers, noise, state on the Python side."""

    def __init__(self):
        super().__init__()
        self.norm, self.line, self.calls = nn.BatchNorm1d(4), nn.Linear(4, 4), 0
        self.cache = {}

    def forward(self, x, *, scale=1.0):
        self.calls += 1
        self.cache["last"] = x
        y = self.line(self.norm(x)) * scale
        random.random()  # noqa: S311 - what models do
        np.random.rand()  # noqa: NPY002 - what models do
        if bool(y.sum() > y.sum().item() - 1) and len(y.mean(1).tolist()) == len(x):
            y = torch.nn.functional.dropout(y, 0.5, training=self.training)
        return {"out": y, "pair": (y * 2, [y[:1]]), "text": "kept"}


def photograph(model):
    """Everything that a failed or a successful call must leave alone."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    python = {name: (dict(vars(m)).keys(), m.training, len(m._forward_hooks)) for name, m in model.named_modules()}
    grads = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    return state, python, grads, torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


def assert_same(before, after):
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert before[1] == after[1]
    assert before[2].keys() == after[2].keys()
    assert torch.equal(before[3], after[3])
    assert before[4:] == after[4:]


def test_the_graph_gives_what_the_model_gives():
    model, x = Odd().eval(), torch.randn(6, 4)
    batch = Batch((x,), {"scale": 3.0})
    traced = trace(model, batch)
    leaves = fx.Interpreter(traced.graph).run(*chain.from_iterable(traced.bind(model, batch)))
    output, expected = traced.rebuild(leaves), model(x, scale=3.0)
    assert output["text"] == "kept"
    assert isinstance(output["pair"], tuple)
    assert all(torch.equal(a, b) for a, b in zip(tensors_in(output), tensors_in(expected), strict=True))


def test_tracing_leaves_no_mark():
    model, batch = Odd(), as_batch(torch.randn(6, 4))
    calls, cache = model.calls, model.cache
    before = photograph(model)
    trace(model, batch)
    assert_same(before, photograph(model))
    assert model.calls == calls
    assert model.cache is cache
    assert cache == {}


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        (torch.randn(6, 7), BatchError, ["(6, 7)", "norm"]),
        ({"x": torch.randn(6, 4), "nonsense": 1}, BatchError, ["nonsense"]),
        (torch.randn(0, 4), BatchError, ["no element", "(0, 4)"]),
        (torch.tensor([[1.0, float("nan"), 2.0, 3.0]]), BatchError, ["args[0]", "1 NaN", "[0, 1]"]),
        ([1, 2], ArgumentTypeError, ["list"]),
    ],
)
def test_a_batch_that_does_not_fit_is_named_and_nothing_changes(batch, error, words):
    model = Odd()
    before = photograph(model)
    with pytest.raises(error) as caught:
        trace(model, as_batch(batch))
    assert_same(before, photograph(model))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_additive_mask_may_be_minus_infinity():
    mask = torch.zeros(3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf)
    assert as_batch((torch.randn(3, 3), mask)).args[1] is mask


def test_the_layer_that_fails_is_named():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(9, 2)))
    with pytest.raises(BatchError, match=r"`2\.0` \(Linear\(in_features=9"):
        trace(model, as_batch(torch.randn(3, 4)))


def test_a_walk_needs_data():
    model = nn.Linear(3, 3)
    with pytest.raises(TraceError, match="needs a network that was traced on data"):
        Walk(read(model))


def test_a_walk_may_replace_what_a_weight_gives():
    model, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), torch.randn(5, 3)

    class Doubling(Walk):
        def at_use(self, use, output, args):
            assert args[1].shape == output.shape[-1:] + args[0].shape[-1:]
            return output * 2 if use.name == "2.weight" else output

    network, batch = read(model, as_batch(x)), as_batch(x)
    (output,) = run_walk(Doubling(network), [*chain.from_iterable(network.trace.bind(model, batch))])
    assert torch.equal(output, model(x) * 2)


def test_a_copy_of_a_model_reads_the_same():
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
    first, second = (read(m, as_batch(torch.randn(3, 4))) for m in (model, copy.deepcopy(model)))
    assert [(u.name, str(u.before), str(u.after)) for u in first.uses] == [
        (u.name, str(u.before), str(u.after)) for u in second.uses
    ]


def test_an_integer_weight_is_named_with_the_cure():
    model = nn.Sequential(nn.Linear(4, 2))
    model[0].weight = nn.Parameter(torch.ones(2, 4, dtype=torch.int64), requires_grad=False)
    with pytest.raises(BatchError, match=r"`0\.weight` holds torch\.int64: convert it"):
        read(model, as_batch(torch.randn(3, 4)))


@pytest.mark.parametrize(("model", "words"), [("nope", "got 'nope' of type str"), (nn.Linear, "call it")])
def test_what_is_no_module_is_refused(model, words):
    with pytest.raises(ArgumentTypeError, match=words):
        read(model)
