"""A model's own ``autograd.Function``: its gradient is the one that it gives, measured and predicted."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initium.network import Batch, read, ways_back
from initium.signal import measure, predict

WIDTH = 16


class Spike(torch.autograd.Function):
    """A step with a surrogate for its slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] / (1 + 2 * ctx.saved_tensors[0].abs()) ** 2


class Reversed(torch.autograd.Function):
    """Gives back what it is given, and the gradient with its sign turned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, by: float) -> Tensor:
        ctx.by = by
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return -ctx.by * gradients[0], None


class Rounded(torch.autograd.Function):
    """A step of a learned size, in the form without a context, straight-through."""

    @staticmethod
    def forward(x: Tensor, step: Tensor) -> Tensor:
        return (x / step).round() * step

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, step = ctx.saved_tensors
        return gradients[0], (gradients[0] * ((x / step).round() - x / step)).sum()


class Halves(torch.autograd.Function):
    """Two outputs and a count; the gradient of the first is tripled."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> tuple[Tensor, Tensor, int]:
        return x[:, ::2].sign(), x[:, 1::2] * 2, x.shape[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return torch.stack((3 * gradients[0], 2 * gradients[1]), -1).flatten(1)


def call(function: type[torch.autograd.Function], *args: Any) -> Any:
    """What it gives, of a type that it does not tell."""
    return function.apply(*args)


class Around(torch.autograd.Function):
    """Calls another one."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return call(Spike, x) * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return 0.5 * gradients[0]


class Between(nn.Module):
    """Two layers with something between; ``step`` is a parameter that it may read."""

    def __init__(self, between: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 3)
        self.step, self.between = nn.Parameter(torch.tensor(0.1)), between

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.between(self.b(torch.tanh(self.a(x))), self.step))


def unrolled(x: Tensor, step: Tensor) -> Tensor:
    """A neuron that leaks and fires, over a few steps of time."""
    total = voltage = torch.zeros_like(x)
    for _ in range(4):
        voltage = 0.9 * voltage + x
        fired = call(Spike, voltage - step)
        voltage, total = voltage - fired, total + fired
    return total


def halves(x: Tensor, step: Tensor) -> Tensor:
    """Both outputs, joined."""
    first, second, count = call(Halves, x + step)
    return torch.cat((first, second), -1) / count


def both_ways(x: Tensor, step: Tensor) -> Tensor:
    """One after the other."""
    return call(Reversed, call(Spike, call(Reversed, x + step, 2.0)), 3.0)


BETWEEN: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "surrogate slope": lambda x, step: call(Spike, x - step),
    "argument given back": lambda x, step: call(Reversed, x * step, 0.5),
    "without a context": lambda x, step: call(Rounded, x, step),
    "several outputs": halves,
    "over time": unrolled,
    "one inside of another": lambda x, step: call(Around, x + step),
    "of a weight": lambda x, step: x @ call(Rounded, torch.eye(WIDTH) * step, step),
    "several": both_ways,
}


def made(between: Callable[[Tensor, Tensor], Tensor]) -> tuple[Between, Batch]:
    torch.manual_seed(0)
    return Between(between), Batch((torch.randn(64, 8),), target=torch.randint(3, (64,)))


@pytest.mark.parametrize("name", BETWEEN)
def test_measured_gradients_are_those_of_training(name: str) -> None:
    model, batch = made(BETWEEN[name])
    signal = measure(model, batch, nn.functional.cross_entropy)
    nn.functional.cross_entropy(model(*batch.args), batch.target).backward()
    held = dict(model.named_parameters())
    for row in signal.rows:
        gradient = held[row.name].grad
        assert gradient is not None
        assert row.weight_grad_norm == pytest.approx(float(gradient.norm()), rel=1e-4), row.name
    assert not any("backward of its own" in note for note in signal.notes)
    assert not signal.unreached


@pytest.mark.parametrize("name", ["surrogate slope", "without a context", "over time"])
def test_predicted_gradients_pass_too(name: str) -> None:
    """A law is not this draw: of 16 units the mean of squares has a relative std of sqrt(2 / 16), here of a few draws."""
    model, batch = made(BETWEEN[name])
    loss = nn.functional.cross_entropy
    measured, predicted = measure(model, batch, loss).rows, predict(model, batch, loss=loss).rows
    for row, told in zip(measured, predicted, strict=True):
        assert abs(math.log(told.weight_grad_norm / row.weight_grad_norm)) < 4 * math.sqrt(2 / WIDTH) / 2, row.name


def test_one_without_memory_has_its_way_back_too() -> None:
    model, batch = made(BETWEEN["surrogate slope"])
    hollow = Batch(tuple(each.to("meta") for each in batch.args))
    rows = predict(model.to("meta"), hollow).rows
    assert all(row.weight_grad_norm > 0 for row in rows)


def closing() -> Callable[[Tensor, Tensor], Tensor]:
    """Reads a tensor that is no argument of it."""
    seen: list[Tensor] = []

    class Closing(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, y: Tensor) -> Tensor:
            return y + seen[-1].sign()

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
            return gradients[0]

    def run(x: Tensor, step: Tensor) -> Tensor:
        seen.append(x * 2)
        return call(Closing, x + step)

    return run


class Overwriting(torch.autograd.Function):
    """Writes to what it is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.clamp_(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        return gradients[0]


def overwriting(x: Tensor, step: Tensor) -> Tensor:
    """Gives it a value that nobody else reads."""
    return call(Overwriting, x * step)


@pytest.mark.parametrize(
    ("between", "name"),
    [(closing(), "Closing"), (overwriting, "Overwriting")],
)
def test_what_cannot_be_called_again_is_named(between: Callable[[Tensor, Tensor], Tensor], name: str) -> None:
    model, batch = made(between)
    network = read(model, batch)
    assert any(name in each for each in ways_back(network).missed)
    assert any(name in note for note in measure(model, batch, network=network).notes)
