"""The axis of a weight's outputs by its bias; and the modules of one's own that are read by it."""

import pytest
import torch
from torch import nn

import initium
from initium.network import fans_along, output_axes, read


@pytest.mark.parametrize(
    ("layer", "axis"),
    [
        (nn.Linear(6, 8), 0),
        (nn.Conv2d(6, 8, (3, 5)), 0),
        (nn.Conv1d(8, 8, 3, groups=4), 0),
        (nn.ConvTranspose2d(6, 8, 3), 1),
        (nn.ConvTranspose1d(5, 7, 4), 1),
        (nn.Bilinear(5, 6, 8), 0),
    ],
)
def test_torch_s_own_layers_are_read_as_they_are(layer: nn.Linear, axis: int) -> None:
    assert output_axes(tuple(layer.weight.shape), len(layer.bias)) == (axis,)


@pytest.mark.parametrize(
    "layer", [nn.Linear(6, 8), nn.Conv2d(6, 8, (3, 5)), nn.ConvTranspose2d(6, 8, (3, 5)), nn.ConvTranspose1d(5, 7, 4)]
)
def test_the_fans_are_those_that_a_trace_counts(layer: nn.Linear) -> None:
    shape = tuple(layer.weight.shape)
    data = torch.randn(2, 6 if 6 in shape else 5, *[9] * (len(shape) - 2)) if len(shape) > 2 else torch.randn(2, 6)
    facts = read(layer, initium.Batch((data,))).parameters[0]
    assert fans_along(shape, output_axes(shape, len(layer.bias))[0]) == (facts.fan_in, facts.fan_out)


def test_the_last_axis_is_that_of_outputs_behind_a_kernel() -> None:
    assert output_axes((3, 5, 6, 8), 8) == (3,)
    assert fans_along((3, 5, 6, 8), 3) == (3 * 5 * 6, 3 * 5 * 8)
    assert output_axes((6, 6), 6) == (0, 1)
    assert output_axes((8, 3, 5), 24) == ()


class Columns(nn.Module):
    """(in, out), of no library."""

    bias: torch.Tensor | None

    def __init__(self, inner: int, outer: int, bias: int | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inner, outer))
        self.register_parameter("bias", None if bias is None else nn.Parameter(torch.zeros(bias)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + (0 if self.bias is None else self.bias)


def test_without_a_batch_a_module_s_bias_tells_its_layout_as_a_trace_does() -> None:
    model = Columns(6, 24, 24)
    guessed, traced = read(model).parameters[0], read(model, initium.Batch((torch.randn(2, 6),))).parameters[0]
    assert guessed.assumed
    assert (guessed.layout, guessed.fan_in, guessed.fan_out) == (traced.layout, traced.fan_in, traced.fan_out)
    assert (guessed.layout, guessed.fan_in, guessed.fan_out) == ("in_out", 6, 24)


@pytest.mark.parametrize(("inner", "outer", "bias"), [(6, 24, None), (6, 24, 6), (8, 8, 8), (6, 24, 12)])
def test_where_no_bias_tells_otherwise_a_matrix_is_read_as_torch_writes_it(
    inner: int, outer: int, bias: int | None
) -> None:
    facts = read(Columns(inner, outer, bias)).parameters[0]
    assert (facts.layout, facts.fan_in, facts.fan_out) == ("out_in", outer, inner)
