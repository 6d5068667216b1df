"""LSUV: unit outputs on real data, in one pass, or nothing at all."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initium.calibrate import lsuv
from initium.errors import ArgumentError, UnknownNameError
from initium.network import as_batch, read
from initium.records import Receipt, ReceiptRow
from initium.signal import measure

WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Backwards(nn.Module):
    """Layers registered in another order than they run."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.b, self.a = nn.Linear(32, 4), nn.Linear(24, 32), nn.Linear(16, 24)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(F.gelu(self.a(x)))))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1, groups=4)
        self.up, self.out = nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = F.relu(self.down(x))
        return self.out(torch.cat([high, self.up(F.leaky_relu(self.deep(high), 0.2)).relu()], 1))


class Bare(nn.Module):
    """Parameters of its own in matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.bias = nn.Parameter(torch.randn(16, 32)), nn.Parameter(torch.randn(32))
        self.v, self.k = nn.Parameter(torch.randn(4, 32, 8)), nn.Parameter(torch.randn(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.addmm(self.bias, x, self.w).tanh()
        return torch.einsum("bi,eio->beo", hidden, self.v).relu() @ self.k


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))


def normalised() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.2), nn.Conv2d(8, 4, 3), nn.Flatten()
    )


def vectors() -> Tensor:
    return torch.randn(64, 16)


def images() -> Tensor:
    return torch.randn(4, 1, 12, 12)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "mlp": (mlp, vectors),
    "registered out of order": (Backwards, vectors),
    "u-net": (UNet, images),
    "batch norm and dropout": (normalised, images),
}


def made(case: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    build, batch = CASES[case]
    return build(), batch()


def hooked_stds(model: nn.Module, batch: Tensor) -> dict[str, float]:
    """The referee: std of every weighted module's output in a plain forward, in float64."""
    found: dict[str, float] = {}
    for name, module in model.named_modules():
        if isinstance(module, WEIGHTED):
            module.register_forward_hook(
                lambda _, __, output, name=name: found.update({name: float(output.double().std(correction=0))})
            )
    with torch.no_grad():
        model(batch)
    return found


def rows_of(receipt: Receipt) -> dict[str, ReceiptRow]:
    return {row.name: row for row in receipt.rows}


@pytest.mark.parametrize("pre", ["orthogonal", "he", None])
@pytest.mark.parametrize("case", CASES)
def test_every_output_has_unit_std(case: str, pre: Any) -> None:
    model, batch = made(case)
    torch.manual_seed(1)
    receipt = lsuv(model, batch, pre=pre, seed=0)
    torch.manual_seed(1)
    stds = hooked_stds(model, batch)
    assert [row.name for row in receipt.rows] == [f"{name}.weight" for name in stds]
    for row, std in zip(receipt.rows, stds.values(), strict=True):
        assert std == pytest.approx(1, abs=1e-3)
        assert row.after == pytest.approx(std, rel=1e-5)
        assert row.factor is not None


def test_bare_parameters_in_products_are_calibrated_with_their_own_bias() -> None:
    torch.manual_seed(0)
    model, batch = Bare(), vectors()
    receipt = lsuv(model, batch, pre=None, target=2.0)
    assert [row.name for row in receipt.rows] == ["w", "v", "k"]
    with torch.no_grad():
        first = torch.addmm(model.bias, batch, model.w)
        second = torch.einsum("bi,eio->beo", first.tanh(), model.v)
        third = second.relu() @ model.k
    for value in (first, second, third):
        assert float(value.std(correction=0)) == pytest.approx(2, abs=1e-3)


def test_biases_stay_and_the_factor_allows_for_them() -> None:
    model, batch = made("u-net")
    biases = {name: torch.randn_like(p) * 0.4 for name, p in model.named_parameters() if name.endswith("bias")}
    model.load_state_dict(model.state_dict() | biases)
    lsuv(model, batch, pre=None)
    assert all(std == pytest.approx(1, abs=1e-3) for std in hooked_stds(model, batch).values())
    assert all(torch.equal(model.get_parameter(name), value) for name, value in biases.items())


def test_a_bias_wider_than_the_target_is_named() -> None:
    model, batch = made("mlp")
    with torch.no_grad():
        model[2].bias.copy_(torch.linspace(-9, 9, 64))
    before = model[2].weight.detach().clone()
    row = rows_of(lsuv(model, batch, pre=None))["2.weight"]
    assert row.factor == 1
    assert "the bias alone has std" in row.note
    assert torch.equal(model[2].weight, before)


def test_the_factor_is_what_the_weight_was_multiplied_by() -> None:
    model, batch = made("mlp")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for row in lsuv(model, batch, pre=None).rows:
        assert torch.equal(model.get_parameter(row.name), before[row.name] * row.factor)


def test_the_same_seed_gives_the_same_weights_whatever_the_global_state() -> None:
    (model, batch), (other, _) = made("registered out of order"), made("registered out of order")
    torch.manual_seed(5)
    lsuv(model, batch, seed=3)
    torch.manual_seed(6)
    lsuv(other, batch, seed=3)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), other.parameters(), strict=True))


def test_a_new_start_is_orthogonal_and_has_zero_biases() -> None:
    model, batch = made("mlp")
    receipt = lsuv(model, batch)
    product = model[2].weight.detach() @ model[2].weight.detach().T
    factor = rows_of(receipt)["2.weight"].factor
    assert factor is not None
    # Each entry is a sum of 64 products of numbers below the factor.
    assert torch.allclose(product, factor**2 * torch.eye(64), atol=64 * 1.2e-7 * factor**2)
    assert not model[2].bias.any()
    assert any("2.bias" in note for note in receipt.notes)


def test_a_hundred_layers_without_normalisation_keep_their_signal() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(100) for layer in (nn.Linear(24, 24, bias=False), nn.ReLU())))
    batch = torch.randn(64, 24)
    assert hooked_stds(model, batch)["198"] < 1e-3 * hooked_stds(model, batch)["0"]
    lsuv(model, batch)
    assert all(std == pytest.approx(1, abs=1e-3) for std in hooked_stds(model, batch).values())


# ---- what is left alone, and why ----


def test_a_zero_input_is_named_and_not_divided_by() -> None:
    model, _ = made("mlp")
    receipt = lsuv(model, torch.zeros(8, 16))
    assert all(row.factor == 1 and "not divided by" in row.note for row in receipt.rows)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_a_constant_input_is_named_and_not_divided_by() -> None:
    model, _ = made("mlp")
    row = lsuv(model, torch.ones(8, 16)).rows[0]
    assert row.factor == 1
    assert "constant input" in row.note


def test_what_follows_a_dead_layer_is_named() -> None:
    model, batch = made("mlp")
    with torch.no_grad():
        model[0].bias.fill_(-1e6)
    rows = rows_of(lsuv(model, batch, pre=None))
    assert rows["0.weight"].factor != 1
    assert rows["2.weight"].factor == 1
    assert "zero or constant input" in rows["2.weight"].note


def test_frozen_weights_are_left_alone_bit_for_bit() -> None:
    model, batch = made("mlp")
    model[2].requires_grad_(requires_grad=False)
    before = {name: p.detach().clone() for name, p in model[2].named_parameters()}
    receipt = lsuv(model, batch)
    assert rows_of(receipt)["2.weight"].factor is None
    assert "frozen" in rows_of(receipt)["2.weight"].note
    assert all(torch.equal(value, model[2].get_parameter(name)) for name, value in before.items())
    assert hooked_stds(model, batch)["4"] == pytest.approx(1, abs=1e-3)


def test_a_way_that_depends_on_the_weights_is_said() -> None:
    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router, self.experts = nn.Linear(16, 2), nn.ModuleList(nn.Linear(16, 4) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            chosen, out = self.router(x).argmax(-1), x.new_zeros(len(x), 4)
            for index, expert in enumerate(self.experts):
                rows = torch.where(chosen == index)[0]
                out.index_add_(0, rows, expert(x[rows]))
            return out

    torch.manual_seed(0)
    assert any("depends on its weights (where)" in note for note in lsuv(Routed(), vectors()).notes)
    assert not any("depends on its weights" in note for note in lsuv(mlp(), vectors()).notes)


def test_a_composed_weight_is_left_alone() -> None:
    class Standardised(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, (self.weight - self.weight.mean()) / self.weight.std(), self.bias)

    row = lsuv(nn.Sequential(Standardised(16, 8)), vectors()).rows[0]
    assert row.factor is None
    assert "does not multiply by it as it stands" in row.note


def test_a_normalised_weight_is_said_to_be_scale_free() -> None:
    model, batch = made("batch norm and dropout")
    assert "scale-free" in rows_of(lsuv(model, batch))["0.weight"].note


def test_an_unused_weight_is_in_the_notes() -> None:
    model, batch = made("registered out of order")
    model.idle = nn.Linear(3, 3)
    assert any("`idle.weight`" in note for note in lsuv(model, batch).notes)


def test_half_precision_lands_within_its_rounding() -> None:
    model, batch = made("mlp")
    model.to(torch.bfloat16)
    for row in lsuv(model, batch.to(torch.bfloat16)).rows:
        # A weight that is rounded at random moves the std by far less than one step of bfloat16, 2^-8.
        assert row.after == pytest.approx(1, abs=2**-8)


# ---- the door ----


def test_a_parameter_on_meta_is_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"`1\.weight`.*meta"):
        lsuv(nn.Sequential(nn.Linear(16, 3), nn.Linear(3, 3, device="meta")), vectors())


def test_a_batch_on_meta_is_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"`args\[0\]` of the batch.*meta"):
        lsuv(nn.Linear(16, 3), vectors().to("meta"))


def test_a_parameter_of_inference_mode_is_refused_by_name() -> None:
    with torch.inference_mode():
        model = nn.Linear(16, 3)
    with pytest.raises(ArgumentError, match=r"`weight`.*inference_mode"):
        lsuv(model, vectors())
    with torch.inference_mode():
        assert lsuv(model, vectors()).rows[0].after == pytest.approx(1.0, rel=1e-3)


def test_an_unknown_start_lists_the_known_ones() -> None:
    model, batch = made("mlp")
    with pytest.raises(UnknownNameError, match="'orthogonal', 'he'"):
        lsuv(model, batch, pre="glorot")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (0.0, ValueError),
        (-1.0, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (True, TypeError),
        ("a", TypeError),
    ],
)
def test_a_target_that_is_no_std_is_refused(target: Any, error: type[Exception]) -> None:
    model, batch = made("mlp")
    with pytest.raises(error, match="target"):
        lsuv(model, batch, target=target)


def test_a_target_may_be_any_real_number() -> None:
    model, batch = made("mlp")
    assert all(row.after == pytest.approx(2, abs=1e-4) for row in lsuv(model, batch, target=np.float32(2)).rows)


def test_a_bias_that_the_operation_scales_counts_as_scaled() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.b = nn.Parameter(torch.randn(8, 16)), nn.Parameter(1.5 * torch.randn(16))

        def forward(self, x: Tensor) -> Tensor:
            return torch.addmm(self.b, x, self.w, beta=0.5)

    (row,) = lsuv(Halved(), torch.randn(64, 8), pre=None).rows
    assert row.after == pytest.approx(1, abs=1e-4)


@pytest.mark.skipif(torch.__version__.startswith("2.6."), reason="a graph of torch 2.6 holds no generator")
def test_a_model_with_a_generator_of_its_own_draws_the_same_in_every_pass() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.draws = nn.Linear(16, 32), nn.Linear(32, 4), torch.Generator().manual_seed(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x) * (torch.rand(len(x), 32, generator=self.draws) > 0.5))

    model, batch = Masked(), torch.randn(16, 16)
    state = model.draws.get_state()
    assert [row.after for row in lsuv(model, batch).rows] == pytest.approx([1, 1], abs=1e-5)
    assert torch.equal(model.draws.get_state(), state)


def test_a_network_that_was_read_of_another_model_is_refused() -> None:
    batch = torch.randn(16, 8)
    mine = nn.Sequential(nn.Linear(8, 5), nn.Dropout(0.5), nn.Linear(5, 4))
    other = nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.Linear(6, 4))
    for verb in (lsuv, measure):
        with pytest.raises(ArgumentError, match="read of another model"):
            verb(mine, batch, network=read(other, as_batch(batch)))
        network = read(mine.eval(), as_batch(batch))
        with pytest.raises(ArgumentError, match="another mode"):
            verb(mine.train(), batch, network=network)
