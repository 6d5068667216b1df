"""How values leave a graph: what makes the answer last, and where a gradient is cut off on its way back."""

import pytest
import torch
from torch import Tensor, nn

from initium.network import Batch, ending, read, severed, straight

BATCH = Batch((torch.ones(6, 4),))


class Two(nn.Module):
    def __init__(self, forward) -> None:
        super().__init__()
        self.one, self.two, self.called = nn.Linear(4, 4), nn.Linear(4, 3), forward

    def forward(self, x: Tensor):
        return self.called(self, x)


def switched_off(m: Two, x: Tensor) -> Tensor:
    with torch.no_grad():
        h = m.one(x)
    return m.two(h)


@pytest.mark.parametrize(
    ("forward", "cut"),
    [
        (lambda m, x: m.two(m.one(x)), {}),
        (lambda m, x: m.two(m.one(x).detach()), {"one.weight": ".detach()", "one.bias": ".detach()"}),
        (switched_off, {"one.weight": "torch.no_grad()", "one.bias": "torch.no_grad()"}),
        (lambda m, x: (m.two(m.one(x).detach()), m.one(x)), {}),
        (lambda m, x: m.two(x + m.one(x).argmax(-1, keepdim=True)), {}),
        (lambda m, x: m.two(x), {}),
    ],
    ids=["open", "detached", "no grad", "another way out", "a choice", "unused"],
)
def test_severed_is_what_comes_out_by_a_cut_alone(forward, cut) -> None:
    assert severed(read(Two(forward), BATCH)) == cut


@pytest.mark.parametrize(
    ("forward", "op", "axis"),
    [
        (lambda m, x: m.two(x).softmax(-1), "softmax", 1),
        (lambda m, x: m.two(x).softmax(0), "softmax", 0),
        (lambda m, x: m.two(x).relu()[None].squeeze(0), "relu", 0),
        (lambda m, x: {"logits": m.two(x).sigmoid(), "hidden": m.one(x)}, "sigmoid", 0),
    ],
    ids=["softmax", "over the batch", "views", "logits"],
)
def test_the_ending_is_the_last_operation_of_the_answer(forward, op: str, axis: int) -> None:
    end = ending(read(Two(forward), BATCH))
    assert end is not None
    assert (end.op, end.axis, end.shape, end.samples) == (op, axis, (6, 3), 6)


def test_several_answers_have_no_one_ending() -> None:
    assert ending(read(Two(lambda m, x: (m.one(x), m.two(x))), BATCH)) is None
    assert ending(read(Two(lambda m, x: m.two(m.one(x))))) is None


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (lambda m, x: m.two(2 * m.one(x) + 1), True),
        (lambda m, x: m.two(m.one(x)).softmax(-1), True),
        (lambda m, x: m.two(m.one(x).tanh()), False),
        (lambda m, x: m.two(m.one(x) * x), False),
        (lambda m, x: m.two(m.one(x).clamp(min=0)), False),
    ],
    ids=["affine", "bent behind the last", "tanh", "a product", "clamp"],
)
def test_a_straight_network_bends_nothing_up_to_its_last_weight(forward, line) -> None:
    assert straight(read(Two(forward), BATCH)) is line
