"""The play of zero weights: besides the accuracy, how many different units training leaves a layer with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from initium.demo._pair import compared, opening
from initium.demo._words import heading, said

if TYPE_CHECKING:
    from torch import Tensor, nn

    from initium.demo._case import Scene


def play(scene: Scene) -> None:
    """Before, after, training, and the units of the first layer in both."""
    sick, cured = opening(scene)
    compared(scene, sick, cured)
    scene.stage.say(heading("The first hidden layer after training, on the test images"))
    for name, model in (("zeros", sick), ("textbook", cured)):
        values = _first_layer(model, scene.data.test_x)
        units, different = values.shape[1], _different(values)
        alike = ": all compute the same" if different == 1 else ""
        scene.stage.say(
            said(f"{name:<9} {units} units, {different} distinct, effective rank {_effective_rank(values):.1f}{alike}")
        )
    scene.stage.say(said("Effective rank: the exponential of the entropy of the singular values.", "dim"))


@torch.no_grad()
def _first_layer(model: nn.Module, x: Tensor) -> Tensor:
    return next(model.children())(x).double()


def _different(values: Tensor) -> int:
    """Units whose values over the samples are no other unit's, to six digits of the largest."""
    scale = values.abs().max().clamp(min=torch.finfo(values.dtype).tiny)
    return len(torch.unique((values / scale * 1e6).round(), dim=1).T)


def _effective_rank(values: Tensor) -> float:
    """The exponential of the entropy of the singular values (Roy & Vetterli 2007, eq. 4); 0 where all are 0."""
    singular = torch.linalg.svdvals(values)
    if float(singular.sum()) == 0:
        return 0.0
    return float(torch.special.entr(singular / singular.sum()).sum().exp())
