"""What lsuv looks at: loaders, masks, half precision, modes; and how much work it is."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from initium import Batch
from initium.calibrate import lsuv
from initium.errors import ArgumentError, ArgumentTypeError, BatchError, TraceError

SLACK = 1e-3


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def std(value: Tensor) -> float:
    return float(value.detach().double().std(correction=0))


def drifting(count: int = 5, size: int = 12) -> list[Tensor]:
    """Batches of which no one is like the others."""
    torch.manual_seed(1)
    return [torch.randn(size, 16) * (1 + index) + index for index in range(count)]


# ---- loaders ----


@pytest.mark.parametrize(
    "wrap", [list, iter, lambda batches: (each for each in batches), lambda b: DataLoader(b, None)]
)
def test_figures_are_those_of_all_batches_together(wrap: Callable[[Any], Any]) -> None:
    model, batches = mlp(), drifting()
    receipt = lsuv(model, wrap(batches), pre=None)
    everything = torch.cat(batches)
    for stop in (1, 3, 5):
        assert std(model[:stop](everything)) == pytest.approx(1, abs=SLACK)
    assert "figures are pooled over 5 batches" in receipt.notes


def test_batches_beside_each_other_are_as_good_as_one_behind_the_other() -> None:
    one, other, batches = mlp(), mlp(), drifting()
    lsuv(one, batches)
    lsuv(other, torch.cat(batches))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_batches_of_other_shapes_count_too() -> None:
    model, batches = mlp(), [*drifting(3), torch.randn(5, 16) * 9]
    lsuv(model, batches, pre=None)
    assert std(model(torch.cat(batches))) == pytest.approx(1, abs=SLACK)


def test_no_more_batches_are_taken_than_are_wanted() -> None:
    def endless() -> Iterator[Tensor]:
        while True:
            yield torch.randn(8, 16)

    assert "figures are pooled over 3 batches" in lsuv(mlp(), endless(), batches=3).notes


def test_a_loader_that_draws_its_order_leaves_the_random_state_alone() -> None:
    model, loader = mlp(), DataLoader(torch.randn(40, 16), batch_size=8, shuffle=True)
    before = torch.get_rng_state()
    lsuv(model, loader)
    assert torch.equal(torch.get_rng_state(), before)


def test_batch_norm_normalises_every_batch_by_itself_and_keeps_its_averages() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    batches, averages = drifting(), model[1].running_mean.clone()
    lsuv(model, batches, pre=None)
    assert torch.equal(model[1].running_mean, averages)
    assert std(torch.cat([model(each) for each in batches])) == pytest.approx(1, abs=SLACK)


def test_the_targets_of_a_loader_are_no_inputs() -> None:
    x = torch.randn(40, 16)
    with_targets, alone = mlp(), mlp()
    alone.load_state_dict(with_targets.state_dict())
    lsuv(with_targets, DataLoader(TensorDataset(x, torch.arange(40)), batch_size=8), pre=None)
    lsuv(alone, DataLoader(TensorDataset(x), batch_size=8), pre=None)
    assert all(map(torch.equal, with_targets.parameters(), alone.parameters()))


def test_an_empty_loader_is_refused() -> None:
    with pytest.raises(BatchError, match="the loader is empty"):
        lsuv(mlp(), [])


def test_what_is_no_batch_and_no_loader_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="batches are one batch"):
        lsuv(mlp(), 3)


def test_no_batches_is_refused() -> None:
    with pytest.raises(ArgumentError, match="batches="):
        lsuv(mlp(), drifting(), batches=0)


def test_batches_that_lead_different_ways_are_refused() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 4), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) if len(x) > 10 else self.b(x)

    with pytest.raises(TraceError, match="lead different ways"):
        lsuv(Forked(), [torch.randn(12, 16), torch.randn(5, 16)])


def test_a_batch_of_one_sample_is_said() -> None:
    assert any("one sample" in note for note in lsuv(mlp(), torch.randn(1, 16)).notes)
    assert not any("one sample" in note for note in lsuv(mlp(), torch.randn(2, 16)).notes)


# ---- masks ----


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.mix, self.flat, self.head = (
            nn.Embedding(50, 16),
            nn.Linear(16, 24),
            nn.Linear(24, 8),
            nn.Linear(8, 3),
        )

    def states(self, ids: Tensor) -> list[Tensor]:
        looked = self.table(ids)
        mixed = self.mix(looked)
        flat = self.flat(mixed.relu().flatten(0, 1))
        return [looked, mixed, flat.unflatten(0, ids.shape)]

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:  # noqa: ARG002 - a model's form
        return self.head(self.states(ids)[-1].mean(1))


def padded() -> tuple[Tensor, Tensor]:
    torch.manual_seed(2)
    counts = torch.arange(9) < torch.tensor([[9], [4], [2], [7], [3], [1]])
    return torch.randint(1, 50, (6, 9)) * counts, counts


@pytest.mark.parametrize("by", ["tensor", "key", "function"])
def test_padding_does_not_count(by: str) -> None:
    (ids, counts), model = padded(), Encoder()
    with torch.no_grad():
        model.table.weight[0] = 40
    masks: dict[str, Any] = {
        "tensor": counts,
        "key": "attention_mask",
        "function": lambda batch: batch.kwargs["attention_mask"].bool(),
    }
    receipt = lsuv(model, {"ids": ids, "attention_mask": counts.long()}, pre=None, mask=masks[by])
    for state in model.states(ids):
        assert std(state[counts]) == pytest.approx(1, abs=SLACK)
    assert std(model(ids)) == pytest.approx(1, abs=SLACK)  # of each sequence there is one
    assert any("the mask (6, 9) fits no axes" in note for note in receipt.notes)


def test_a_mask_for_each_batch_of_a_loader_comes_with_the_batch() -> None:
    model, batches = Encoder(), [padded() for _ in range(3)]
    lsuv(model, [{"ids": ids, "attention_mask": counts} for ids, counts in batches], pre=None, mask="attention_mask")
    states = [model.states(ids)[1][counts] for ids, counts in batches]
    assert std(torch.cat(states)) == pytest.approx(1, abs=SLACK)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("padding", r"no keyword of the batch; it has: 'ids', 'attention_mask'"),
        (torch.zeros(6, 9, dtype=torch.bool), "leaves no position"),
        (torch.ones(6, 9), "mask is a tensor of truth values"),
    ],
)
def test_a_mask_that_cannot_be_one_is_refused(mask: Any, message: str) -> None:
    ids, counts = padded()
    with pytest.raises((ValueError, TypeError), match=message):
        lsuv(Encoder(), Batch((), {"ids": ids, "attention_mask": counts}), mask=mask)


# ---- half precision, modes, checkpoints ----


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_half_precision_is_calibrated_though_it_overflows_or_vanishes_first(dtype: torch.dtype, size: float) -> None:
    model, x = mlp().to(dtype), torch.randn(256, 16).to(dtype)
    with torch.no_grad():
        model[2].weight.mul_(size)
        model[4].weight.mul_(size)
    receipt = lsuv(model, x, pre=None)
    # A weight below the least normal number of float16, 2^-14, has lost some of its bits before anybody looked.
    for each in receipt.rows:
        assert each.after == pytest.approx(1, abs=0.02)
    assert torch.isfinite(model(x)).all()


def test_a_gradient_checkpoint_is_no_hindrance() -> None:
    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.inner, x, use_reentrant=False)

    receipt = lsuv(Kept(), torch.randn(64, 16))
    assert [each.after for each in receipt.rows] == pytest.approx([1, 1, 1], abs=SLACK)


@pytest.mark.parametrize("training", [True, False])
def test_dropout_and_batch_norm_count_as_the_mode_has_them(training: bool) -> None:  # noqa: FBT001 - a case
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, 8)).train(training)
    x = torch.randn(512, 16) * 3
    torch.manual_seed(4)
    lsuv(model, x, pre=None)
    torch.manual_seed(4)
    with torch.no_grad():
        assert std(model(x)) == pytest.approx(1, abs=SLACK)


def test_a_dead_layer_among_living_ones_is_named_and_the_others_are_calibrated() -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a, self.dead, self.after = nn.Linear(16, 32), nn.Linear(16, 32), nn.Linear(32, 8)
            self.out = nn.Linear(32, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.a(x).relu()) + self.after(self.dead(x).sub(1e3).relu())

    rows = {each.name: each for each in lsuv(Branched(), torch.randn(64, 16)).rows}
    assert rows["after.weight"].factor == 1
    assert "not divided by" in rows["after.weight"].note
    assert [rows[name].after for name in ("a.weight", "dead.weight", "out.weight")] == pytest.approx([1] * 3, abs=SLACK)


# ---- the work ----


class Work(FlopCounterMode):
    """Counts the work on real numbers: tensors without memory cost none."""

    def _count_flops(self, packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        every = tree_leaves((out, args, kwargs))
        hollow = any(isinstance(each, FakeTensor) or (isinstance(each, Tensor) and each.is_meta) for each in every)
        return out if hollow else super()._count_flops(packet, out, args, kwargs)


def work(call: Callable[[], object]) -> int:
    with Work(display=False) as counter:
        call()
    return counter.get_total_flops()


def convolutions() -> tuple[nn.Module, Tensor]:
    layers = (
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 8, 2, 2),
        nn.Conv2d(8, 4, 3, groups=2),
    )
    return nn.Sequential(*layers), torch.randn(4, 3, 16, 16)


def transformer() -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False), torch.randn(4, 10, 32)


class Asking(nn.Module):
    """Asks for values, of its input alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()

    def forward(self, x: Tensor) -> Tensor:
        keep = x.abs().amax(-1) > 0
        return self.inner(x[keep] if not bool(keep.all()) else x)


class Written(nn.Module):
    """Writes what its weights give into a tensor of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 8), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        made = torch.zeros(len(x), 16)
        made[:, :8], made[:, 8:] = self.a(x), self.b(x)
        return F.relu(made)


@pytest.mark.parametrize(
    "build",
    [
        lambda: (mlp(), torch.randn(64, 16)),
        convolutions,
        transformer,
        lambda: (Asking(), torch.randn(64, 16)),
        lambda: (Written(), torch.randn(64, 16)),
    ],
    ids=["mlp", "convolutions", "transformer", "asking", "written"],
)
def test_the_work_is_two_forward_passes_with_tracing_and_check(build: Callable[[], tuple[nn.Module, Tensor]]) -> None:
    torch.manual_seed(0)
    model, x = build()
    with torch.no_grad():
        once = work(lambda: model(x))
    assert once > 0
    assert work(lambda: lsuv(model, x, pre=None)) <= 2.2 * once
