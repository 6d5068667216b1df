"""Plain training: SGD with momentum, the same batches in the same order for every network."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from initium.random import Stream, bits

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from initium.demo._data import Digits

_BATCH = 64
_MOMENTUM = 0.9


def schedule(steps: str, lr: float) -> str:
    """The training in a few words."""
    return f"{steps} of SGD, momentum {_MOMENTUM:g}, learning rate {lr:g}"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a network stands after some steps, on the test samples.

    Attributes:
        step: Steps so far.
        loss: Cross-entropy in nats.
        accuracy: Share of the samples answered rightly.
        diverged: After how many steps the training loss was not finite; no step was taken from there on.
    """

    step: int
    loss: float
    accuracy: float
    diverged: int | None = None


def train(
    model: nn.Module, data: Digits, lr: float, *, seed: int, looks: frozenset[int], tick: Callable[[], None]
) -> tuple[Point, ...]:
    """Trains up to the last look; the points at the looks. A loss that is not finite ends the steps, not the looks."""
    diverged: int | None = None
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=_MOMENTUM)
    draws = Stream(seed, "batches")
    points: list[Point] = []
    for step in range(max(looks) + 1):
        if step in looks:
            points.append(replace(test(model, data, step), diverged=diverged))
        tick()
        if diverged is not None:
            continue
        chosen = bits(draws, _BATCH, start=step * _BATCH) * len(data.x) >> 32
        loss = F.cross_entropy(model(data.x[chosen]), data.y[chosen])
        if not math.isfinite(float(loss.detach())):
            diverged = step
            continue
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tuple(points)


@torch.no_grad()
def test(model: nn.Module, data: Digits, step: int) -> Point:
    """Loss and accuracy on the test samples; at step 0 a copy judges by the batch, as BatchNorm knows no averages yet."""
    judge = copy.deepcopy(model) if step == 0 else model.eval()
    logits = judge(data.test_x)
    model.train()
    loss = float(F.cross_entropy(logits, data.test_y))
    return Point(step, loss, float((logits.argmax(1) == data.test_y).float().mean()))
