"""LSUV: unit outputs on real data, in one pass, or nothing at all."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune
from torch.utils._python_dispatch import TorchDispatchMode

from initium.calibrate import _lsuv, _walks, lsuv
from initium.calibrate._commit import commit
from initium.errors import ArgumentError, BatchError, PlanError, UnknownNameError
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
    assert "2.bias" in receipt.notes[0]


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


def test_a_weight_used_twice_has_the_factor_of_its_first_use_at_both() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(F.relu(self.a(F.relu(self.a(x)))))

    torch.manual_seed(0)
    rows = rows_of(lsuv(Reused(), vectors(), pre=None))
    assert "used 2 times" in rows["a.weight"].note
    assert all(row.after == pytest.approx(1, abs=1e-3) for row in rows.values())


def test_embeddings_tied_heads_and_gates_are_left_alone_with_their_reasons() -> None:
    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.cells = nn.Embedding(9, 6), nn.LSTM(6, 6)
            self.mix, self.head = nn.Linear(6, 6), nn.Linear(6, 9, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.mix(self.cells(self.table(ids))[0]))

    rows = rows_of(lsuv(Tagger(), torch.randint(0, 9, (5, 4))))
    assert "tied to an embedding" in rows["table.weight"].note
    assert "gates of lstm" in rows["cells.weight_hh_l0"].note
    assert rows["mix.weight"].after == pytest.approx(1, abs=1e-3)
    assert [name for name, row in rows.items() if row.factor is not None] == ["mix.weight"]


def test_a_table_read_at_fixed_places_is_left_alone() -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places, self.mix = nn.Embedding(8, 16), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x + self.places(torch.arange(8, device=x.device)))

    model = Placed()
    before = model.places.weight.detach().clone()
    rows = rows_of(lsuv(model, torch.randn(5, 8, 16)))
    assert "looked up" in rows["places.weight"].note
    assert torch.equal(model.places.weight, before)


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


@pytest.mark.parametrize(
    ("parametrise", "cure"),
    [
        (
            parametrizations.weight_norm,
            r'remove_parametrizations\(model.get_submodule\("0"\), "weight"',
        ),
        (
            partial(prune.l1_unstructured, name="weight", amount=0.5),
            r'prune.remove \(model.get_submodule\("0"\), "weight"',
        ),
    ],
)
def test_a_computed_weight_is_named_with_what_takes_the_computation_off(
    parametrise: Callable[[nn.Module], nn.Module], cure: str
) -> None:
    model = nn.Sequential(parametrise(nn.Linear(16, 8)))
    with pytest.raises(PlanError, match=rf"computes `0.weight` from it(.|\n)*{cure}"):
        lsuv(model, vectors())


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


# ---- one pass ----


class Counting(TorchDispatchMode):
    """Counts the operations that do a model's work."""

    WORK = ("convolution", "addmm", "mm", "bmm")

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += func.overloadpacket.__name__ in self.WORK
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("case", CASES)
def test_the_work_is_two_forward_passes_of_a_network_that_was_read(case: str) -> None:
    model, batch = made(case)
    network = read(model, as_batch(batch))
    with Counting() as plain, torch.no_grad():
        model(batch)
    with Counting() as calibrating:
        lsuv(model, batch, pre=None, network=network)
    assert calibrating.calls == 2 * plain.calls


# ---- all or nothing ----


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Everything that law 3 speaks of."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return {
        "values": {name: digest(tensor) for name, tensor in tensors.items()},
        "identity": {name: (id(tensor), tensor.data_ptr()) for name, tensor in tensors.items()},
        "grad": {name: None if p.grad is None else digest(p.grad) for name, p in model.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "random": (digest(torch.get_rng_state()), random.getstate(), np.random.get_state()),  # noqa: NPY002
    }


def digest(tensor: Tensor) -> str:
    """Stands for a tensor's bytes, and is short where a comparison fails."""
    return sha256(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()


def assert_unchanged(before: dict[str, Any], model: nn.Module) -> None:
    np.testing.assert_equal(fingerprint(model), before)


def test_success_changes_weights_and_biases_alone() -> None:
    model, batch = made("batch norm and dropout")
    model(batch).sum().backward()
    before = fingerprint(model)
    lsuv(model, batch)
    after = fingerprint(model)
    changed = {name for name, value in after["values"].items() if value != before["values"][name]}
    assert changed == {"0.weight", "0.bias", "4.weight", "4.bias"}
    np.testing.assert_equal(after | {"values": None}, before | {"values": None})


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (torch.ones(4, 5), BatchError),
        (torch.full((4, 16), torch.nan), BatchError),
        (torch.ones(0, 16), BatchError),
        (torch.full((4, 16), 3e38), BatchError),
    ],
    ids=["shape", "nan", "empty", "overflow"],
)
def test_a_bad_batch_changes_nothing(batch: Tensor, error: type[Exception]) -> None:
    model, _ = made("mlp")
    before = fingerprint(model)
    with pytest.raises(error):
        lsuv(model, batch)
    assert_unchanged(before, model)


@pytest.mark.parametrize("reached", [1, 2, 3])
def test_an_interrupt_in_the_walk_changes_nothing(monkeypatch: pytest.MonkeyPatch, reached: int) -> None:
    model, batch = made("mlp")
    calls, real = iter(range(1, 9)), _walks.spread_of

    def stop(*args: Any) -> Any:
        if next(calls) == reached:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(_walks, "spread_of", stop)
    before = fingerprint(model)
    with pytest.raises(KeyboardInterrupt):
        lsuv(model, batch)
    assert_unchanged(before, model)


class Breaking(Mapping[str, Tensor]):
    """Values whose last one never comes."""

    def __init__(self, values: dict[str, Tensor]) -> None:
        self.values_ = values

    def __getitem__(self, name: str) -> Tensor:
        if name == list(self.values_)[-1]:
            raise KeyboardInterrupt
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def test_an_interrupt_between_two_writes_takes_the_first_back() -> None:
    model, _ = made("mlp")
    before = fingerprint(model)
    with pytest.raises(KeyboardInterrupt):
        commit(model, Breaking({name: torch.ones_like(p) for name, p in model.named_parameters()}))
    assert_unchanged(before, model)


def test_a_nan_in_a_kept_weight_is_named_and_nothing_changes() -> None:
    model, batch = made("mlp")
    with torch.no_grad():
        model[2].weight[3, 3] = torch.nan
    before = fingerprint(model)
    with pytest.raises(BatchError, match=r"`2\.weight` \(linear\) is not finite"):
        lsuv(model, batch, pre=None)
    assert_unchanged(before, model)


def test_half_precision_lands_within_its_rounding() -> None:
    model, batch = made("mlp")
    model.to(torch.bfloat16)
    for row in lsuv(model, batch.to(torch.bfloat16)).rows:
        # A weight that is rounded at random moves the std by far less than one step of bfloat16, 2^-8.
        assert row.after == pytest.approx(1, abs=2**-8)


# ---- the door ----


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrised_weight_is_refused_by_name(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), wrap(nn.Linear(16, 4)))
    batch = vectors()
    before = fingerprint(model)
    with pytest.raises(
        PlanError, match=r'`2\.weight`.*remove_parametrizations\(model.get_submodule\("2"\), "weight"\)'
    ):
        lsuv(model, batch)
    assert_unchanged(before, model)


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


def test_an_integer_weight_is_refused_by_name() -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 16, dtype=torch.int8), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight.float() * 0.1)

    with pytest.raises(PlanError, match=r"`weight` \(4, 16\) holds torch.int8"):
        lsuv(Quantised(), vectors())


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_while_the_receipt_is_made_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object) -> Iterator[str]:
        raise error
        yield

    model, batch = made("mlp")
    before = fingerprint(model)
    monkeypatch.setattr(_lsuv, "_notes", fail)
    with pytest.raises(error):
        lsuv(model, batch)
    assert_unchanged(before, model)


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
