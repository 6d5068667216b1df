"""What of the input comes to the answer, and what of the gradient comes back."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium
from initium.records import Finding


def told(model: nn.Module, given: Tensor, target: Tensor, loss: object = F.mse_loss) -> list[Finding]:
    report = initium.diagnose(model, initium.Batch((given,), target=target), loss)  # type: ignore[arg-type]
    return [each for each in report.findings if each.severity != "info"]


def codes(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.severity, each.code) for each in found]


def sigmoids(depth: int, width: int = 200) -> nn.Sequential:
    parts = [part for _ in range(depth) for part in (nn.Linear(width, width), nn.Sigmoid())]
    return nn.Sequential(*parts, nn.Linear(width, 1))


def test_the_last_of_the_activations_counts_too() -> None:
    torch.manual_seed(0)
    given, target = torch.randn(128, 200), torch.randn(128, 1)
    found = told(sigmoids(4), given, target)
    assert codes(found) == [
        ("warning", "vanishing-signal")
    ]  # 0.144 for each of four, of which the chain itself passes three
    assert found[0].layers[-1] == "8.weight"
    assert found[0].measured < 1e-3
    assert told(sigmoids(3), given, target) == []


def test_a_small_head_alone_takes_nothing_away() -> None:
    torch.manual_seed(0)
    parts = [part for _ in range(4) for part in (nn.Linear(200, 200), nn.ReLU())]
    model, given = nn.Sequential(*parts, nn.Linear(200, 1)), torch.randn(128, 200)
    initium.initialize(model, given, "he_normal", seed=0)
    nn.init.normal_(model[8].weight, std=1e-5)
    assert told(model, given, torch.randn(128, 1)) == []


@pytest.mark.parametrize("size", [16, 64])
def test_a_pool_spreads_a_gradient_and_loses_none(size: int) -> None:
    """A head of std 0.01 behind a mean over ``size^2 / 16`` places, before an activation that makes the answer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
        nn.Softplus(),
    )
    given = torch.randn(16, 3, size, size)
    initium.initialize(model, given, "he_normal", seed=0)
    nn.init.normal_(model[6].weight, std=0.01)
    assert [each for each in told(model, given, torch.rand(16, 4)) if each.code == "vanishing-gradient"] == []


class Unrolled(nn.Module):
    """A recurrence that is written out."""

    def __init__(self, *, slope: float, every: bool = False) -> None:
        super().__init__()
        self.inward, self.recurrent, self.head = nn.Linear(8, 32), nn.Linear(32, 32, bias=False), nn.Linear(32, 1)
        self.every = every
        nn.init.orthogonal_(self.recurrent.weight, gain=slope)

    def forward(self, x: Tensor) -> Tensor:
        state, states = x.new_zeros(len(x), 32), list[Tensor]()
        for step in range(x.shape[1]):
            state = torch.tanh(self.inward(x[:, step]) + self.recurrent(state))
            states.append(state)
        return self.head(torch.stack(states, 1).mean(1) if self.every else state)


def test_a_recurrence_written_out_that_forgets_half_of_its_steps_is_found() -> None:
    torch.manual_seed(0)
    given, target = torch.randn(64, 30, 8), torch.randn(64, 1)
    assert ("warning", "vanishing-gradient") in codes(told(Unrolled(slope=0.2), given, target))
    assert told(Unrolled(slope=1.0), given, target) == []
    assert told(Unrolled(slope=0.2, every=True), given, target) == []  # each step is read for itself


def test_zeros_that_the_first_step_moves_are_no_fault() -> None:
    """Zero weights before random ones: their gradient differs from unit to unit."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.Sigmoid(), nn.Linear(64, 5))
    for parameter in model[0].parameters():
        nn.init.zeros_(parameter)
    given, labels = torch.randn(64, 20), torch.arange(64) % 5
    assert told(model, given, labels, F.cross_entropy) == []
    nn.init.constant_(model[2].weight, 0.1)
    assert codes(told(model, given, labels, F.cross_entropy))[0] == ("error", "symmetry")


def test_a_small_law_over_two_layers_is_seen_through_one() -> None:
    torch.manual_seed(0)
    model, given = (
        nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)),
        torch.rand(64, 1),
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=1e-3)
    assert codes(told(model, given, given))[0] == ("warning", "gain-mismatch")


def test_a_network_of_which_half_bends_nothing_is_told_so() -> None:
    torch.manual_seed(0)
    given, target = torch.randn(64, 20), torch.randn(64, 1)
    half = nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 1))
    assert codes(told(half, given, target)) == [("warning", "missing-activation")]
    third = nn.Sequential(
        nn.Linear(20, 20), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 1)
    )
    assert told(third, given, target) == []


def test_a_loss_that_refuses_what_is_not_finite_hides_nothing() -> None:
    class Exponential(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.exp()

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 8), *(part for _ in range(4) for part in (Exponential(), nn.Linear(8, 8))), nn.Sigmoid()
    )
    for weight in model.parameters():
        nn.init.normal_(weight, std=3.0)
    found = told(model, torch.randn(64, 4), torch.rand(64, 8).round(), nn.BCELoss())
    assert codes(found)[0] == ("error", "nonfinite")


def test_a_model_without_one_parameter_is_told_of_those_that_it_hides() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(20, 32), nn.Linear(32, 5)]

        def forward(self, x: Tensor) -> Tensor:
            return self.layers[1](self.layers[0](x).relu())

    model = Listed()
    assert codes(told(model, torch.randn(64, 20), torch.arange(64) % 5, F.cross_entropy)) == [
        ("warning", "unused-parameter")
    ]
    assert all(layer.weight.grad is None for layer in model.layers)


def test_a_layer_that_is_made_in_the_forward_pass_is_found() -> None:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(20, 32), nn.Linear(32, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(nn.Linear(32, 32)(self.first(x).relu()).relu())

    found = told(Made(), torch.randn(64, 20), torch.arange(64) % 5, F.cross_entropy)
    assert ("warning", "unused-parameter") in codes(found)
    assert "(32, 32)" in found[0].message


def test_a_factor_behind_a_norm_that_has_a_scale_is_no_norms_scale() -> None:
    class Branch(nn.Module):
        def __init__(self, *, affine: bool) -> None:
            super().__init__()
            self.layer, self.norm = nn.Linear(64, 64), nn.LayerNorm(64, elementwise_affine=affine)
            self.factor = nn.Parameter(torch.full((64,), 1e-5))

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * self.norm(self.layer(x).relu())

    torch.manual_seed(0)
    given = torch.randn(64, 64)
    for affine in (True, False):
        model = nn.Sequential(*(Branch(affine=affine) for _ in range(3)), nn.Linear(64, 5))
        found = initium.diagnose(model, given).at_least("warning")
        assert ("norm-scale" in {each.code for each in found}) is not affine
