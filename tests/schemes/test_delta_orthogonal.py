"""Delta-orthogonal convolutions are isometries of images; what cannot be one says so."""

import pytest
import torch
from torch import nn

import initium
from initium.records import DeltaOrthogonal, Orthogonal, Packed
from initium.schemes import delta_orthogonal, orthogonal, rows


def filled(conv, size, gain=1.5):
    """The convolution in float64, filled; the row; and a batch of images."""
    dim = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}[type(conv)]
    conv, x = conv.double(), torch.randn(3, conv.in_channels, *[size] * dim, dtype=torch.float64)
    made = initium.plan(conv, x, f"delta_orthogonal({gain})")
    made.apply(conv, seed=1)
    return conv, made["weight"], x


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv1d(4, 6, 3, padding="same", padding_mode="circular"),
        nn.Conv2d(4, 4, 3, padding="same", padding_mode="circular", bias=False),
        nn.Conv2d(6, 12, 3, padding="same", padding_mode="circular", groups=3),
        nn.Conv2d(5, 5, 3, padding="same", padding_mode="circular", groups=5),
        nn.Conv2d(4, 7, 4, padding="same", padding_mode="circular"),
        nn.Conv2d(4, 7, (2, 3), padding="same", padding_mode="circular"),
        nn.Conv3d(2, 3, 3, padding=1),
    ],
    ids=str,
)
def test_a_convolution_of_stride_1_keeps_the_length_of_every_image(conv):
    conv, row, x = filled(conv, 6)
    # With an odd kernel zero padding is as good as circular: only the middle tap is read. Rounded from float64: a few units in the last place.
    lengths = conv(x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    assert torch.allclose(lengths, torch.full_like(lengths, 1.5), rtol=1e-13, atol=0)
    assert row.law.startswith("delta-orthogonal, gain 1.5")


def test_an_orthogonal_convolution_does_not_so_the_test_above_can_fail():
    conv = nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular").double()
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    initium.initialize(conv, x, "orthogonal(1.5)")
    lengths = conv(x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    assert not torch.allclose(lengths, torch.full_like(lengths, 1.5), rtol=1e-3)


def test_an_even_kernel_says_which_tap_it_took():
    _, even, _ = filled(nn.Conv2d(4, 4, (4, 3), padding="same"), 6)
    _, odd, _ = filled(nn.Conv2d(4, 4, 3, padding="same"), 6)
    assert "4x3 has no middle tap, so (2, 1)" in even.reason
    assert odd.reason.endswith("at the middle tap (1, 1)")


def test_a_grouped_convolution_has_a_matrix_for_each_group():
    _, row, _ = filled(nn.Conv2d(6, 12, 3, groups=3), 6)
    assert row.fill == Packed(0, 3, DeltaOrthogonal(1.5))
    assert row.law.endswith("each of 3")


@pytest.mark.parametrize(
    ("conv", "why"),
    [
        (nn.Conv2d(6, 4, 3), "out 4 < in 6"),
        (nn.Conv2d(12, 6, 3, groups=2), "out 3 < in 6 in each of 2"),
        (nn.ConvTranspose2d(4, 6, 3), "a transposed"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_orthogonal_and_says_why(conv, why):
    x = torch.ones(2, conv.in_channels, 6, 6)
    made, plain = initium.plan(conv, x, "delta_orthogonal")["weight"], initium.plan(conv, x, "orthogonal")["weight"]
    assert made.fill == plain.fill
    assert f"not delta-orthogonal: {why}" in made.reason


def test_a_linear_weight_is_orthogonal_with_the_gain_of_what_follows(facts, network):
    (row,) = rows(network(facts(after="norm")), delta_orthogonal())
    (plain,) = rows(network(facts(after="norm")), orthogonal())
    assert row == plain
    assert row.fill == Orthogonal(1.0)


def test_the_gain_is_that_of_the_activation_behind_the_convolution():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh())
    row = initium.plan(net, torch.ones(2, 3, 8, 8), "delta_orthogonal")["0.weight"]
    assert row.fill == DeltaOrthogonal(initium.gain("tanh"))


def test_a_negative_gain_is_refused():
    with pytest.raises(initium.ArgumentError, match="gain"):
        delta_orthogonal(-1.0)
