"""Models whose way depends on their weights: the passes that trace are those that find and check."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from initium.calibrate import _call, _recorded, lsuv
from initium.calibrate._passes import Passes

SAMPLES = 64


class Routed(nn.Module):
    """Each sample to two of four experts, in a way that its weights choose."""

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.gate, self.head = nn.Linear(16, 16), nn.Linear(16, 4), nn.Linear(16, 8)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 16)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.begin(x))
        sure, chosen = self.gate(x).softmax(-1).topk(2)
        made = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == number)
            if len(rows):
                made = made.index_add(0, rows, expert(x[rows]) * sure[rows, place, None])
        return self.head(x + made)


class Rare(Routed):
    """One expert for the first samples alone, which hardly any share of them has."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return y + self.experts[0](torch.tanh(self.begin(x[1:2])))[:, :8] if bool(y.abs().max() > 0) else y


class Outlier(nn.Module):
    """A layer that runs where one sample is far from the others."""

    def __init__(self) -> None:
        super().__init__()
        self.begin, self.beyond, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.begin(x)
        if bool(x.abs().amax() > 4 * x.std()):
            x = torch.tanh(self.beyond(x))
        return self.head(x)


class Halting(nn.Module):
    """Steps of one weight, until another says that it is enough."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.enough, self.head = nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(5):
            x = torch.tanh(self.step(x))
            if bool(self.enough(x).sigmoid().mean() > 0.6):
                break
        return self.head(x)


class Picked(nn.Module):
    """A matrix of a stack for each sample, and a value of a weight's output asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.stack = nn.Linear(8, 4), nn.Parameter(torch.randn(4, 8, 8))
        self.bias = nn.Parameter(0.1 * torch.randn(6))
        self.head = nn.Parameter(torch.randn(6, 8))

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.gate(x).argmax(-1)
        rows = [x[chosen == number] @ self.stack[number] for number in range(4)]
        return F.linear(torch.cat([each for each in rows if each.numel()]), self.head, self.bias)


def outputs(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What every linear layer gives in a plain forward, all its calls together."""
    found: dict[str, list[Tensor]] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: found.setdefault(name, []).append(out.detach()))
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return {name: torch.cat([each.flatten() for each in several]) for name, several in found.items()}


def data(samples: int = SAMPLES, width: int = 16) -> Tensor:
    return torch.randn(samples, width, generator=torch.Generator().manual_seed(1))


class Real(FlopCounterMode):
    """Work on tensors that have memory."""

    def _count_flops(self, packet: object, out: object, args: object, kwargs: object) -> object:
        hollow = isinstance(out, Tensor) and type(out) is not Tensor
        return out if hollow else super()._count_flops(packet, out, args, kwargs)


def work(call: Callable[[], object]) -> int:
    with Real(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("pre", ["orthogonal", None])
@pytest.mark.parametrize("build", [Routed, Rare])
def test_every_expert_that_got_something_has_the_target_where_it_is_called(
    build: type[nn.Module], pre: Literal["orthogonal"] | None, *, train: bool
) -> None:
    torch.manual_seed(0)
    model, x = build().train(train), data()
    torch.manual_seed(2)
    receipt = lsuv(model, x, pre=pre)
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows if "not reached" not in row.note)
    torch.manual_seed(2)
    for name, output in outputs(model, x).items():
        if output.numel():
            assert abs(float(output.double().std(correction=0)) - 1) <= 1e-3, name


def test_the_way_that_weights_choose_costs_two_passes_and_a_few_samples() -> None:
    torch.manual_seed(0)
    model, x = Routed().eval(), data(1024)
    once = work(lambda: model(x))
    # A sixteenth of the samples is traced first, and twice where the start is drawn.
    assert work(lambda: lsuv(model, x, pre=None)) <= 2.2 * once
    assert work(lambda: lsuv(model, x)) <= 2.2 * once


def test_the_factors_are_those_of_a_walk_over_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = Routed().eval(), data()
    start = {name: each.detach().clone() for name, each in model.state_dict().items()}
    told = lsuv(model, x, pre=None)
    made = {name: each.detach().clone() for name, each in model.state_dict().items()}
    model.load_state_dict(start)
    monkeypatch.setattr(_call, "few_network", lambda *_: None)
    monkeypatch.setattr(_recorded.Recorded, "was", lambda *_: False)
    walked = lsuv(model, x, pre=None)
    assert [row.name for row in told.rows] == [row.name for row in walked.rows]
    for name, each in model.state_dict().items():
        torch.testing.assert_close(made[name], each, rtol=1e-5, atol=1e-6)


def test_a_way_that_few_samples_do_not_take_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = Outlier(), data()
    x[1] *= 100
    swept: list[int] = []
    sweep = Passes.sweep
    monkeypatch.setattr(Passes, "sweep", lambda self, *given: (swept.append(1), sweep(self, *given))[1])
    receipt = lsuv(model, x)
    assert swept
    assert {row.name for row in receipt.rows} == {"begin.weight", "beyond.weight", "head.weight"}
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows)
    for name, output in outputs(model, x).items():
        assert abs(float(output.double().std(correction=0)) - 1) <= 1e-3, name


def test_slices_of_a_stack_and_a_bias_beside_them_have_their_factors_while_it_is_traced() -> None:
    torch.manual_seed(0)
    model, x = Picked(), data(width=8)
    receipt = lsuv(model, x, pre=None)
    assert {row.name for row in receipt.rows} == {"gate.weight", "stack", "head"}
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows)
    with torch.no_grad():
        out = model(x)
    assert abs(float(out.double().std(correction=0)) - 1) <= 1e-3


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_what_is_used_again_on_such_a_way_is_corrected_there(pre: Literal["orthogonal"] | None) -> None:
    torch.manual_seed(0)
    model, x = Halting(), data(width=8)
    receipt = lsuv(model, x, pre=pre)
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows)
    found = outputs(model, x)
    for name in ("step", "head"):
        assert abs(float(found[name].double().std(correction=0)) - 1) <= 1e-3


def test_a_weight_that_only_says_when_to_stop_is_named_as_one() -> None:
    torch.manual_seed(0)
    receipt = lsuv(Halting(), data(width=8), pre=None)
    assert any("`enough.weight`" in note and "asked for" in note for note in receipt.notes)


def test_half_precision_is_left_to_the_walk() -> None:
    torch.manual_seed(0)
    model, x = Routed().eval().bfloat16(), data().bfloat16()
    receipt = lsuv(model, x, pre=None)
    assert all(abs(row.after - 1) <= 2e-2 for row in receipt.rows)  # a step of bfloat16 is 2^-8


def test_what_is_not_finite_on_the_way_leaves_every_bit_as_it_was() -> None:
    torch.manual_seed(0)
    model, x = Routed().eval(), data()
    with torch.no_grad():
        model.experts[1][0].bias[0] = torch.inf
    before = {name: each.detach().clone() for name, each in model.state_dict().items()}
    with pytest.raises(ValueError, match="finite"):
        lsuv(model, x, pre=None)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
