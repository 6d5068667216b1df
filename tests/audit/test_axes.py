"""The axes of weights in a bare state dict, by the biases beside them."""

import math

import pytest
import torch
from torch import Tensor

import initium


def he(*shape: int, into: int) -> Tensor:
    return torch.randn(*shape) * math.sqrt(2 / into)


def state(weight: Tensor, bias: int | None, word: str = "weight") -> dict[str, Tensor]:
    return {f"h.0.c_attn.{word}": weight} | ({} if bias is None else {"h.0.c_attn.bias": torch.zeros(bias)})


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("shape", "bias", "into", "told"),
    [
        ((64, 192), 192, 64, "its axes are (in, out), since the bias beside it has 192 values"),
        ((192, 64), 64, 192, "its axes are (in, out), since the bias beside it has 64 values"),
        ((192, 64), 192, 64, ""),
        ((16, 48, 5), 48, 80, "its axes are (in, out, kernel), since the bias beside it has 48 values"),
        ((3, 5, 16, 48), 48, 240, "its axes are (kernel, in, out), since the bias beside it has 48 values"),
        ((48, 16, 5), 48, 80, ""),
    ],
)
@pytest.mark.parametrize("word", ["weight", "kernel"])
def test_the_bias_tells_the_outputs_axis(shape: tuple[int, ...], bias: int, into: int, told: str, word: str) -> None:
    row = initium.audit(state(he(*shape, into=into), bias, word))[f"h.0.c_attn.{word}"]
    assert "He normal, fan_in" in row.recipes
    assert row.evidence.partition("; ")[2] == told


def test_packed_biases_are_beside_packed_weights() -> None:
    weights = {"attn.in_proj_weight": he(64, 192, into=64), "attn.in_proj_bias": torch.zeros(192)}
    assert initium.audit(weights)["attn.in_proj_weight"].recipes[0] == "He normal, fan_in"


def test_the_bias_has_the_fans_of_its_weight() -> None:
    bound = 1 / math.sqrt(32)
    drawn = {
        "fc.weight": torch.empty(32, 4096).uniform_(-bound, bound),
        "fc.bias": torch.empty(4096).uniform_(-bound, bound),
    }
    found = initium.audit(drawn)
    assert {found[name].recipes[0] for name in drawn} == {"PyTorch default, U(+-1/sqrt(fan_in))"}


def test_what_a_function_of_torch_reads_off_the_shape_is_named_too() -> None:
    weight = torch.nn.init.kaiming_normal_(torch.empty(64, 192))  # takes 192 for the fan_in
    assert "He normal, fan_in (by shape)" in initium.audit(state(weight, 192))["h.0.c_attn.weight"].recipes


def test_a_square_weight_may_be_either_way_and_has_the_same_fans() -> None:
    row = initium.audit(state(he(96, 96, into=96), 96))["h.0.c_attn.weight"]
    assert row.recipes[0] == "He normal, fan_in"
    assert row.evidence.endswith(
        "its outputs are on axis 0 or 1, as the bias of 96 values fits both, with the same fans"
    )


# (8, 16, 4, 16) with a bias of 16: (in, out, kernel) or (kernel, in, out). The fan_in is 512 of both, the fan_out is not.
@pytest.mark.parametrize(("out", "axis", "other"), [(16 * 4 * 16, 1, 3), (16 * 8 * 16, 3, 1)])
def test_where_the_bias_fits_two_axes_both_are_tried_and_the_one_that_fits_is_said(
    out: int, axis: int, other: int
) -> None:
    weight = torch.randn(8, 16, 4, 16) * math.sqrt(2 / (512 + out))
    row = initium.audit(state(weight, 16))["h.0.c_attn.weight"]
    assert f"Glorot normal (out on axis {axis})" in row.recipes
    assert "its outputs are on axis 1 or 3, as the bias of 16 values fits both" in row.evidence
    assert f"axis {axis} fits Glorot normal" in row.evidence
    assert f"axis {other} fits Glorot normal" not in row.evidence


@pytest.mark.parametrize("bias", [None, 7])
def test_where_no_bias_fits_the_axes_are_torch_s_and_nothing_is_said(bias: int | None) -> None:
    row = initium.audit(state(he(192, 64, into=64), bias))["h.0.c_attn.weight"]
    assert row.recipes[0] == "He normal, fan_in"
    assert ";" not in row.evidence
