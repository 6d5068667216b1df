"""LSUV on everything that has a weight: each output, or part of one, is measured by a plain forward in float64."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from initium.calibrate import lsuv
from initium.records import Receipt, ReceiptRow
from initium.schemes import textbook

SLACK = 1e-3  # what the contract allows


def std(*values: Tensor) -> float:
    """Of all elements of all values."""
    return float(torch.cat([value.detach().double().flatten() for value in values]).std(correction=0))


def row(receipt: Receipt, name: str, part: str = "") -> ReceiptRow:
    return next(each for each in receipt.rows if (each.name, each.part) == (name, part))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# ---- weights that pack several ----


def test_queries_keys_and_values_of_packed_attention_have_unit_std_each() -> None:
    model, x = nn.MultiheadAttention(32, 4, batch_first=True), torch.randn(6, 9, 32) @ torch.randn(32, 32)
    receipt = lsuv(_SelfAttention(model), x, pre=None)
    packed = F.linear(x, model.in_proj_weight, model.in_proj_bias)
    assert [std(part) for part in packed.chunk(3, -1)] == pytest.approx([1, 1, 1], abs=SLACK)
    factors = {row(receipt, "inner.in_proj_weight", part).factor for part in "qkv"}
    assert len(factors) == 3  # each of its own


class _SelfAttention(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


class Grouped(nn.Module):
    """Fewer keys and values than queries, out of one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(32, 64), nn.Linear(32, 32)
        with torch.no_grad():
            self.qkv.weight[32:48].mul_(5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split([32, 16, 16], -1)
        q, k, v = (each.unflatten(-1, (-1, 8)).transpose(1, 2) for each in (q, k, v))
        made = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1))
        return self.out(made.transpose(1, 2).flatten(2))


def test_a_fused_projection_of_unequal_parts_has_unit_std_in_each() -> None:
    model, x = Grouped(), torch.randn(6, 9, 32)
    receipt = lsuv(model, x, pre=None)
    parts = model.qkv(x).split([32, 16, 16], -1)
    assert [std(part) for part in parts] == pytest.approx([1, 1, 1], abs=SLACK)
    q, k = row(receipt, "qkv.weight", "q"), row(receipt, "qkv.weight", "k")
    assert k.before == pytest.approx(5 * q.before, rel=0.3)
    assert row(receipt, "out.weight").after == pytest.approx(1, abs=SLACK)


class Experts(nn.Module):
    """A stack of experts that is used slice by slice; nothing is sent to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.head = nn.Parameter(torch.randn(4, 16, 24)), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([part @ self.stack[index] for index, part in enumerate(x.split(20))]).relu())


def test_slices_of_a_stack_have_factors_of_their_own_and_the_unused_one_that_of_its_siblings() -> None:
    model, x = Experts(), torch.randn(60, 16) * torch.tensor([1.0, 3.0, 9.0]).repeat_interleave(20)[:, None]
    receipt = lsuv(model, x, pre=None)
    for index, part in enumerate(x.split(20)):
        assert std(part @ model.stack[index]) == pytest.approx(1, abs=SLACK)
    rest = row(receipt, "stack", "rest")
    assert "siblings" in rest.note
    mine = [each.factor for each in receipt.rows if each.name == "stack" and each.part != "rest"]
    assert rest.factor == pytest.approx(float(torch.tensor(mine).log().mean().exp()), rel=1e-5)


class Halved(nn.Module):
    """Every vector of a stack in two halves, one for each end of an edge: neither is a run of whole matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.ends = nn.Linear(6, 8), nn.Parameter(torch.randn(4, 16, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x).expand(4, -1, -1)
        return x @ self.ends[:, :8] + 2 * (x @ self.ends[:, 8:])


def test_parts_of_every_matrix_of_a_stack_are_no_slices_of_it() -> None:
    torch.manual_seed(0)
    model, x = Halved(), torch.randn(64, 6)
    receipt = lsuv(model, x, seed=0)
    (one,) = [each for each in receipt.rows if each.name == "ends"]
    with torch.no_grad():
        h = model.enter(x)
        both = torch.cat([h @ model.ends[:, :8], h @ model.ends[:, 8:]])
    assert one.part == ""
    assert abs(one.after - 1) < 1e-3
    assert abs(float(both.std(correction=0)) - 1) < 1e-3


class Scored(nn.Module):
    """One vector scores both ends of an edge, a half each, as attention on graphs is written: its one unit is no row of it."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.ends = nn.Linear(6, 8, bias=False), nn.Parameter(torch.randn(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return ((x @ self.ends[:8]) + (x @ self.ends[8:]).T).softmax(-1) @ x


def test_the_halves_of_a_vector_of_inputs_are_not_its_rows() -> None:
    torch.manual_seed(0)
    model, x = Scored(), torch.randn(64, 6)
    receipt = lsuv(model, x, seed=0)
    (one,) = [each for each in receipt.rows if each.name == "ends"]
    with torch.no_grad():
        h = model.enter(x)
        both = torch.cat([h @ model.ends[:8], h @ model.ends[8:]])
    assert one.part == ""
    assert "another" not in one.note
    assert abs(float(both.std(correction=0)) - 1) < 1e-3


class Joined(nn.Module):
    """Two layers that run as one product, as projections are joined to save a call."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 8, bias=False), nn.Linear(6, 8, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, torch.cat([self.a.weight, self.b.weight]))


def test_weights_that_are_joined_to_one_are_named_as_such() -> None:
    receipt = lsuv(Joined(), torch.randn(64, 6), seed=0)
    assert any("`b.weight` (weight); reaches linear as one weight made of `a.weight`" in note for note in receipt.notes)


class Routed(nn.Module):
    """Every expert takes the rows that are sent to it; to the last, none ever is."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))

    def forward(self, x: Tensor, sent: Tensor) -> Tensor:
        made = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            rows = torch.where(sent == index)[0]
            if len(rows):
                made = made.index_add(0, rows, expert(x[rows]))
        return made


def test_an_expert_without_tokens_gets_the_factor_of_its_siblings_and_a_start_like_theirs() -> None:
    model, before = Routed(), Routed()
    x, sent = torch.randn(64, 16), torch.randint(0, 2, (64,))
    receipt = lsuv(model, (x, sent))
    factors = [row(receipt, f"experts.{index}.weight").factor for index in range(3)]
    assert factors[2] == pytest.approx((factors[0] * factors[1]) ** 0.5, rel=1e-6)
    assert "not reached by this batch" in row(receipt, "experts.2.weight").note
    weight = model.experts[2].weight.detach()
    assert torch.allclose(weight @ weight.T, factors[2] ** 2 * torch.eye(16), atol=1e-4)
    assert not torch.equal(weight, before.experts[2].weight)


# ---- tables and weights that are used again ----


class Tagger(nn.Module):
    def __init__(self, *, tied: bool) -> None:
        super().__init__()
        self.table, self.mix = nn.Embedding(50, 16, padding_idx=0), nn.Linear(16, 16)
        self.head = nn.Linear(16, 50, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.mix(self.table(ids)).tanh())


def test_an_embedding_is_calibrated_by_the_rows_that_are_seen_and_its_padding_stays_zero() -> None:
    model, ids = Tagger(tied=False), torch.randint(1, 20, (8, 7))
    with torch.no_grad():
        model.table.weight[30:].mul_(100)  # never looked up
    receipt = lsuv(model, ids, pre=None)
    assert std(model.table(ids)) == pytest.approx(1, abs=SLACK)
    assert not model.table.weight[0].any()
    assert row(receipt, "table.weight").factor is not None


def test_a_drawn_embedding_keeps_its_padding_row() -> None:
    model, ids = Tagger(tied=False), torch.randint(0, 20, (8, 7))
    lsuv(model, ids)
    assert not model.table.weight[0].any()
    assert std(model.table(ids)) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_a_table_that_is_tied_to_a_head_has_one_factor_for_both(pre: Any) -> None:
    model, ids = Tagger(tied=True), torch.randint(1, 50, (8, 7))
    receipt = lsuv(model, ids, pre=pre)
    looked, logits = model.table(ids), model(ids)
    assert std(looked, logits) == pytest.approx(1, abs=SLACK)
    assert std(model.mix(looked)) == pytest.approx(1, abs=SLACK)
    assert "used 2 times" in row(receipt, "table.weight").note


def test_a_table_read_at_fixed_places_is_calibrated_like_any_other() -> None:
    class Placed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places, self.mix = nn.Embedding(8, 16), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x + self.places(torch.arange(8, device=x.device)))

    model = Placed()
    lsuv(model, torch.randn(5, 8, 16), pre=None)
    assert std(model.places.weight) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("depth", [2, 5, 20])
def test_a_weight_that_follows_itself_has_the_one_factor_that_is_right_for_all_uses_together(depth: int) -> None:
    class Repeated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 16), nn.Linear(16, 4)

        def outputs(self, x: Tensor) -> list[Tensor]:
            found: list[Tensor] = []
            for _ in range(depth):
                found.append(self.a(x))
                x = found[-1].relu()
            return found

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.outputs(x)[-1])

    model, x = Repeated(), torch.randn(64, 16)
    receipt = lsuv(model, x, pre=None)
    assert std(*model.outputs(x)) == pytest.approx(1, abs=SLACK)
    assert std(model(x)) == pytest.approx(1, abs=SLACK)
    assert f"used {depth} times" in row(receipt, "a.weight").note


def test_towers_of_one_weight_are_calibrated_by_both_inputs() -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower, self.head = nn.Linear(16, 24), nn.Linear(48, 2)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.head(torch.cat((self.tower(x).relu(), self.tower(y).relu()), -1))

    model, x, y = Siamese(), torch.randn(40, 16), 7 * torch.randn(40, 16)
    lsuv(model, (x, y))
    assert std(model.tower(x), model.tower(y)) == pytest.approx(1, abs=SLACK)
    assert std(model(x, y)) == pytest.approx(1, abs=SLACK)


def test_a_bilinear_weight_is_calibrated() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Bilinear(8, 6, 10)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.inner(x, y)

    model, given = Pair(), (torch.randn(64, 8), torch.randn(64, 6))
    lsuv(model, given, pre=None)
    assert std(model(*given)) == pytest.approx(1, abs=SLACK)


# ---- recurrent layers ----


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.cells = kind(12, 10, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(x)[0]


def gates_of(cells: nn.RNNBase, x: Tensor) -> list[Tensor]:
    """The gates of a layer of one direction, step by step, from the textbook equations."""
    w, u, b, c = (
        getattr(cells, name).detach().double() for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    h = s = torch.zeros(x.shape[1], cells.hidden_size, dtype=torch.float64)
    steps: list[Tensor] = []
    for now in x.double():
        one, other = F.linear(now, w, b), F.linear(h, u, c)
        if isinstance(cells, nn.GRU):
            (r, z, n), (r_, z_, n_) = one.chunk(3, -1), other.chunk(3, -1)
            reset = torch.sigmoid(r + r_)
            steps.append(torch.cat((r + r_, z + z_, n + reset * n_), -1))
            update = torch.sigmoid(z + z_)
            h = update * h + (1 - update) * torch.tanh(n + reset * n_)
        elif isinstance(cells, nn.LSTM):
            steps.append(one + other)
            i, f, g, o = steps[-1].chunk(4, -1)
            s = torch.sigmoid(f) * s + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(s)
        else:
            steps.append(one + other)
            h = torch.tanh(steps[-1])
    return list(torch.stack(steps).chunk({nn.GRU: 3, nn.LSTM: 4, nn.RNN: 1}[type(cells)], -1))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_every_gate_has_unit_std_on_its_real_states(kind: type[nn.RNNBase], pre: Any) -> None:
    model, x = Recurrent(kind), 3 * torch.randn(11, 8, 12)
    receipt = lsuv(model, x, pre=pre)
    gates = gates_of(model.cells, x)
    assert [std(gate) for gate in gates] == pytest.approx([1] * len(gates), abs=SLACK)
    rows = [each for each in receipt.rows if each.name == "cells.weight_hh_l0"]
    assert [each.factor for each in rows] == [each.factor for each in receipt.rows if each.name == "cells.weight_ih_l0"]
    assert len(rows) == len(gates)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_layers_ways_and_dropout_of_a_recurrent_network_are_followed(kind: type[nn.RNNBase]) -> None:
    model, x = Recurrent(kind, num_layers=2, bidirectional=True, dropout=0.2, batch_first=True), torch.randn(8, 7, 12)
    torch.manual_seed(3)
    receipt = lsuv(model, x)
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows)
    assert {each.name for each in receipt.rows} == {name for name, _ in model.named_parameters() if "weight" in name}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_packed_sequence_is_calibrated_by_the_steps_that_it_has(kind: type[nn.RNNBase]) -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = kind(12, 10, bidirectional=True), nn.Linear(20, 3)

        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
            return self.head(self.cells(packed)[0].data)

    model, given = Packed(), (torch.randn(9, 5, 12), torch.tensor([9, 4, 7, 2, 9]))
    receipt = lsuv(model, given)
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows)
    other = (torch.cat((given[0][:2], 1e3 * torch.randn(7, 5, 12))), torch.tensor([2, 2, 2, 2, 2]))
    short = (other[0][:2], other[1])
    assert torch.allclose(model(*other), model(*short))  # what is beyond a length is read by nobody


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_a_cell_in_a_loop_has_one_factor_a_gate_for_all_steps_together(kind: Callable[..., nn.Module]) -> None:
    class Looped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = kind(12, 10), nn.Linear(10, 3)

        def forward(self, x: Tensor) -> Tensor:
            state: Any = None
            for now in x:
                state = self.cell(now, state)
            return self.head(state[0] if isinstance(state, tuple) else state)

    receipt = lsuv(Looped(), torch.randn(6, 16, 12))
    assert all(each.after == pytest.approx(1, abs=SLACK) for each in receipt.rows)


# ---- weights that are computed ----


def chain(second: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), second, nn.ReLU(), nn.Linear(8, 4))


def _masked(layer: nn.Module) -> nn.Module:
    return prune.random_unstructured(layer, name="weight", amount=0.3)


class Gained(nn.Linear):
    """Standardised, and scaled by a gain: the weight itself has no scale."""

    def __init__(self, *size: int) -> None:
        super().__init__(*size)
        self.gain = nn.Parameter(torch.full((size[1], 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight - self.weight.mean(1, keepdim=True)) / self.weight.std(1, keepdim=True)
        return F.linear(x, self.gain * weight, self.bias)


@pytest.mark.parametrize("pre", ["orthogonal", None])
@pytest.mark.parametrize(
    ("wrap", "carrier"),
    [
        (parametrizations.weight_norm, "2.parametrizations.weight.original0"),
        (_masked, "2.weight_orig"),
        (lambda _: Gained(16, 8), "2.gain"),
    ],
    ids=["weight_norm", "pruned", "gain"],
)
def test_a_computed_weight_is_calibrated_by_what_scales_it(
    wrap: Callable[[nn.Module], nn.Module], carrier: str, pre: Any
) -> None:
    model, x = chain(wrap(nn.Linear(16, 8))), torch.randn(64, 16)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    lsuv(model, x, pre=pre)
    for stop in (1, 3, 5):
        assert std(model[:stop](x)) == pytest.approx(1, abs=SLACK)
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert carrier in changed
    if pre is None:
        assert changed == {"0.weight", "4.weight", carrier}


def test_a_weight_under_spectral_norm_is_left_alone_with_its_cure_and_the_rest_is_calibrated() -> None:
    model, x = chain(parametrizations.spectral_norm(nn.Linear(16, 8))), torch.randn(64, 16)
    receipt = lsuv(model, x)
    left = row(receipt, "2.parametrizations.weight.original")
    assert left.factor is None
    assert 'remove_parametrizations(model.get_submodule("2"), "weight")' in left.note
    assert [row(receipt, name).after for name in ("0.weight", "4.weight")] == pytest.approx([1, 1], abs=SLACK)


def test_an_integer_weight_is_left_alone_and_the_rest_is_calibrated() -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randint(-9, 9, (8, 16), dtype=torch.int8), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x, self.weight.float() * 0.1)

    model = chain(Quantised())
    before = model[2].weight.clone()
    receipt = lsuv(model, torch.randn(64, 16))
    assert "torch.int8" in row(receipt, "2.weight").note
    assert torch.equal(model[2].weight, before)
    assert row(receipt, "4.weight").after == pytest.approx(1, abs=SLACK)


# ---- options ----


def test_a_weight_that_a_norm_follows_is_left_alone_on_demand() -> None:
    model = nn.Sequential(nn.Linear(16, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 4))
    kept = model[0].weight.detach().clone()
    receipt = lsuv(model, torch.randn(32, 16), scale_free="keep")
    assert row(receipt, "0.weight").factor is None
    assert torch.equal(model[0].weight, kept)
    assert row(receipt, "3.weight").after == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize(
    ("statistic", "figure"),
    [
        ("std", std),
        ("rms", lambda value: float(value.double().square().mean().sqrt())),
        ("channel", lambda value: float(value.double().var(0, correction=0).mean().sqrt())),
    ],
)
def test_each_statistic_is_what_its_name_says(statistic: Any, figure: Callable[[Tensor], float]) -> None:
    model, x = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)), torch.randn(64, 16) + 2
    lsuv(model, x, pre=None, statistic=statistic, target=1.5)
    for outputs in (model[:1](x), model(x)):
        assert figure(outputs.detach()) == pytest.approx(1.5, abs=1.5 * SLACK)


def test_a_plan_may_be_the_start() -> None:
    import initium  # noqa: PLC0415 - the front of the house, for its verb alone

    model, x = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8)), torch.randn(64, 16)
    twin = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    plan = initium.plan(model, x, textbook(), {"0.bias": 0.5})
    plan.apply(twin, seed=7)
    receipt = lsuv(model, x, pre=plan, seed=7)
    factor = row(receipt, "0.weight").factor
    assert factor is not None
    assert torch.equal(model[0].weight, twin[0].weight * factor)
    assert torch.equal(model[0].bias, twin[0].bias)
    assert std(model(x)) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize("option", ["statistic", "branches", "scale_free"])
def test_an_unknown_option_lists_the_known_ones(option: str) -> None:
    with pytest.raises(ValueError, match=rf"{option}='most' .*known: '"):
        partial(lsuv, **{option: "most"})(nn.Linear(16, 4), torch.randn(8, 16))


def test_a_receipt_prints_a_line_a_row_and_its_notes() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
    receipt = lsuv(model, torch.randn(64, 16), seed=3)
    lines = str(receipt).splitlines()
    assert lines[0] == "lsuv pre=orthogonal target=1, seed 3: 2 rows"
    assert [line.split()[0] for line in lines[2:4]] == ["0.weight", "2.weight"]
    assert lines[4].startswith("note: ")
