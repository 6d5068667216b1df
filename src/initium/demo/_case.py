"""An illness as the demo shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn import functional as F

from initium._front import diagnose, initialize
from initium.demo._words import heading
from initium.network import Batch

if TYPE_CHECKING:
    from torch import nn

    from initium.demo._data import Digits
    from initium.demo._stage import Stage
    from initium.report import Report

_SAMPLES = 512


def as_they_are(data: Digits) -> Digits:
    """The digits with their ten labels."""
    return data


@dataclass(frozen=True, slots=True)
class Case:
    """One illness.

    Attributes:
        name: As ``--case`` asks for it.
        title: What is ill, in one line.
        net: Makes the network.
        sick: The scheme of the ill start.
        steps: Training steps, unless asked otherwise.
        lr: Learning rate of both networks.
        play: Shows it.
        data: What is made of the digits.
    """

    name: str
    title: str
    net: Callable[[], nn.Module]
    sick: str
    steps: int
    lr: float
    play: Play
    data: Callable[[Digits], Digits] = as_they_are


@dataclass(frozen=True, slots=True)
class Scene:
    """What a play needs.

    Attributes:
        case: The illness.
        data: The digits.
        steps: Training steps.
        seed: Of the weights and of the order of the batches.
        stage: Where it is shown.
    """

    case: Case
    data: Digits
    steps: int
    seed: int
    stage: Stage

    @property
    def batch(self) -> Batch:
        """What is diagnosed with: the first training samples."""
        return Batch((self.data.x[:_SAMPLES],), target=self.data.y[:_SAMPLES])

    def network(self, scheme: str, seed: int | None = None) -> nn.Module:
        """The network under a scheme; torch's own generator stays where it is."""
        with torch.random.fork_rng(devices=[]):
            model = self.case.net()
        initialize(model, self.batch, scheme, seed=self.seed if seed is None else seed)
        return model

    def diagnosis(self, model: nn.Module) -> Report:
        """The report on a network, with the loss that it is trained on."""
        return diagnose(model, self.batch, F.cross_entropy)

    def show(self, title: str, report: Report) -> None:
        """A report under a heading, drawn for the stage."""
        stage = self.stage
        stage.say((*heading(title), *report.lines(ascii_only=stage.ascii_only, width=stage.width)))


Play: TypeAlias = Callable[[Scene], None]
"""Shows a scene on its stage."""
