"""Residual streams: what unit branches do to them, and what balanced ones do."""

import math

import pytest
import torch
from torch import Tensor, nn

from initium.calibrate import lsuv


class Block(nn.Module):
    def __init__(self, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.up, self.down, self.scale = nn.Linear(width, width), nn.Linear(width, width), scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.down(torch.relu(self.up(x)))


def stream(blocks: int, scale: float = 1.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 48), *(Block(48, scale) for _ in range(blocks)), nn.Linear(48, 4))


def grown(model: nn.Sequential, x: Tensor) -> float:
    """The stream's std at its end over that at its beginning, in a plain forward."""
    with torch.no_grad():
        return float(model[:-1](x).std() / model[:1](x).std())


X = torch.randn(128, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("blocks", [50, 200])
def test_balanced_branches_keep_a_stream_without_norms_at_its_scale(blocks: int) -> None:
    model = stream(blocks)
    receipt = lsuv(model, X, branches="balanced")
    # Independent branches end at sqrt(2); were all the same, the stream would end at 1 + sqrt(blocks), 8 and 15. What they
    # have in common, the mean of a ReLU, makes a little more than the first, whatever their number.
    assert math.sqrt(2) - 0.2 < grown(model, X) < 2.5
    lasts = [row for row in receipt.rows if row.name.endswith("down.weight")]
    assert [row.after for row in lasts] == pytest.approx([1 / math.sqrt(blocks)] * blocks, rel=1e-3)
    others = [row.after for row in receipt.rows if not row.name.endswith("down.weight")]
    assert others == pytest.approx([1] * len(others), abs=1e-3)


@pytest.mark.parametrize("blocks", [50, 200])
def test_unit_branches_make_it_grow_with_the_root_of_their_number_or_faster(blocks: int) -> None:
    model = stream(blocks)
    lsuv(model, X)
    assert grown(model, X) > 0.9 * math.sqrt(1 + blocks)


def test_a_constant_that_multiplies_the_branch_is_taken_out_of_its_target() -> None:
    model = stream(20, scale=0.25)
    receipt = lsuv(model, X, branches="balanced")
    lasts = [row.after for row in receipt.rows if row.name.endswith("down.weight")]
    assert lasts == pytest.approx([4 / math.sqrt(20)] * 20, rel=1e-3)


def test_the_receipt_tells_how_the_stream_grows() -> None:
    model = stream(30)
    notes = lsuv(model, X).notes
    (said,) = [note for note in notes if note.startswith("residual stream")]
    assert "30 branches" in said
    assert said.endswith(f"{grown(model, X):.3g}-fold")


def test_a_stream_that_is_normalised_after_each_branch_keeps_unit_branches() -> None:
    class Post(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))
            self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            for layer, norm in zip(self.layers, self.norms, strict=True):
                x = norm(x + layer(x).relu())
            return x

    receipt = lsuv(Post(), X, branches="balanced")
    assert [row.after for row in receipt.rows] == pytest.approx([1] * 4, abs=1e-3)
