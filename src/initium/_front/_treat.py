"""A remedy, done: each through a plan or a calibration, both of which write all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import torch

from initium._front._planned import planned
from initium.calibrate import lsuv
from initium.network import Batch, read
from initium.planning import plan
from initium.records import Calibrate, Code, Keep, Refill, Reinitialize, SetPrior
from initium.schemes import Choice, Scheme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from initium.planning import Plan
    from initium.records import Receipt, Remedy

_KEPT = Scheme("keep", lambda _: Choice(Keep(), "keep", "no part of the cure"), "initium")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a remedy is given.

    Attributes:
        model: The model.
        batch: What it is called with, and its target.
        seed: Of every draw.
    """

    model: nn.Module
    batch: Batch
    seed: int


def can(remedy: Remedy | None, target: Target) -> bool:
    """True where a call does it: no change of the program, and a prior only of classes that were given."""
    match remedy:
        case None | Code():
            return False
        case SetPrior(_, classes):
            return _prior(target.batch, classes) is not None
        case Reinitialize() | Calibrate() | Refill():
            return True
        case _:
            assert_never(remedy)


def treat(remedy: Remedy, target: Target) -> Receipt:
    """Gives a remedy that :func:`can` be given.

    Args:
        remedy: What is done.
        target: To whom.

    Returns:
        What was written.

    Raises:
        InitiumError: The model refuses it; nothing was written then.
    """
    if isinstance(remedy, Calibrate):
        return lsuv(target.model, target.batch, seed=target.seed)
    return _plan(remedy, target).apply(target.model, target.seed)


def _plan(remedy: Remedy, target: Target) -> Plan:
    network = read(target.model, target.batch)
    match remedy:
        case Reinitialize(scheme):
            return planned(target.model, target.batch, network, scheme, seed=target.seed)
        case Refill(name, value):
            return plan(network, _KEPT, {name: value})
        case SetPrior(bias, classes):
            counts = _prior(target.batch, classes)
            return plan(network, _KEPT, prior={bias: counts} if counts is not None else None)
        case Code() | Calibrate():
            raise AssertionError(remedy)  # asked by `can`, and done by `treat`
        case _:
            assert_never(remedy)


def _prior(batch: Batch, classes: int) -> float | list[float] | None:
    """How often each class comes in the batch's target; a class that it misses is given one sample."""
    target = next(filter(None, map(_integers, _targets(batch))), None)
    if target is None:
        return None
    if classes == 1:
        return sum(target) / len(target) if 0 < sum(target) < len(target) else None
    counts = torch.tensor([each for each in target if 0 <= each < classes]).bincount(minlength=classes)
    return counts.clamp(min=1).double().tolist()


def _targets(batch: Batch) -> Iterator[object]:
    yield batch.target
    yield batch.kwargs.get("labels")


def _integers(value: object) -> list[int] | None:
    if not isinstance(value, torch.Tensor) or value.numel() == 0:
        return None
    flat = value.detach().flatten()
    return [int(each) for each in flat.tolist()] if bool((flat == flat.round()).all()) else None
