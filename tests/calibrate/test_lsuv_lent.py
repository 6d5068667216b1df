"""Memory that a call writes to and others read."""

from typing import Literal

import pytest
import torch
from torch import nn

from initium.calibrate import lsuv
from initium.errors import BatchError


def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))


@pytest.mark.parametrize("pre", ["orthogonal", None])
def test_a_batch_that_is_a_view_of_a_weight_is_looked_at_as_it_was(*, pre: Literal["orthogonal"] | None) -> None:
    model = chain()
    batch = model[0].weight.detach()[:12]
    before = batch.clone()
    receipt = lsuv(model, batch, pre=pre, seed=0)
    with torch.no_grad():
        found = float(model[0](before).double().std(correction=0))
    assert abs(found - 1) <= 1e-3
    assert abs(receipt.rows[0].after - found) <= 1e-5
    assert any("`0.weight`" in note and "copy" in note for note in receipt.notes)


def test_a_call_that_fails_leaves_such_a_batch_and_its_weight_as_they_were() -> None:
    model = chain()
    with torch.no_grad():
        model[2].weight.fill_(3e38)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(BatchError):
        lsuv(model, model[0].weight.detach(), pre=None)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_that_processes_share_are_named_and_stay_shared() -> None:
    model = chain().share_memory()
    receipt = lsuv(model, torch.randn(32, 16), seed=0)
    assert all(abs(row.after - 1) <= 1e-3 for row in receipt.rows)
    assert all(parameter.is_shared() for parameter in model.parameters())
    assert any("processes share" in note for note in receipt.notes)
    assert not any("processes share" in note for note in lsuv(chain(), torch.randn(32, 16), seed=0).notes)
