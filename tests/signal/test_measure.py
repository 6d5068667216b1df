"""Every figure against forward hooks and autograd on the real model; and nothing on the model changes."""

import random
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from initium.errors import ArgumentError, BatchError, LossError
from initium.network import Batch, as_batch, read
from initium.signal import measure, predict
from lawful import fingerprint

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding, nn.LSTM)


class Functional(nn.Module):
    """Functional activations, and layers registered in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.middle, self.first = nn.Linear(7, 3), nn.Linear(9, 7), nn.Linear(6, 9)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.middle(F.gelu(self.first(x)))))


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.relu(self.a(F.relu(self.a(x)))))


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 5), nn.Linear(3, 5)

    def forward(self, x: Tensor, y: Tensor, *, scale: float = 1.0) -> dict[str, Tensor]:
        return {"sum": self.left(x) + scale * self.right(y), "count": torch.ones(3, dtype=torch.long)}


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.cells, self.head = nn.Embedding(11, 6), nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.cells(self.table(ids))[0][:, -1])


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.Conv2d(6, 6, 3, groups=3),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(6, 4, 2, stride=2),
        nn.Flatten(),
        nn.LazyLinear(3),
    )


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 9), nn.Sigmoid(), nn.Linear(9, 3))


def images() -> Tensor:
    return torch.randn(4, 2, 6, 6, dtype=torch.float64)


def vectors(features: int = 6) -> Tensor:
    return torch.randn(16, features, dtype=torch.float64)


def square(output: Any) -> Tensor:
    return (output["sum"] if isinstance(output, dict) else output).square().mean()


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], object]]] = {
    "mlp": (mlp, vectors),
    "convolutions, batch norm, in-place relu, dropout": (convolutional, images),
    "functional, registered out of order": (Functional, vectors),
    "a layer used twice": (Reused, vectors),
    "a tuple": (TwoInputs, lambda: (vectors(4), vectors(3))),
    "a dict": (TwoInputs, lambda: {"y": vectors(3), "x": vectors(4), "scale": 0.5}),
    "a Batch": (TwoInputs, lambda: Batch((vectors(4),), {"y": vectors(3)})),
    "embedding and lstm": (Recurrent, lambda: torch.randint(0, 11, (5, 7))),
}


def made(case: str) -> tuple[nn.Module, object]:
    torch.manual_seed(0)
    build, batch = CASES[case]
    model, given = build().double(), batch()
    if any(isinstance(module, nn.LazyLinear) for module in model.modules()):
        model(given)
    return model, given


def hooked(model: nn.Module, batch: object, loss: Callable[[Any], Tensor]) -> dict[tuple[str, int], dict[str, Tensor]]:
    """The referee: outputs and gradients at outputs by module hooks, in a plain forward and backward."""
    found: dict[tuple[str, int], dict[str, Tensor]] = {}
    calls: dict[str, int] = defaultdict(int)

    def attach(name: str, module: nn.Module) -> None:
        def after(_: nn.Module, __: object, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            seen = {"output": value.detach().clone()}
            value.register_hook(lambda gradient: seen.update(gradient=gradient.detach().clone()))
            found[name, calls[name]] = seen
            calls[name] += 1

        module.register_forward_hook(after)

    for name, module in model.named_modules():
        if isinstance(module, WEIGHTED):
            attach(name, module)
    given = as_batch(batch)
    loss(model(*given.args, **given.kwargs)).backward()
    return found


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_that_of_hooks_and_autograd(case: str) -> None:
    model, batch = made(case)
    torch.manual_seed(1)
    signal = measure(model, batch, square)
    torch.manual_seed(1)
    referee = hooked(model, batch, square)
    weights = dict(model.named_parameters())
    assert len({(row.name.rpartition(".")[0], row.use) for row in signal.rows}) == len(referee)
    for row in signal.rows:
        seen = referee[row.name.rpartition(".")[0], row.use]
        assert_row(row, seen["output"], seen["gradient"], weights[row.name])


def assert_row(row: Any, output: Tensor, gradient: Tensor, weight: nn.Parameter) -> None:
    axis = 1 if output.ndim == 4 else -1
    units = output.movedim(axis, 0).flatten(1)
    assert weight.grad is not None
    values = weight.detach()
    expected = {
        "out_mean": output.mean(),
        "out_std": output.std(correction=0),
        "out_rms": output.square().mean().sqrt(),
        "unit_std": units.var(dim=1, correction=0).mean().sqrt(),
        "grad_rms": gradient.square().mean().sqrt(),
        "weight_std": values.std(correction=0),
        "weight_rms": values.square().mean().sqrt(),
        "weight_grad_norm": weight.grad.norm(),
        "weight_grad_mean_abs": weight.grad.abs().mean(),
    }
    # Sums of fewer than 2000 float64 numbers, twice over the depth of the network: far below 1e-11 of the size.
    for field, value in expected.items():
        assert getattr(row, field) == pytest.approx(float(value), rel=1e-11, abs=1e-13), (row.name, field)
    assert row.finite


def test_rows_come_in_execution_order() -> None:
    model, batch = made("functional, registered out of order")
    assert [row.name for row in measure(model, batch).rows] == ["first.weight", "middle.weight", "last.weight"]


def test_a_layer_used_twice_has_two_rows_and_one_gradient() -> None:
    model, batch = made("a layer used twice")
    first, second, _ = measure(model, batch).rows
    assert (first.use, second.use) == (0, 1)
    assert first.weight_grad_norm == second.weight_grad_norm
    assert first.out_std != second.out_std


def test_an_already_read_network_gives_the_same_signal() -> None:
    model, batch = made("mlp")
    assert measure(model, batch, network=read(model, as_batch(batch))) == measure(model, batch)


@pytest.mark.parametrize("inplace", [F.relu_, lambda x: x.mul_(2), lambda x: x.__setitem__((..., 0), 1.0) or x])
def test_an_output_that_is_a_view_and_is_changed_in_place_keeps_its_gradient(
    inplace: Callable[[Tensor], Tensor],
) -> None:
    class Sequence(nn.Module):
        def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.first, self.mix = nn.Linear(6, 9, dtype=torch.float64), nn.Parameter(torch.ones(9, 3).double())
            self.change = change

        def forward(self, x: Tensor) -> Tensor:
            return self.change(torch.einsum("bti,io->bto", self.change(self.first(x)), self.mix))

    torch.manual_seed(0)
    model, batch = Sequence(inplace), torch.randn(4, 5, 6, dtype=torch.float64)
    other = Sequence(lambda x: inplace(x.clone()))
    other.load_state_dict(model.state_dict())
    assert measure(model, batch).rows == measure(other, batch).rows
    assert all(row.grad_rms > 0 for row in measure(model, batch).rows)


class Reversible(torch.autograd.Function):
    """Runs a layer without a graph, and again with one on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Module, *_: Tensor) -> Tensor:
        ctx.layer = layer
        ctx.save_for_backward(x)
        with torch.no_grad():
            return layer(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            found = torch.autograd.grad(ctx.layer(x), (x, *ctx.layer.parameters()), gradients)
        return found[0], None, *found[1:]


HIDDEN: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "reentrant checkpoint": lambda layer, x: checkpoint(layer, x, use_reentrant=True),
    "checkpoint": lambda layer, x: checkpoint(layer, x, use_reentrant=False),
    "reversible function": lambda layer, x: Reversible.apply(x, layer, *layer.parameters()),
}


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("how", HIDDEN)
def test_a_layer_that_makes_its_own_way_back_is_measured_like_any_other(how: str, *, grad: bool) -> None:
    class Wrapped(nn.Module):
        def __init__(self, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6), nn.Tanh()), nn.Linear(6, 2)
            self.run = run

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.run(self.b, self.a(x)))

    torch.manual_seed(0)
    plain, batch = Wrapped(lambda layer, x: layer(x)), vectors().float()
    other = Wrapped(HIDDEN[how])
    other.load_state_dict(plain.state_dict())
    with torch.set_grad_enabled(grad):
        assert measure(other, batch).rows == measure(plain, batch).rows


@pytest.mark.parametrize("how", HIDDEN)
def test_a_layer_that_makes_its_own_way_back_may_read_whole_numbers(how: str) -> None:
    class Wrapped(nn.Module):
        def __init__(self, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
            super().__init__()
            self.a, self.b, self.run = nn.Embedding(9, 6), nn.Sequential(nn.Linear(6, 6), nn.Tanh()), run

        def forward(self, tokens: Tensor) -> Tensor:
            return self.run(self.b, self.a(tokens))

    plain, batch = Wrapped(lambda layer, x: layer(x)), torch.arange(18).reshape(3, 6) % 9
    other = Wrapped(HIDDEN[how])
    other.load_state_dict(plain.state_dict())
    assert measure(other, batch).rows == measure(plain, batch).rows


@pytest.mark.parametrize("grad", [True, False])
def test_what_runs_without_gradient_has_none(*, grad: bool) -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.a(x)
            return self.b(x)

    with torch.set_grad_enabled(grad):
        first, second = measure(Fixed(), vectors().float()).rows
    assert first.grad_rms == first.weight_grad_norm == 0
    assert second.grad_rms > 0


def test_frozen_parameters_are_measured_too() -> None:
    model, batch = made("mlp")
    free = measure(model, batch)
    model.requires_grad_(requires_grad=False)
    assert replace(measure(model, batch), drawn=()) == free  # what is frozen is asked whether it was ever trained


def test_it_runs_under_no_grad_and_inference_mode() -> None:
    model, batch = made("mlp")
    expected = measure(model, batch)
    with torch.no_grad():
        assert measure(model, batch) == expected
    with torch.inference_mode():
        assert measure(model, batch) == expected


def test_a_detached_part_has_no_gradient_and_a_note() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.idle = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                y = self.a(x)
            return self.b(y)

    signal = measure(Net(), torch.randn(4, 3))
    assert (signal.rows[0].grad_rms, signal.rows[0].weight_grad_norm) == (0, 0)
    assert signal.rows[1].grad_rms > 0
    assert any("`a.weight`" in note for note in signal.notes)
    assert any("`idle.weight`" in note for note in signal.notes)


def test_a_signal_beyond_the_squares_of_float32_is_still_measured() -> None:
    model = nn.Sequential(*(nn.Linear(8, 8, bias=False) for _ in range(6)))
    with torch.no_grad():
        for layer in model:
            layer.weight.copy_(torch.eye(8) * 1e-6)
    x = torch.randn(9, 8)
    last = measure(model, x).rows[-1]
    # Six products by 1e-6 and a handful of roundings.
    assert last.out_std == pytest.approx(1e-36 * float(x.std(correction=0)), rel=1e-5)
    assert measure(model, x).rows[0].grad_rms == pytest.approx(1e-30 * last.grad_rms, rel=1e-5)


def test_sparse_gradients_count_their_missing_rows() -> None:
    dense, sparse = nn.Embedding(9, 4), nn.Embedding(9, 4, sparse=True)
    sparse.load_state_dict(dense.state_dict())
    ids = torch.tensor([[1, 1, 3]])
    one, other = (measure(table, ids, lambda y: y.square().mean()).rows[0] for table in (dense, sparse))
    assert one.weight_grad_norm == pytest.approx(other.weight_grad_norm, rel=1e-6)
    assert one.weight_grad_mean_abs == pytest.approx(other.weight_grad_mean_abs, rel=1e-6)


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")  # torch says so of every one
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.complex64])
def test_half_precision_and_complex_models_are_measured(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)).to(dtype)
    signal = measure(model, torch.randn(8, 6).to(dtype))
    output = model[0](torch.zeros(1, 6, dtype=dtype))
    assert output.dtype == dtype
    assert all(row.finite and row.out_std > 0 and row.grad_rms > 0 and row.distinct == 1 for row in signal.rows)


def test_what_is_not_finite_is_a_row_and_no_exception() -> None:
    model = mlp()
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    signal = measure(model, torch.randn(4, 6), lambda y: y.mean())
    assert not all(row.finite for row in signal.rows)
    assert not signal.rows[1].finite
    assert np.isnan(signal.loss)


def test_the_cotangent_is_the_same_each_time_and_of_unit_variance() -> None:
    model = nn.Linear(4, 64)
    first, again = (measure(model, torch.ones(64, 4)).rows[0] for _ in range(2))
    assert first.grad_rms == again.grad_rms
    # The mean square of n standard normal draws has a std of sqrt(2 / n).
    assert abs(first.grad_rms**2 - 1) < 6 * (2 / 64**2) ** 0.5


# ---- nothing changes ----


def assert_unchanged(before: dict[str, Any], model: nn.Module) -> None:
    np.testing.assert_equal(fingerprint(model), before)


class Stateful(nn.Module):
    """Batch norm, dropout, draws of all three libraries, and a forward that can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.head = nn.Linear(8, 3)
        self.fails = False
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.body(x) * random.random() + np.random.rand()  # noqa: NPY002, S311 - what models do
        if self.fails:
            message = "no"
            raise ZeroDivisionError(message)
        return self.head(x)


def stateful() -> Stateful:
    torch.manual_seed(0)
    model = Stateful()
    model(torch.randn(4, 6)).sum().backward()
    model.head.weight.requires_grad_(requires_grad=False)
    model.body[3].eval()
    return model


def interrupted(_: Tensor) -> Tensor:
    raise KeyboardInterrupt


def test_success_leaves_no_trace() -> None:
    model = stateful()
    before, calls = fingerprint(model), model.calls
    measure(model, torch.randn(4, 6, generator=torch.Generator().manual_seed(0)), lambda y: y.mean())
    assert_unchanged(before, model)
    assert model.calls == calls


@pytest.mark.parametrize(
    ("batch", "loss", "fails", "error"),
    [
        (torch.ones(4, 5), None, False, BatchError),
        (torch.full((4, 6), torch.nan), None, False, BatchError),
        (torch.ones(0, 6), None, False, BatchError),
        (torch.ones(4, 6), None, True, BatchError),
        (torch.ones(4, 6), lambda y: y, False, LossError),
        (torch.ones(4, 6), lambda y: y.mean().item(), False, LossError),
        (torch.ones(4, 6), interrupted, False, KeyboardInterrupt),
    ],
    ids=["shape", "nan", "empty", "forward raises", "loss of many", "loss without gradient", "interrupt"],
)
def test_failure_leaves_no_trace(batch: Tensor, loss: Any, fails: bool, error: type[BaseException]) -> None:  # noqa: FBT001
    model = stateful()
    model.fails = fails
    before = fingerprint(model)
    with pytest.raises(error):
        measure(model, batch, loss)
    assert_unchanged(before, model)


def test_what_the_forward_pass_writes_to_beside_buffers_is_put_back() -> None:
    class Writing(nn.Module):
        """Counts in a plain tensor, renormalises its table, and works in place on its input."""

        def __init__(self) -> None:
            super().__init__()
            self.table, self.count, self.seen = nn.Embedding(5, 4, max_norm=0.1), torch.zeros(1), [torch.zeros(2)]

        def forward(self, x: Tensor, ids: Tensor) -> Tensor:
            self.count += 1
            self.seen[0].add_(1)
            return F.relu_(x) * self.table(ids) + self.count

    model, x, ids = Writing(), torch.randn(2, 4), torch.tensor([0, 1])
    kept = [model.table.weight.detach().clone(), model.count.clone(), model.seen[0].clone(), x.clone()]
    measure(model, (x, ids))
    for value, before in zip([model.table.weight, model.count, model.seen[0], x], kept, strict=True):
        assert torch.equal(value, before)


def test_a_loss_that_depends_on_the_models_own_parameters_gives_them_no_gradient() -> None:
    model = mlp()
    measure(model, torch.randn(4, 6), lambda y: y.square().mean() + model[0].weight.square().sum())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_parameter_on_meta_is_named() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, device="meta"))
    with pytest.raises(ArgumentError, match=r"1\.weight.*to_empty"):
        measure(model, torch.ones(2, 3))


@pytest.mark.parametrize(
    ("batch", "place"),
    [
        (
            Batch((torch.ones(2, 3), [torch.ones(2, 3, device="meta")])),
            r"`args\[1\]\[0\]` of the batch, \(2, 3\), is on the meta",
        ),
        (
            Batch((torch.ones(2, 3),), target=torch.ones(2, device="meta")),
            r"`target` of the batch, \(2,\), is on the meta",
        ),
    ],
)
def test_a_batch_on_meta_is_named(batch: Batch, place: str) -> None:
    with pytest.raises(ArgumentError, match=place):
        measure(nn.Linear(3, 3), batch)


def test_a_parameter_of_inference_mode_is_named_and_its_copy_is_measured() -> None:
    with torch.inference_mode():
        model = nn.Linear(3, 3)
    with pytest.raises(ArgumentError, match=r"`weight` \(3, 3\) was made under torch\.inference_mode\(\).*deepcopy"):
        measure(model, torch.ones(2, 3))
    with torch.inference_mode(), pytest.raises(ArgumentError, match="`weight`"):
        measure(model, torch.ones(2, 3))
    assert measure(deepcopy(model), torch.randn(2, 3)).rows


@pytest.mark.parametrize("trained", [False, True])
def test_a_float8_weight_is_measured_in_float32(trained: bool) -> None:  # noqa: FBT001
    model = Weighed(torch.randn(3, 5).to(torch.float8_e4m3fn), trained=trained)
    (row,) = measure(model, torch.randn(7, 3)).rows
    assert row.weight_std == pytest.approx(float(model.weight.detach().float().std(correction=0)))
    assert row.weight_grad_norm > 0


class Weighed(nn.Module):
    def __init__(self, weight: Tensor, *, trained: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=trained)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.float()


class Straight(torch.autograd.Function):
    """A sign whose gradient passes as if it were not there."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(_: Any, *gradients: Any) -> Any:
        return gradients[0]


class Overwriting(torch.autograd.Function):
    """Writes over what its forward pass would need on the way back, and knows another way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.exp()
        ctx.save_for_backward(y.clone())
        return y.mul_(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return 2 * gradients[0] * ctx.saved_tensors[0] ** 2


class Owning(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.a, self.b, self.function = nn.Linear(6, 6), nn.Linear(6, 2), function

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.function.apply(self.a(x)))


def test_a_backward_that_is_not_run_is_said() -> None:
    class Inside(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return Reversible.apply(x, super().forward, *self.parameters())

    assert any("Reversible" in note for note in measure(Inside(6, 2), vectors().float()).notes)
    assert not any("Straight" in note for note in measure(Owning(Straight), vectors().float()).notes)
    assert not any("Reversible" in note for note in measure(nn.Linear(6, 2), vectors().float()).notes)


def test_a_function_may_write_over_what_torch_would_keep() -> None:
    model, x = Owning(Overwriting), vectors().float()
    (given,) = torch.autograd.grad(model(x).square().mean(), model.a.weight)
    found = measure(model, x, lambda y: y.square().mean()).rows[0].weight_grad_norm
    assert found == pytest.approx(float(given.norm()), rel=1e-5)
    assert 0 < predict(model, x).rows[0].weight_grad_norm < torch.inf


def test_a_backward_pass_that_cannot_be_run_is_an_error_that_says_why() -> None:
    def wrong(y: Tensor) -> Tensor:
        grown = y.exp()
        grown.add_(grown.detach())
        return grown.mean()

    with pytest.raises(LossError, match="changed in place"):
        measure(nn.Linear(6, 2), vectors().float(), wrong)


@pytest.mark.parametrize("walk", [measure, predict])
def test_the_default_device_decides_nothing(walk: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    net, batch = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8)), torch.randn(6, 8)
    expected = walk(net, batch)
    with torch.device("meta"):
        assert repr(walk(net, batch)) == repr(expected)
