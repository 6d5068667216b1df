"""Tracing runs a model once and leaves it as it was."""

import copy
import random
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from itertools import chain
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from initium.errors import ArgumentTypeError, BatchError, TraceError
from initium.network import Batch, Walk, as_batch, read, run_walk, tensors_in, trace, unchanged
from initium.network._ops import shape_of


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


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (torch.tensor([0.0, float("nan")]), r"`target` holds 1 NaN or infinite values of 2, the first at index \[1\]"),
        ({"y": torch.tensor([0.0, -torch.inf])}, r"`target\['y'\]` holds 1"),
    ],
)
def test_a_target_that_is_not_finite_is_named(target, place):
    with pytest.raises(BatchError, match=place):
        as_batch(Batch((torch.ones(2, 3),), target=target))


def test_an_additive_mask_may_be_minus_infinity():
    mask = torch.zeros(3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), -torch.inf)
    assert as_batch((torch.randn(3, 3), mask)).args[1] is mask


def test_the_layer_that_fails_is_named():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(9, 2)))
    with pytest.raises(BatchError, match=r"`2\.0` \(Linear\(in_features=9"):
        trace(model, as_batch(torch.randn(3, 4)))


class Clipped(nn.Module):
    """Writes to its own weight whenever it runs."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        self.a.weight.data.clamp_(-0.1, 0.1)
        return self.b(F.relu(self.a(x)))


def test_a_weight_that_the_forward_pass_writes_to_is_put_back_and_walked_on_a_copy():
    model, batch = Clipped(), as_batch(torch.randn(5, 4))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    network = read(model, batch)
    assert network.trace.written == {"a.weight"}
    (output,) = run_walk(Walk(network), [*chain.from_iterable(network.trace.bind(model, batch))])
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert torch.equal(output, model(batch.args[0]))


def test_a_weight_that_a_failing_forward_pass_writes_to_is_put_back():
    model = Clipped()
    before = model.a.weight.detach().clone()
    with pytest.raises(BatchError):
        read(model, as_batch(torch.randn(5, 3)))
    assert torch.equal(model.a.weight, before)


def in_a_thread(self, x):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(self.a, x).result()


UNSEEN = {
    "a reference": lambda self, x: F.linear(x, self.kept[0]),
    "another thread": in_a_thread,
    "a branch": lambda self, x: torch.cond(x.sum() > 0, self.a, lambda y: -self.a(y), (x,)),
}
BELOW = {
    "vmap": lambda self, x: torch.vmap(lambda row: self.a.weight @ row)(x),
    "torch.func": lambda self, x: torch.func.grad(lambda y: self.a(y).tanh().sum())(x),
    "a derivative along": lambda self, x: torch.func.jvp(lambda y: self.a(y).tanh(), (x,), (x + 1,))[1],
    "autograd": lambda self, x: torch.autograd.grad(self.a(x.requires_grad_()).tanh().sum(), x, create_graph=True)[0],
    "an ensemble": lambda self, x: torch.vmap(lambda w: torch.func.functional_call(self.a, {"weight": w}, (x,)))(
        torch.stack([self.a.weight, -self.a.weight])
    ),
}


class Hidden(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.a, self.how = nn.Linear(4, 8), how
        self.kept = [self.a.weight]

    def forward(self, x):
        return self.how(self, x)


@pytest.mark.parametrize("how", UNSEEN.values(), ids=UNSEEN)
def test_a_value_made_out_of_sight_is_refused_and_not_taken_for_a_constant(how):
    with pytest.raises(TraceError, match=r"can(not)? be traced"):
        read(Hidden(how), as_batch(torch.randn(5, 4)))


@pytest.mark.parametrize("how", BELOW.values(), ids=BELOW)
def test_what_torch_func_and_autograd_make_of_operations_is_traced_below_them(how):
    model, batch = Hidden(how), as_batch(torch.randn(5, 4))
    network = read(model, batch)
    (output,) = run_walk(Walk(network), [*chain.from_iterable(network.trace.bind(model, batch))])
    torch.testing.assert_close(output, model(batch.args[0].clone()))
    assert {use.name for use in network.uses} == {"a.weight"}
    assert any("below autograd" in note for note in network.strange)
    assert not any(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("how", [BELOW["vmap"], BELOW["an ensemble"]])
def test_torch_func_is_traced_on_meta_too(how):
    with torch.device("meta"):
        model, batch = Hidden(how), as_batch(torch.randn(5, 4))
    assert {use.name for use in read(model, batch).uses} == {"a.weight"}


ASKING = {
    "is a parameter": lambda self, x: self.a(x) if isinstance(self.a.weight, nn.Parameter) else self.nothing(x),
    "a hook on a gradient": lambda self, x: [y := self.a(x), y.register_hook(lambda grad: 2 * grad)][0],
    "a gradient kept": lambda self, x: [y := self.a(x), y.retain_grad()][0],
    "a deep copy": lambda self, x: self.a(copy.deepcopy(x)),
}


@pytest.mark.parametrize("how", ASKING.values(), ids=ASKING)
def test_a_model_that_asks_for_parameters_and_gradients_is_traced_with_them(how):
    network = read(Hidden(how), as_batch(torch.randn(5, 4)))
    assert [(use.name, str(use.before), str(use.after)) for use in network.uses] == [("a.weight", "input", "output")]
    assert not network.trace.below


def test_a_batch_of_a_class_that_adds_attributes_is_followed_as_tensors():
    class Image(torch.Tensor):
        pass

    network = read(nn.Linear(4, 8), as_batch(torch.randn(5, 4).as_subclass(Image)))
    assert [use.name for use in network.uses] == ["weight"]


def test_a_packed_sequence_comes_out():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRU(4, 5)

        def forward(self, packed):
            return self.cell(packed)[0]

    packed = nn.utils.rnn.pack_sequence([torch.randn(3, 4), torch.randn(2, 4)])
    network = read(Recurrent(), as_batch((packed,)))
    assert isinstance(network.trace.output, nn.utils.rnn.PackedSequence)
    assert [use.name for use in network.uses] == ["cell.weight_ih_l0", "cell.weight_hh_l0"]


def test_constants_and_masks_are_no_hidden_values():
    def masked(rows):
        return torch.vmap(lambda row: torch.vmap(lambda column: row >= column)(torch.arange(5)))(rows)

    class Open(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.table = nn.Linear(4, 8), torch.randn(5, 8).cumsum(0)

        def forward(self, x):
            return (self.a(x) * torch.tensor([0.5, 2.0] * 4) + self.table[:5]) * masked(torch.arange(5))[:, :1]

    assert [use.name for use in read(Open(), as_batch(torch.randn(5, 4))).uses] == ["a.weight"]


class Routed(nn.Module):
    """Sends each row to the expert of its largest score, and writes the number of rows into a view."""

    def __init__(self):
        super().__init__()
        self.router, self.experts = nn.Linear(6, 3), nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x):
        chosen, out = self.router(x).argmax(-1), torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows = (chosen == index).nonzero().squeeze(-1)
            out[rows] = expert(x[rows]).view(rows.shape[0], 2, 3).flatten(1)
        return out


def test_a_graph_that_other_weights_lead_elsewhere_says_so():
    torch.manual_seed(0)
    model, batch = Routed(), as_batch(torch.randn(16, 6))
    network = read(model, batch)
    assert network.trace.asked == ("nonzero",)
    values = {"router.weight": -model.router.weight.detach()}
    with pytest.raises(TraceError, match="holds the sizes and the branches"):
        run_walk(Walk(network), [*chain.from_iterable(network.trace.bind(model, batch, values))])


def test_a_question_about_the_batch_alone_does_not_depend_on_the_weights():
    class Asking(nn.Linear):
        def forward(self, x):
            return super().forward(x) if bool((x > 0).any()) else x

    assert read(Asking(4, 4), as_batch(torch.randn(5, 4))).trace.asked == ()


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_torchscript_is_refused_by_name():
    model = nn.Sequential(torch.jit.script(nn.Linear(4, 8)), nn.Linear(8, 2))
    with pytest.raises(TraceError, match="`0` is TorchScript"):
        read(model, as_batch(torch.randn(3, 4)))


def test_a_compiled_model_is_read_as_it_was_written():
    inner = nn.Sequential(nn.Linear(4, 8), nn.GELU())
    model = nn.Sequential(torch.compile(inner, backend="eager"), nn.Linear(8, 2))
    network = read(model, as_batch(torch.randn(3, 4)))
    assert [(use.name, str(use.after)) for use in network.uses] == [
        ("0._orig_mod.0.weight", "gelu"),
        ("1.weight", "output"),
    ]


class Lazily(nn.Module):
    """A buffer that the first forward pass makes, of the length that it meets, as tables of positions are."""

    def __init__(self):
        super().__init__()
        self.line, self.table = nn.Linear(4, 4), None

    def forward(self, x):
        if self.table is None:
            del self.table
            self.register_buffer("table", torch.arange(len(x)).float()[:, None], persistent=False)
            self.eval()
        return self.line(x) + self.table


def test_a_buffer_that_the_forward_pass_makes_is_none_of_the_model_that_was_read():
    model, x = Lazily(), torch.randn(6, 4)
    expected = copy.deepcopy(model)(x)
    made = read(model, as_batch(x), hollow=True)
    assert not dict(model.named_buffers())
    assert model.training
    assert torch.equal(run_walk(Walk(made), list(chain(*made.trace.bind(model, as_batch(x)))))[0], expected)


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


GROUPS = torch.tensor([2, 5, 8], dtype=torch.int32)


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="this torch has no grouped product")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("left", "right", "offs"),
    [
        ((8, 16), (3, 16, 24), GROUPS),
        ((3, 16, 24), (24, 8), GROUPS),
        ((16, 8), (8, 24), GROUPS),
        ((3, 8, 16), (3, 16, 24), None),
    ],
)
def test_a_grouped_product_has_its_shape_without_memory_in_every_dtype(left, right, offs, dtype):
    class Experts(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(right, dtype=dtype))

        def forward(self, x):
            return torch._grouped_mm(x, self.w, offs=offs)

    model, batch = Experts(), as_batch(torch.randn(left, dtype=dtype))
    real, hollow = read(model, batch), read(model.to("meta"), batch)
    assert hollow.uses == real.uses
    assert [use.op for use in real.uses] == ["_grouped_mm"]
    assert list(map(shape_of, hollow.trace.graph.graph.nodes)) == list(map(shape_of, real.trace.graph.graph.nodes))


class Diary(nn.Module):
    """Writes down every call, in every kind of place."""

    def __init__(self):
        super().__init__()
        self.line, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.deep, self.queue, self.names = {"a": [1, {"b": []}]}, deque([1], maxlen=3), {"x"}
        self.space, self.array = SimpleNamespace(count=0, log=[]), np.zeros(2)
        self.pair = (torch.zeros(1), [torch.zeros(1)])
        self.torch, self.numpy = torch.Generator().manual_seed(1), np.random.default_rng(1)
        self.python, self.cache = random.Random(1), OrderedDict(first=1)  # noqa: S311 - what models do

    def forward(self, x):
        self.deep["a"][1]["b"].append(1)
        self.deep["new"] = 1
        self.queue.append(2)
        self.names.add("y")
        self.space.count += 1
        self.space.log.append(1)
        self.array += 1
        self.pair[0].add_(1)
        self.pair[1][0].add_(1)
        self.cache.move_to_end("first")
        self.cache["second"] = 2
        mask = torch.rand(4, generator=self.torch) + self.numpy.random() + self.python.random()
        return self.line(self.norm(x)) * mask


def diary(model):
    python = (model.deep, model.queue, model.names, vars(model.space), list(model.cache.items()))
    drawn = (model.torch.get_state().tolist(), model.numpy.bit_generator.state, model.python.getstate())
    tensors = [*model.norm.buffers(), model.pair[0], model.pair[1][0], torch.from_numpy(model.array)]
    return copy.deepcopy((python, drawn, [tensor.tolist() for tensor in tensors]))


@pytest.mark.skipif(torch.__version__.startswith("2.6."), reason="a graph of torch 2.6 holds no generator")
@pytest.mark.parametrize("fails", [False, True])
def test_whatever_a_model_writes_down_is_put_back_at_any_depth(fails):
    model = Diary()
    before, places = diary(model), (model.deep["a"], model.queue, model.space, model.array, model.cache)
    if fails:
        with pytest.raises(BatchError):
            read(model, as_batch(torch.randn(5, 3)))
    else:
        trace(model, as_batch(torch.randn(5, 4)))
        with unchanged(model):
            model(torch.randn(5, 4))
    assert diary(model) == before
    now = (model.deep["a"], model.queue, model.space, model.array, model.cache)
    assert list(map(id, places)) == list(map(id, now))


class Appending(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 3)

    def forward(self, x, notes=None, cache=None):
        notes.append("seen")
        cache.held["x"] = x
        return self.line(x)


def test_what_a_model_appends_to_its_arguments_stays_away_from_the_batch():
    notes, cache = [], SimpleNamespace(held={})
    batch = as_batch(Batch((torch.randn(2, 4),), {"notes": notes, "cache": cache}))
    read(Appending(), batch)
    assert (notes, cache.held) == ([], {})


def test_a_batch_made_of_one_bare_tensor_is_refused_with_the_way_to_write_it():
    with pytest.raises(ArgumentTypeError, match=r"Batch\(\(x,\)\)"):
        as_batch(Batch(torch.randn(2, 4)))


def test_a_sparse_batch_is_taken():
    assert [use.name for use in read(nn.Linear(8, 4), as_batch(torch.randn(3, 8).to_sparse())).uses] == ["weight"]


def test_a_model_that_insists_on_parameters_is_given_them():
    class Insisting(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(4, 3)

        def forward(self, x):
            return F.linear(x, self.get_parameter("line.weight"))

    assert [use.name for use in read(Insisting(), as_batch(torch.randn(2, 4))).uses] == ["line.weight"]


def test_values_that_are_asked_for_as_a_list_or_an_array_are_noticed():
    class Counted(nn.Module):
        def __init__(self, ask):
            super().__init__()
            self.router, self.expert, self.ask = nn.Linear(6, 3), nn.Linear(6, 2), ask

        def forward(self, x):
            chosen = self.router(x).argmax(-1)
            parts = x[chosen.argsort()].split(self.ask(torch.bincount(chosen, minlength=3)))
            return torch.cat([self.expert(part) for part in parts])

    batch = as_batch(torch.randn(8, 6))
    for ask in (torch.Tensor.tolist, lambda counts: counts.numpy().tolist(), lambda counts: [int(n) for n in counts]):
        assert read(Counted(ask), batch).trace.asked == ("item",)
    assert read(Counted(lambda counts: [len(counts)] * 2 + [2]), batch).trace.asked == ()


class Graphed(nn.Module):
    """Mixes its samples by a sparse matrix, and counts in a buffer without a word."""

    def __init__(self, matrix, *, writes):
        super().__init__()
        self.line, self.norm, self.out = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)
        self.writes, self.matrix = writes, matrix

    def forward(self, x):
        if self.writes:
            self.matrix.mul_(2)
        return self.out(F.relu(self.norm(torch.sparse.mm(self.matrix, self.line(x)))))


class GraphedBuffer(Graphed):
    """The same with the matrix as a buffer."""

    def __init__(self, matrix, *, writes):
        super().__init__(None, writes=writes)
        del self.matrix
        self.register_buffer("matrix", matrix)


SPARSE = [torch.Tensor.to_sparse, torch.Tensor.to_sparse_csr, torch.Tensor.to_sparse_csc]


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("kind", [Graphed, GraphedBuffer])
@pytest.mark.parametrize("layout", SPARSE)
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_a_sparse_tensor_of_the_model_is_kept(layout, kind, writes):
    model = kind(layout(torch.eye(6)), writes=writes)
    with unchanged(model):
        model(torch.randn(6, 4))
    assert torch.equal(model.matrix.to_dense(), torch.eye(6))
    assert torch.equal(model.norm.running_mean, torch.zeros(8))
    # What is stored by rows or columns some torch cannot trace.
    with suppress(TraceError) if layout is not SPARSE[0] else nullcontext():
        assert read(model, as_batch(torch.randn(6, 4))).uses
    assert torch.equal(model.matrix.to_dense(), torch.eye(6))


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("layout", SPARSE)
def test_a_sparse_tensor_that_was_given_other_places_gets_its_own_back(layout):
    model = Graphed(layout(torch.eye(6)), writes=False)
    full = layout(torch.ones(6, 6))
    with unchanged(model):
        model.matrix.resize_as_sparse_(full).copy_(full)
    assert torch.equal(model.matrix.to_dense(), torch.eye(6))


def test_one_tensor_that_cannot_be_put_back_leaves_none_of_the_others_behind():
    model = nn.Module()
    model.plain, model.shrunk, model.after = torch.zeros(2), torch.zeros(2), torch.zeros(2)

    def broken():
        with unchanged(model):
            model.plain.fill_(1.0)
            model.after.fill_(1.0)
            model.shrunk.resize_(3)

    with pytest.raises(RuntimeError, match="size"):
        broken()
    assert float(model.plain.sum() + model.after.sum()) == 0.0


class Differentiating(nn.Module):
    """Takes a step of gradient descent on its own weight before it answers (MAML), or all of ``backward()``."""

    def __init__(self, how):
        super().__init__()
        self.line, self.how = nn.Linear(4, 3), how

    def forward(self, x):
        loss = self.line(x).square().mean()
        if self.how == "backward":
            loss.backward()
            return self.line(x)
        (step,) = torch.autograd.grad(loss, self.line.weight, create_graph=True)
        return F.linear(x, self.line.weight - 0.1 * step, self.line.bias)


@pytest.mark.parametrize("how", ["grad", "backward"])
def test_a_model_that_differentiates_in_its_forward_pass_is_traced_and_left_without_gradients(how):
    model = Differentiating(how)
    uses = read(model, as_batch(torch.randn(5, 4))).uses
    assert {use.name for use in uses} == {"line.weight"}
    assert model.line.weight.grad is None
    with pytest.raises(BatchError, match="cannot take this batch"):
        read(model, as_batch(torch.randn(5, 7)))


def test_a_python_module_that_a_model_leads_to_is_not_touched():
    world = ModuleType("world")
    world.there, world.seen = [1], []

    class Watching(dict):
        def clear(self):
            raise AssertionError

    class Holding(nn.Linear):
        def forward(self, x):
            world.seen.append(len(x))
            return super().forward(x)

    model = Holding(4, 4)
    model.library, model.globals = world, Watching(there=1)
    read(model, as_batch(torch.randn(5, 4)))
    assert world.seen == [5]
    assert model.library is world


def test_an_object_whose_class_looks_attributes_up_elsewhere_is_a_batch():
    class Data:
        def __init__(self, **values):
            vars(self)["store"] = values

        def __getattr__(self, name):
            return vars(self)["store"][name]

    class Graphs(nn.Linear):
        def forward(self, data):
            return super().forward(data.x)

    assert [use.name for use in read(Graphs(4, 4), as_batch((Data(x=torch.randn(5, 4)),))).uses] == ["weight"]


@pytest.mark.filterwarnings("ignore:.*DataParallel")
def test_what_is_divided_among_devices_is_read_as_what_it_divides():
    class Holding(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.DataParallel(nn.Linear(4, 8)), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(F.relu(self.body(x)))

    batch = as_batch(torch.randn(5, 4))
    whole = nn.DataParallel(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    assert [use.name for use in read(whole, batch).uses] == ["module.0.weight", "module.2.weight"]
    assert [use.name for use in read(Holding(), batch).uses] == ["body.module.weight", "head.weight"]
    assert str(read(whole, batch).facts("module.0.weight").after) == "relu"
