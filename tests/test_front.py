"""The verbs compose the rooms; the public names are there."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import initium


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))


def test_every_public_name_is_there() -> None:
    assert all(hasattr(initium, name) for name in initium.__all__)
    assert sorted(initium.__all__) == list(initium.__all__)


def test_initialize_is_plan_and_apply() -> None:
    one, other = net(), net()
    batch = torch.ones(2, 8)
    initium.initialize(one, batch, "he_normal", {"2.bias": 0.5}, seed=3)
    initium.plan(other, batch, "he_normal", {"2.bias": 0.5}).apply(other, seed=3)
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    assert float(one[2].bias.detach()[0]) == 0.5


def test_a_plan_without_a_batch_is_assumed() -> None:
    assert all(row.assumed for row in initium.plan(net()))
    assert not any(row.assumed for row in initium.plan(net(), torch.ones(2, 8)))


def test_diagnose_takes_every_form_of_batch() -> None:
    x, y = torch.randn(32, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4
    for batch in (x, (x,), {"input": x}, initium.Batch((x,))):
        assert initium.diagnose(net(), batch).signal.loss is None
    assert initium.diagnose(net(), initium.Batch((x,), target=y), F.cross_entropy).signal.classes == 4


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (torch.full((4, 8), torch.nan), initium.BatchError),
        (torch.ones(4, 7), initium.BatchError),
        ("text", initium.ArgumentTypeError),
    ],
)
def test_a_bad_batch_is_refused_and_nothing_is_changed(batch: object, error: type[Exception]) -> None:
    model = net()
    before = [value.clone() for value in model.state_dict().values()]
    for verb in (initium.diagnose, initium.initialize):
        with pytest.raises(error):
            verb(model, batch)
    assert all(map(torch.equal, model.state_dict().values(), before))
