"""What is said to mix samples does: another sample changes the answer to this one; what is not said to mix leaves it alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from initium.network import Batch, beside_keys, mixed, read, read_at_last, recut

SAMPLES, STEPS, WIDTH = 6, 5, 8


class Calls(nn.Module):
    def __init__(self, run: Callable[["Calls", Tensor], Tensor]) -> None:
        super().__init__()
        self.steps = nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True)
        self.narrow, self.wide = nn.Linear(WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.scan, self.run = nn.Conv1d(STEPS, STEPS, 3, padding=1), run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


APART: dict[str, Callable[[Calls, Tensor], Tensor]] = {
    "states, turned": lambda m, x: m.wide(m.steps(x)[1].transpose(0, 1).reshape(SAMPLES, -1)),
    "states, side by side": lambda m, x: m.wide(torch.cat(list(m.steps(x)[1]), -1)),
    "steps in the batch": lambda m, x: m.narrow(x.reshape(-1, WIDTH)).reshape(SAMPLES, STEPS, WIDTH),
    "a view of steps": lambda m, x: m.narrow(x.transpose(0, 1)).transpose(0, 1).mean(1),
    "channels": lambda m, x: m.narrow(m.scan(x)[:, -1]).relu(),
    "a softmax over steps": lambda m, x: m.narrow((x.mean(-1, keepdim=True).softmax(1) * x).sum(1)),
}
TOGETHER: dict[str, Callable[[Calls, Tensor], Tensor]] = {
    "states, viewed": lambda m, x: m.wide(m.steps(x)[1].reshape(SAMPLES, -1)),
    "a transposition too few": lambda m, x: m.wide(x.transpose(0, 1)[:2].reshape(SAMPLES, 2 * WIDTH)),
    "a softmax over samples": lambda m, x: m.narrow((x.mean(-1, keepdim=True).softmax(0) * x).sum(1)),
}


def said(model: nn.Module, x: Tensor) -> bool:
    found = mixed(read(model, Batch((x,))), SAMPLES)
    return bool(found.sums or found.softmaxes)


def leaks(model: nn.Module, x: Tensor) -> bool:
    """The answer to the first sample is another among other ones."""
    other = x.clone()
    other[1:] += torch.randn(SAMPLES - 1, STEPS, WIDTH)
    with torch.no_grad():
        return not torch.allclose(model(x)[0], model(other)[0])


@pytest.mark.parametrize("name", [*APART, *TOGETHER])
def test_what_is_said_to_mix_samples_does_and_nothing_else(name: str) -> None:
    model, x = Calls((APART | TOGETHER)[name]), torch.randn(SAMPLES, STEPS, WIDTH)
    assert leaks(model, x) == (name in TOGETHER)
    assert said(model, x) == (name in TOGETHER)


def test_a_kernel_for_each_sample_mixes_none() -> None:
    """Samples are folded into channels and parted into groups again, as a modulated convolution has it."""

    class Modulated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(4, 4, 3, 3))

        def forward(self, x: Tensor) -> Tensor:
            kernels = (self.kernel * x.mean((2, 3))[:, None, :, None, None]).flatten(0, 1)
            return nn.functional.conv2d(x.reshape(1, -1, 8, 8), kernels, groups=SAMPLES).reshape(SAMPLES, 4, 6, 6)

    assert not said(Modulated(), torch.randn(SAMPLES, 4, 8, 8))


@pytest.mark.parametrize(
    ("cut", "wrong"),
    [
        (lambda x: x.reshape(-1, 3, 8, 8), True),
        (lambda x: x.flatten(1).view(-1, 3, 8, 8), True),
        (lambda x: x.permute(0, 3, 1, 2), False),
        (lambda x: x.permute(0, 3, 1, 2).reshape(-1, 3, 64).reshape(-1, 3, 8, 8), False),
        (lambda x: x.reshape(-1, 8, 2, 4, 3), False),
        (lambda x: x.unsqueeze(1).squeeze(1), False),
        # The shift of relative positions, either way round.
        (lambda x: x.reshape(-1, 3, 8, 8)[:, :, 1:].reshape(-1, 7, 8, 3), False),
        (lambda x: x.reshape(-1, 8, 3, 8)[:, 1:].reshape(-1, 7, 8, 3)[:, :, :3], False),
        # Half of each row joined with the axis before it: the sizes are the same by chance.
        (lambda x: x[..., :1].reshape(-1, 4, 2, 8).reshape(-1, 4, 8, 2), False),
    ],
)
def test_a_view_that_gives_the_same_sizes_in_another_order_is_told(
    cut: Callable[[Tensor], Tensor],
    wrong: bool,  # noqa: FBT001
) -> None:
    model = Calls(lambda m, x: m.narrow(cut(x).flatten(1)[:, :WIDTH]))
    assert bool(recut(read(model, Batch((torch.randn(SAMPLES, 8, 8, 3),))))) == wrong


@pytest.mark.parametrize(
    ("run", "last"),
    [
        (lambda m, x: m.narrow(m.steps(x)[0][:, -1]), True),
        (lambda m, x: m.narrow(m.steps(x)[0][:, STEPS - 1]), True),
        (lambda m, x: m.narrow(m.steps(x)[1][-1]), True),
        (lambda m, x: m.narrow(m.steps(x)[0][:, 0]), False),
        (lambda m, x: m.narrow(m.steps(x)[0].mean(1)), False),
    ],
)
def test_a_recurrent_layer_is_read_at_its_last_state_or_is_not(
    run: Callable[[Calls, Tensor], Tensor],
    last: bool,  # noqa: FBT001
) -> None:
    assert bool(read_at_last(read(Calls(run), Batch((torch.randn(SAMPLES, STEPS, WIDTH),))))) == last


def test_what_is_brought_to_a_device_keeps_its_order():
    model = Calls(lambda m, x: m.narrow(x.to(torch.device("cpu")).flatten(1)[:, :WIDTH]))
    found = mixed(read(model, Batch((torch.randn(SAMPLES, 2, WIDTH),))), SAMPLES)
    assert not found.sums
    assert not found.softmaxes


def test_shares_that_are_brought_to_a_device_are_followed_to_their_values():
    def attended(m, x):
        q, k, v = (m.narrow(x).unflatten(-1, (2, -1)).transpose(1, 2) for _ in range(3))
        return (q @ k.mT).softmax(1).to(torch.device("cpu")) @ v

    found = beside_keys(read(Calls(attended), Batch((torch.randn(SAMPLES, STEPS, WIDTH),))))
    assert [shape for _, shape in found] == [(SAMPLES, 2, STEPS, STEPS)]
