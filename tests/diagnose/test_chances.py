"""Losses written by hand that take the logarithm of chances: what they are given has to be chances."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import initium

LABELS = torch.arange(64) % 10
COINS = (torch.arange(64) % 2).float()[:, None]


def divided(output: Tensor, labels: Tensor) -> Tensor:
    """As Keras does: divided by its sum, cut off, logarithm."""
    shares = output / output.sum(-1, keepdim=True)
    return -shares.clamp(1e-7, 1 - 1e-7).log().gather(1, labels[:, None]).mean()


def undivided(output: Tensor, labels: Tensor) -> Tensor:
    return -(F.one_hot(labels, 10) * output.clamp(1e-7).log()).sum()


def coins(output: Tensor, target: Tensor) -> Tensor:
    chances = output.clamp(1e-7, 1 - 1e-7)
    return -(target * chances.log() + (1 - target) * (1 - chances).log()).mean()


def codes(loss: Callable[[Tensor, Tensor], Tensor], end: nn.Module, target: Tensor, units: int = 10) -> list[str]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, units), end)
    report = initium.diagnose(model, initium.Batch((torch.randn(64, 20),), target=target), loss)
    return [each.code for each in report.findings if each.severity != "info"]


@pytest.mark.parametrize("loss", [divided, undivided])
@pytest.mark.parametrize("end", [nn.Identity(), nn.ReLU()])
def test_scores_in_the_place_of_chances_are_found(loss: Callable[[Tensor, Tensor], Tensor], end: nn.Module) -> None:
    assert codes(loss, end, LABELS)[0] == "missing-softmax"


@pytest.mark.parametrize("loss", [divided, undivided])
def test_a_softmax_is_what_such_a_loss_wants(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert codes(loss, nn.Softmax(-1), LABELS) == []


def test_what_a_loss_divides_by_its_sum_itself_need_not_sum_to_one() -> None:
    assert codes(divided, nn.Softplus(), LABELS) == []
    assert codes(undivided, nn.Softplus(), LABELS)[0] == "missing-softmax"


def test_of_one_unit_it_wants_a_sigmoid_and_targets_from_0_to_1() -> None:
    assert codes(coins, nn.Sigmoid(), COINS, 1) == []
    assert codes(coins, nn.Identity(), COINS, 1)[0] == "missing-softmax"
    assert codes(coins, nn.ReLU(), COINS, 1)[0] == "missing-softmax"
    assert codes(coins, nn.Sigmoid(), 3 * COINS, 1)[0] == "target-range"


def test_a_loss_of_distances_takes_no_chances() -> None:
    def distance(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square().mean()

    assert codes(distance, nn.Identity(), COINS, 1) == []
    assert codes(distance, nn.ReLU(), COINS, 1) == []


def test_a_loss_of_overlap_takes_shares() -> None:
    def dice(output: Tensor, target: Tensor) -> Tensor:
        return 1 - (2 * (output * target).sum() + 1) / (output.sum() + target.sum() + 1)

    def inside(output: Tensor, target: Tensor) -> Tensor:
        return dice(output.sigmoid(), target)

    assert codes(dice, nn.Identity(), COINS, 1)[0] == "missing-softmax"
    assert codes(dice, nn.Sigmoid(), COINS, 1) == []
    assert codes(inside, nn.Identity(), COINS, 1) == []
