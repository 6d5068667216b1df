"""Channels of mean 0 and std 1 on real data, by rows and biases alone."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils._python_dispatch import TorchDispatchMode

from initium.calibrate import data_dependent
from initium.errors import ArgumentError, UnknownNameError
from initium.network import as_batch, read
from initium.signal import rounding

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
CHANNEL = {nn.Linear: -1, nn.Conv1d: 1, nn.Conv2d: 1, nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 1}


def mlp():
    return nn.Sequential(nn.Linear(16, 40), nn.ReLU(), nn.Linear(40, 24), nn.Tanh(), nn.Linear(24, 5)), torch.randn(
        64, 16
    )


def convolutions():
    net = nn.Sequential(
        nn.Conv2d(2, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, groups=4, stride=2),
        nn.ReLU(),
        nn.ConvTranspose2d(12, 6, 4, 2),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 4, 3, groups=2),
    )
    return net, torch.randn(6, 2, 14, 14)


def weight_normed():
    normed = parametrizations.weight_norm
    net = nn.Sequential(
        normed(nn.Conv1d(3, 8, 3, groups=1)),
        nn.ELU(),
        normed(nn.ConvTranspose1d(8, 6, 3), dim=1),
        nn.Flatten(),
        normed(nn.Linear(6 * 12, 5)),
    )
    return net, torch.randn(20, 3, 12)


def wide_and_shifted():
    net, x = mlp()
    return net, 50 + 7 * x


CASES = {"mlp": mlp, "convolutions": convolutions, "weight_norm": weight_normed, "shifted inputs": wide_and_shifted}


def made(case):
    torch.manual_seed(0)
    net, x = CASES[case]()
    return net.double(), x.double()


def outputs(net, *args):
    """The referee: what every weighted layer gives in a plain forward pass, a channel a row."""
    found, handles = {}, []
    for name, module in net.named_modules():
        if isinstance(module, WEIGHTED):
            axis = CHANNEL[next(kind for kind in CHANNEL if isinstance(module, kind))]

            def keep(_, __, output, name=name, axis=axis):
                found[name] = output.detach().movedim(axis, 0).flatten(1)

            handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        net(*args)
    for handle in handles:
        handle.remove()
    return found


def bound(module, before):
    """What rounding may put between an output and its target: of the sums, as large as the values were against their std."""
    terms = module.weight[0].numel() * (1 if isinstance(module, nn.Linear) else 2)
    size = (before.abs().amax(1) / before.std(1, correction=0)).max()
    return rounding(torch.float64, terms) * float(size)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", [1.0, 0.3])
def test_every_channel_has_mean_zero_and_the_target_std(case, target):
    net, x = made(case)
    before = outputs(net, x)
    data_dependent(net, x, target=target)
    for name, values in outputs(net, x).items():
        slack = bound(net.get_submodule(name), before[name])
        assert (values.mean(1).abs() / target).max() < slack
        assert (values.std(1, correction=0) / target - 1).abs().max() < slack


@pytest.mark.parametrize("case", CASES)
def test_the_check_in_the_receipt_is_what_a_plain_forward_has(case):
    net, x = made(case)
    rows = data_dependent(net, x).rows
    for row, (name, values) in zip(rows, outputs(net, x).items(), strict=True):
        assert row.name.startswith(name)
        assert row.after == pytest.approx(float(values.var(1, correction=0).mean().sqrt()), rel=1e-12)
        assert "std 1 in each channel" in row.note
        assert "mean 0" in row.note
        assert "another value" not in row.note


def test_a_row_is_divided_by_its_std_and_the_bias_is_minus_mean_over_std():
    torch.manual_seed(0)
    net, x = nn.Linear(7, 4).double(), 2 + torch.randn(50, 7, dtype=torch.float64)
    weight, product = net.weight.detach().clone(), x @ net.weight.detach().T
    mean, std = product.mean(0), product.std(0, correction=0)
    (row,) = data_dependent(net, x).rows
    assert torch.allclose(net.weight, weight / std[:, None], rtol=1e-13)
    assert torch.allclose(net.bias, -mean / std, rtol=1e-12)
    assert row.factor == pytest.approx(float(std.log().mean().neg().exp()), rel=1e-12)


def test_under_weight_norm_only_magnitudes_and_biases_change_as_in_the_paper():
    torch.manual_seed(0)
    net, x = parametrizations.weight_norm(nn.Linear(7, 4)).double(), torch.randn(50, 7, dtype=torch.float64)
    direction = net.parametrizations.weight.original1.detach().clone()
    t = x @ (direction / direction.norm(dim=1, keepdim=True)).T
    data_dependent(net, x)
    assert torch.equal(net.parametrizations.weight.original1, direction)
    assert torch.allclose(net.parametrizations.weight.original0[:, 0], 1 / t.std(0, correction=0), rtol=1e-12)
    assert torch.allclose(net.bias, -t.mean(0) / t.std(0, correction=0), rtol=1e-10, atol=1e-12)


def test_magnitudes_along_the_inputs_are_left_alone_with_the_cure():
    net = parametrizations.weight_norm(nn.ConvTranspose1d(8, 6, 3))
    (row,) = data_dependent(net, torch.randn(5, 8, 9)).rows
    assert row.factor is None
    assert "dim=" in row.note


def test_without_centring_biases_stay_bit_for_bit():
    net, x = made("mlp")
    biases = [net[place].bias.detach().clone() for place in (0, 2, 4)]
    data_dependent(net, x, centre=False)
    assert all(torch.equal(net[place].bias, bias) for place, bias in zip((0, 2, 4), biases, strict=True))
    stds = torch.cat([values.std(1, correction=0) for values in outputs(net, x).values()])
    assert (stds - 1).abs().max() < rounding(torch.float64, 40) * 10  # means of at most ten stds


def test_a_layer_without_a_bias_is_scaled_and_says_that_it_is_not_centred():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(16, 8, bias=False)).double(), 5 + torch.randn(64, 16, dtype=torch.float64)
    (row,) = data_dependent(net, x).rows
    assert "no bias: not centred" in row.note
    values = outputs(net, x)["0"]
    assert (values.std(1, correction=0) - 1).abs().max() < rounding(torch.float64, 16) * float(values.abs().max())
    assert values.mean(1).abs().max() > 1


def test_packed_parts_that_are_used_by_themselves_have_rows_of_their_own():
    class Cross(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x[:, :2], x, 3 * x, need_weights=False)[0]

    torch.manual_seed(0)
    net, x = Cross(), torch.randn(16, 6, 8)
    rows = data_dependent(net, x).rows
    assert [row.note.partition(";")[0] for row in rows[:3]] == [f"outputs {at} to {at + 7}" for at in (0, 8, 16)]
    weights, biases = net.attention.in_proj_weight.chunk(3), net.attention.in_proj_bias.chunk(3)
    for given, weight, bias in zip((x[:, :2], x, 3 * x), weights, biases, strict=True):
        values = F.linear(given, weight, bias).flatten(0, 1)
        assert values.mean(0).abs().max() < rounding(torch.float32, 8)
        assert (values.std(0, correction=0) - 1).abs().max() < rounding(torch.float32, 8)


def test_bare_parameters_and_a_scaled_bias_are_done():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.b = nn.Parameter(torch.randn(16, 9)), nn.Parameter(torch.randn(9))
            self.one = nn.Parameter(torch.randn(9, 1))

        def forward(self, x):
            return torch.addmm(self.b, x, self.w, beta=0.5).tanh() @ self.one

    torch.manual_seed(0)
    net, x = Bare().double(), torch.randn(64, 16, dtype=torch.float64)
    rows = data_dependent(net, x).rows
    values = torch.addmm(net.b, x, net.w, beta=0.5)
    slack = rounding(torch.float64, 16) * 10
    assert values.mean(0).abs().max() < slack
    assert (values.std(0, correction=0) - 1).abs().max() < slack
    assert (values.tanh() @ net.one).std(correction=0).item() == pytest.approx(1, abs=slack)
    assert all("another value" not in row.note for row in rows)


def test_constant_channels_are_counted_and_not_divided_by():
    net, x = made("mlp")
    with torch.no_grad():
        net[2].weight[3] = 0
    kept = net[2].bias[3].item()
    row = data_dependent(net, x).rows[1]
    assert "1 of 24 channels are constant" in row.note
    assert net[2].bias[3].item() == kept
    assert torch.isfinite(net[2].weight).all()


def test_a_constant_batch_changes_nothing():
    net, _ = made("mlp")
    before = [p.detach().clone() for p in net.parameters()]
    rows = data_dependent(net, torch.ones(8, 16, dtype=torch.float64)).rows
    assert all("every channel is constant" in row.note and row.factor == 1 for row in rows)
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), before, strict=True))


def test_what_is_left_alone_says_why():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.cells = nn.Embedding(9, 6), nn.GRU(6, 6)
            self.normed = parametrizations.spectral_norm(nn.Linear(6, 6))
            self.frozen, self.v = nn.Linear(6, 6).requires_grad_(requires_grad=False), nn.Parameter(torch.randn(6))
            self.experts = nn.Parameter(torch.randn(2, 6, 6))
            self.head = nn.Linear(6, 9, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids):
            h = self.frozen(self.normed(self.cells(self.table(ids))[0]))
            h = torch.einsum("tbi,eio->tbo", h, self.experts)
            return self.head(h) + (h @ self.v)[..., None]

    notes = {row.name: row.note for row in data_dependent(Tagger(), torch.randint(0, 9, (5, 4))).rows}
    wanted = {
        "table.weight": "tied to an embedding",
        "cells.weight_ih_l0": "gates of gru",
        "normed.parametrizations.weight.original": "spectral_norm",
        "frozen.weight": "frozen",
        "v": "a vector has no rows",
    }
    assert all(why in notes[name] for name, why in wanted.items())


def test_a_weight_that_is_used_again_is_done_as_its_first_use_asks():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(16, 16)

        def forward(self, x):
            return self.a(self.a(x).relu())

    torch.manual_seed(0)
    net, x = Twice().double(), torch.randn(64, 16, dtype=torch.float64)
    (row,) = data_dependent(net, x).rows
    assert "used 2 times" in row.note
    assert net.a(x).mean(0).abs().max() < rounding(torch.float64, 16) * 10


class Counting(TorchDispatchMode):
    """Counts the operations that do a model's work."""

    WORK = ("convolution", "addmm", "mm", "bmm")

    def __init__(self):
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += func.overloadpacket.__name__ in self.WORK
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("case", ["mlp", "convolutions"])
def test_the_work_is_two_forward_passes_of_a_network_that_was_read(case):
    net, x = made(case)
    network = read(net, as_batch(x))
    with Counting() as plain, torch.no_grad():
        net(x)
    with Counting() as calibrating:
        data_dependent(net, x, network=network)
    assert calibrating.calls == 2 * plain.calls


def test_half_precision_lands_within_its_rounding():
    torch.manual_seed(0)
    net, x = mlp()
    net.bfloat16()
    rows = data_dependent(net, x.bfloat16()).rows
    # Weights rounded to nearest move a std by less than one step of bfloat16, 2^-8, and so does the output.
    assert all(row.after == pytest.approx(1, abs=2 * 2**-8) for row in rows)
    assert all("another value" not in row.note for row in rows)


def test_a_start_is_drawn_by_its_seed():
    found = []
    for seed in (3, 3, 4):
        net, x = made("mlp")
        data_dependent(net, x, pre="orthogonal", seed=seed)
        found.append(net[2].weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_what_is_no_start_and_what_is_no_std_is_refused():
    net, x = made("mlp")
    with pytest.raises(UnknownNameError, match="'orthogonal', 'he'"):
        data_dependent(net, x, pre="glorot")
    for target in (0, -1, float("inf")):
        with pytest.raises(ArgumentError, match="target"):
            data_dependent(net, x, target=target)
