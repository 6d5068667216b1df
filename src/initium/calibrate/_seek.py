"""Broyden's method on logarithms: how figures follow the factors that they may be made of many times over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

Key = TypeVar("Key")
# Off by more, a figure is taken to be a factor to the power of its uses; a step; what is worse than the best so far.
_FAR, _LARGEST_STEP, _WORSE = 2.5, 4.0, 2.0
# Where factors do less apart, against what they do together, each figure is taken to be its own factor's alone.
_ALIKE = 1e-2


def by_uses(uses: Callable[[Key], int]) -> Callable[[Key, float], dict[Key, float]]:
    """Slopes of 1 by its own factor; where a figure is far off, as if that entered it by so many uses."""
    return lambda key, off: {key: 1.0 if off < _FAR else float(uses(key))}


class Seeking(Generic[Key]):
    """The factors at which all figures are at their targets.

    Each figure grows with its own factor, with any power, and changes with the others'. What the tries so far told of that
    is kept in an inverse Jacobian, which begins with slopes that are given.

    Args:
        slopes: How fast a figure follows the factors to begin with, where it is off by so much: all in logarithms.
    """

    def __init__(self, slopes: Callable[[Key, float], Mapping[Key, float]]) -> None:
        self._slopes, self._keys = slopes, list[Key]()
        self._inverse = torch.zeros(0, 0, dtype=torch.float64, device="cpu")
        self._heard: list[tuple[Tensor, Tensor]] = []
        self._best: tuple[Tensor, Tensor] | None = None

    def next(self, places: Mapping[Key, float], off: Mapping[Key, float]) -> dict[Key, float]:
        """The logarithms of the factors to try, after those of ``places`` gave figures that are ``off`` by so much.

        Both in logarithms, of the same factors at each call; a factor that is not among them any more starts anew.
        """
        place, missed = self.hear(places, off)
        step = (-self._inverse @ missed).clamp(-_LARGEST_STEP, _LARGEST_STEP)
        if self._best is not None and float(missed.norm()) > _WORSE * float(self._best[1].norm()):
            step = (self._best[0] - place) / 2  # too far: half of the way back
        else:
            self._best = place, missed
        return dict(zip(self._keys, (place + step).tolist(), strict=True))

    def hear(self, places: Mapping[Key, float], off: Mapping[Key, float]) -> tuple[Tensor, Tensor]:
        """Learns what the figures are at some factors, and gives both as vectors."""
        if list(off) != self._keys:
            self._begin(off)
        place, missed = (
            torch.tensor([each[key] for key in self._keys], dtype=torch.float64, device="cpu") for each in (places, off)
        )
        self._learn(place, missed)
        self._heard.append((place, missed))
        return place, missed

    def step(self, off: Mapping[Key, float]) -> dict[Key, float]:
        """By how much the logarithms of some factors are to move so that these figures are right, the other factors as they are."""
        if not off.keys() <= set(self._keys):
            return {key: -value for key, value in off.items()}
        mine = [self._keys.index(key) for key in off]
        slopes = torch.linalg.pinv(self._inverse)[mine][:, mine]
        missed = torch.tensor(list(off.values()), dtype=torch.float64, device="cpu")
        if list(off) == self._keys:
            return dict(zip(off, (-self._inverse @ missed).clamp(-_LARGEST_STEP, _LARGEST_STEP).tolist(), strict=True))
        step = (-torch.linalg.pinv(slopes) @ missed).clamp(-_LARGEST_STEP, _LARGEST_STEP)
        return dict(zip(off, step.tolist(), strict=True))

    def change(self, step: Mapping[Key, float]) -> dict[Key, float]:
        """By how much the logarithms of the figures move when those of the factors take a step."""
        taken = torch.tensor([step[key] for key in self._keys], dtype=torch.float64, device="cpu")
        return dict(zip(self._keys, (torch.linalg.pinv(self._inverse) @ taken).tolist(), strict=True))

    def slopes(self) -> dict[Key, dict[Key, float]]:
        """How fast each figure follows each factor, as far as is known."""
        rows = torch.linalg.pinv(self._inverse).tolist()
        return {key: dict(zip(self._keys, row, strict=True)) for key, row in zip(self._keys, rows, strict=True)}

    def anew(self) -> None:
        """Forgets where it was, and not what it learnt: the figures that follow are of other data."""
        self._heard, self._best = [], None

    def _begin(self, off: Mapping[Key, float]) -> None:
        self._keys, self._heard, self._best = list(off), [], None
        slopes = [self._slopes(key, off[key]) for key in self._keys]
        jacobian = torch.tensor(
            [[each.get(key, 0.0) for key in self._keys] for each in slopes], dtype=torch.float64, device="cpu"
        )
        sizes = torch.linalg.svdvals(jacobian)
        if len(sizes) and not float(sizes[-1]) > _ALIKE * float(sizes[0]):
            jacobian = jacobian.sum(1).diag()
        self._inverse = torch.linalg.pinv(jacobian)

    def _learn(self, place: Tensor, missed: Tensor) -> None:
        """The rank-one change after which the inverse explains what the last step did."""
        if not self._heard:
            return
        step, change = place - self._heard[-1][0], missed - self._heard[-1][1]
        told = self._inverse @ change
        size = float(step @ told)
        if math.isfinite(size) and abs(size) > torch.finfo(torch.float64).eps * float(step @ step):
            self._inverse = self._inverse + torch.outer(step - told, step @ self._inverse) / size
