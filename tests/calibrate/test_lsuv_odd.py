"""LSUV on models of which one thing is odd: a state of zeros, a mask, memory that is shared, a layout, another way."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence

from initium.calibrate import data_dependent, lsuv
from initium.errors import ArgumentError, BatchError, TraceError
from initium.records import Receipt

SLACK = 1e-3


def std(value: Tensor) -> float:
    return float(value.detach().double().std(correction=0))


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def outputs(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """All that a layer gives in a plain run."""
    found: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _, __, out: found.append(out.detach()))
    run()
    hook.remove()
    return torch.cat([each.flatten() for each in found])


def row(receipt: Receipt, name: str) -> Any:
    return next(each for each in receipt.rows if each.name == name)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# ---- weights that are used again ----


class Loop(nn.Module):
    """A state that begins as it is told and is computed anew from itself and the input."""

    def __init__(self, begin: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.state, self.given, self.begin = nn.Linear(16, 16, bias=False), nn.Linear(16, 16), begin

    def forward(self, x: Tensor) -> Tensor:
        z = self.begin(x)
        for _ in range(6):
            z = torch.tanh(self.state(z) + self.given(x))
        return z


@pytest.mark.parametrize(
    "begin", [torch.zeros_like, lambda x: 0 * x + torch.linspace(-1, 1, 16)], ids=["zeros", "the same for all samples"]
)
def test_a_loop_that_begins_with_a_constant_is_calibrated_by_its_later_steps(begin: Callable[[Tensor], Tensor]) -> None:
    model, x = Loop(begin), draw(64, 16)
    receipt = lsuv(model, x, pre=None)
    assert std(outputs(model.state, lambda: model(x))) == pytest.approx(1, abs=SLACK)
    assert row(receipt, "state.weight").after == pytest.approx(1, abs=SLACK)


class Twins(nn.Module):
    """One recurrent layer for two inputs of unlike lengths and sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.LSTM(16, 16)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return self.inner(one)[0][-1] - self.inner(other)[0][-1]


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_a_recurrent_layer_that_is_called_twice_has_one_factor_a_gate_for_both_calls(pre: Any) -> None:
    model, given = Twins(), (draw(7, 16, 16), 2 * draw(5, 16, 16, seed=2) + 1)
    lsuv(model, given, pre=pre)
    gates: list[Tensor] = []
    with torch.no_grad():
        for x in given:
            state = cell = torch.zeros(16, 16)
            for now in x:
                w, u, b, c = model.inner.all_weights[0]
                gates.append(F.linear(now, w, b) + F.linear(state, u, c))
                state, cell = torch.lstm_cell(now, (state, cell), w, u, b, c)
    assert [std(gate) for gate in torch.cat(gates).chunk(4, -1)] == pytest.approx([1] * 4, abs=SLACK)


class Deep(nn.Module):
    """Two layers both ways, whose gates hang together."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(12, 10, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(x)[0]


def test_the_factors_of_gates_that_are_hard_to_find_are_what_the_start_was_multiplied_by() -> None:
    model, x = Deep(), torch.randn(8, 7, 12)
    torch.manual_seed(3)
    receipt = lsuv(model, x, pre="orthogonal")
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows)
    for name, weight in model.cells.named_parameters():
        factors = [each.factor for each in receipt.rows if each.name == f"cells.{name}"]
        for factor, gate in zip(factors, weight.detach().chunk(4), strict=False):
            assert torch.allclose(gate @ gate.T, factor**2 * torch.eye(10), rtol=1e-4, atol=1e-4)


def test_a_weight_of_constant_inputs_alone_is_named_although_it_is_used_twice() -> None:
    layer = nn.Linear(16, 16, bias=False)
    found = lsuv(nn.Sequential(layer, nn.ReLU(), layer), torch.zeros(8, 16)).rows[0]
    assert found.factor == 1
    assert "constant" in found.note


# ---- masks ----


def padded() -> tuple[Tensor, Tensor]:
    """Sequences with garbage after their ends, and what counts."""
    counts = torch.arange(7)[None] < torch.tensor([7, 3, 5, 2] * 4)[:, None]
    return torch.where(counts[..., None], draw(16, 7, 16), torch.tensor(100.0)), counts


@pytest.mark.parametrize("first", [True, False], ids=["batch first", "time first"])
def test_padding_does_not_count_in_a_recurrent_layer(first: bool) -> None:  # noqa: FBT001 - a case
    model, (x, counts) = nn.GRU(16, 16, batch_first=first), padded()
    lsuv(model, x if first else x.transpose(0, 1), mask=counts, pre=None)
    state, gates = torch.zeros(16, 16), list[Tensor]()
    with torch.no_grad():
        for step in range(7):
            pairs = (x[:, step], model.weight_ih_l0, model.bias_ih_l0), (state, model.weight_hh_l0, model.bias_hh_l0)
            gates.append(sum(F.linear(*pair) for pair in pairs)[counts[:, step]])
            state = torch.gru_cell(x[:, step], state, *model.all_weights[0])
    reset, update = torch.cat(gates).chunk(3, -1)[:2]
    assert [std(reset), std(update)] == pytest.approx([1, 1], abs=SLACK)


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.GRU(16, 16, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.head(nn.utils.rnn.pad_packed_sequence(self.inner(packed)[0], batch_first=True)[0])


def test_a_packed_sequence_has_no_padding_to_leave_out() -> None:
    x, counts = padded()
    with_mask, without = Packed(), Packed()
    without.load_state_dict(with_mask.state_dict())
    receipt = lsuv(with_mask, (x, counts.sum(1)), mask=counts, pre=None)
    lsuv(without, (x, counts.sum(1)), pre=None)
    assert all(map(torch.equal, with_mask.inner.parameters(), without.inner.parameters()))
    assert not any("mask" in note for note in receipt.notes)
    assert std(with_mask(x, counts.sum(1))[counts]) == pytest.approx(1, abs=SLACK)


def test_a_mask_that_fits_no_output_is_refused_with_its_shape() -> None:
    with pytest.raises(ArgumentError, match=r"mask has shape \(5, 3\).*`weight`"):
        lsuv(nn.Linear(16, 4), draw(6, 3, 16), mask=torch.ones(5, 3, dtype=torch.bool))


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(16, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean(1))


def test_the_outputs_that_a_mask_does_not_fit_are_named() -> None:
    x, counts = padded()
    notes = lsuv(Pooled(), x, mask=counts).notes
    assert [note for note in notes if "mask" in note] == [
        "the mask (16, 7) fits no axes of the outputs of `head.weight`: there every element was counted"
    ]


# ---- weights that no factor reaches as it should ----


class Clamped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        self.inner.weight.data.clamp_(-0.1, 0.1)
        return self.inner(x)


@pytest.mark.parametrize(
    ("build", "batch"),
    [
        (
            lambda: nn.Sequential(nn.Embedding(10, 16, max_norm=1.0), nn.Linear(16, 4)),
            torch.arange(40).reshape(8, 5) % 10,
        ),
        (lambda: nn.Sequential(Clamped()), draw(64, 16)),
    ],
    ids=["max_norm", "clamp"],
)
def test_a_weight_that_the_forward_pass_writes_to_is_left_alone(build: Callable[[], nn.Module], batch: Tensor) -> None:
    model = build()
    before = next(model.parameters()).detach().clone()
    receipt = lsuv(model, batch, pre=None)
    assert receipt.rows[0].factor is None
    assert "the forward pass itself writes to it" in receipt.rows[0].note
    assert torch.equal(before, next(model.parameters()))
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows[1:])


class Causal(nn.Conv2d):
    """A masked convolution as PixelCNN writes it: the mask goes into the weight at each pass."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.register_buffer("mask", torch.ones_like(self.weight))
        self.mask[:, :, 1, 2:] = 0

    def forward(self, x: Tensor) -> Tensor:
        self.weight.data.mul_(self.mask)
        return super().forward(x)


def test_a_mask_that_the_forward_pass_writes_into_a_weight_lasts_and_so_does_a_factor() -> None:
    model, x = nn.Sequential(Causal(3, 8, 3), nn.ReLU(), Causal(8, 4, 3)), draw(8, 3, 9, 9)
    receipt = lsuv(model, x)
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows)
    assert std(model(x)) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("out", [8, 16, 24])
def test_an_orthogonal_parametrisation_is_left_alone_whatever_its_shape(out: int) -> None:
    model = nn.Sequential(parametrizations.orthogonal(nn.Linear(16, out)), nn.Linear(out, 4))
    receipt = lsuv(model, draw(64, 16), pre=None)
    assert "orthogonal computes" in row(receipt, "0.parametrizations.weight.original").note
    assert row(receipt, "1.weight").after == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_parameters_in_the_same_memory_are_left_alone_and_named(turned: bool, pre: Any) -> None:  # noqa: FBT001 - a case
    model, shared = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)), draw(16, 16)
    model[0].weight = nn.Parameter(shared)
    model[2].weight = nn.Parameter(shared.t() if turned else shared)
    receipt = lsuv(model, draw(64, 16), pre=pre)
    assert "in the memory of `2.weight`" in row(receipt, "0.weight").note
    assert torch.equal(model[0].weight, draw(16, 16))


def test_channels_in_memory_that_is_shared_are_left_alone_too() -> None:
    model, shared = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16)), draw(16, 16)
    model[0].weight, model[2].weight = nn.Parameter(shared), nn.Parameter(shared)
    assert [each.factor for each in data_dependent(model, draw(64, 16)).rows] == [None, None]
    assert torch.equal(model[0].weight, draw(16, 16))


def test_parameters_cut_from_one_buffer_have_memory_of_their_own() -> None:
    model, buffer = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)), draw(16, 64)
    model[0].weight = nn.Parameter(buffer[:, 0:32:2])
    model[1].weight = nn.Parameter(buffer[:, 1:32:2])
    model[2].weight = nn.Parameter(buffer[:, 32:48])
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in lsuv(model, draw(64, 16), pre=None).rows)


# ---- layouts ----


class Sparse(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(x, self.weight) if x.layout == torch.sparse_csr else torch.sparse.mm(self.weight, x)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_dense_weight_behind_a_sparse_input_is_calibrated() -> None:
    adjacency = (draw(64, 64) > 1).float()
    model = Sparse(draw(64, 8))
    lsuv(model, adjacency.to_sparse_csr(), pre=None)
    assert std(adjacency @ model.weight) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_a_sparse_weight_is_left_alone_with_its_layout(pre: Any) -> None:
    receipt = lsuv(Sparse(draw(16, 64).relu().to_sparse()), draw(64, 8), pre=pre)
    assert "stored as torch.sparse_coo" in receipt.rows[0].note


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_nested_batch_is_refused_with_its_cure(layout: torch.layout) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a prototype, says torch
        batch = torch.nested.nested_tensor([draw(5, 16), draw(3, 16)], layout=layout)
    with pytest.raises(TraceError, match=r"`args\[0\]` of the batch is a nested tensor.*to_padded_tensor.*mask="):
        lsuv(nn.Linear(16, 4), batch)


def test_a_lazy_module_is_refused_with_its_cure() -> None:
    with pytest.raises(TraceError, match=r"`weight` is lazy.*Call the model once"):
        lsuv(nn.LazyLinear(4), draw(8, 16))


# ---- ways and precisions ----


class Fork(nn.Module):
    """Another layer for a large signal."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.large, self.small = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.large(y) if y.std() > 1.5 else self.small(y)


@pytest.mark.parametrize("pre", ["he", None])
def test_what_only_the_new_weights_lead_to_is_calibrated(pre: Any) -> None:
    model, x = Fork(), draw(64, 16)
    with torch.no_grad():
        model.first.weight.mul_(20)
    lsuv(model, x, pre=pre)
    assert std(model.first(x)) == pytest.approx(1, abs=SLACK)
    assert std(model(x)) == pytest.approx(1, abs=SLACK)


def test_a_recurrent_layer_in_bfloat16_is_run_until_its_precision_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    whole = torch.sigmoid
    monkeypatch.setattr(torch, "sigmoid", lambda x: (runs.append(1), whole(x))[1])
    lsuv(nn.GRU(16, 16).bfloat16(), draw(9, 8, 16).bfloat16(), pre=None)
    assert len(runs) <= 12 * 9  # runs of nine steps, each with one call


def test_a_batch_that_does_not_fit_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BatchError, match="cannot take this batch"):
        lsuv(nn.Linear(8, 4), draw(4, 9))
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


# ---- complex numbers ----


def complex_std(value: Tensor) -> float:
    value = value.detach().to(torch.complex128)
    return float((value - value.mean()).abs().square().mean().sqrt())


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_complex_weights_have_the_std_of_complex_numbers(pre: Any) -> None:
    layers = (nn.Conv1d(4, 8, 3, dtype=torch.complex64), nn.Tanh(), nn.ConvTranspose1d(8, 4, 3, dtype=torch.complex64))
    model, x = nn.Sequential(*layers), torch.complex(draw(16, 4, 12), draw(16, 4, 12, seed=2)) + (1 + 2j)
    receipt = lsuv(model, x, pre=pre)
    assert [complex_std(model[:1](x)), complex_std(model(x))] == pytest.approx([1, 1], abs=SLACK)
    assert [each.after for each in receipt.rows] == pytest.approx([1, 1], abs=SLACK)


class Spectral(nn.Module):
    """A layer of a Fourier neural operator: complex weights between a transform and its inverse."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8, 5, dtype=torch.complex64))

    def forward(self, x: Tensor) -> Tensor:
        modes = torch.einsum("bim,iom->bom", torch.fft.rfft(x)[..., :5], self.weight)
        return torch.fft.irfft(modes, n=x.shape[-1])


def test_the_modes_of_a_fourier_layer_are_calibrated() -> None:
    model, x = Spectral(), draw(32, 8, 16)
    lsuv(model, x, pre=None)
    assert complex_std(torch.einsum("bim,iom->bom", torch.fft.rfft(x)[..., :5], model.weight)) == pytest.approx(
        1, abs=SLACK
    )
