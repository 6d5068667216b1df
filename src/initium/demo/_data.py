"""scikit-learn's digits: 1,797 real images of 8 x 8, standardised by the training part."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from initium.errors import InitiumError
from initium.random import Stream, permutation

_TRAIN = 1437


class DemoError(InitiumError, ImportError):
    """What the demo needs is not installed."""


@dataclass(frozen=True, slots=True)
class Digits:
    """Images and labels.

    Attributes:
        x: Training images, (samples, 64), each pixel with mean 0 and std 1.
        y: Their classes.
        test_x: Test images.
        test_y: Their classes.
    """

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor

    @property
    def frequencies(self) -> Tensor:
        """The share of each class among the training samples."""
        return torch.bincount(self.y) / len(self.y)


def digits(seed: int) -> Digits:
    """The data, split by a seed.

    Raises:
        DemoError: scikit-learn is not installed.
    """
    try:
        # By name: the type checker has no stubs for it, and only the demo needs it.
        found: Any = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise DemoError(
            "the demo shows real digits and needs scikit-learn, which is not installed: pip install 'initium[demo]'."
        ) from error
    images = torch.as_tensor(found.data, dtype=torch.float32)
    labels = torch.as_tensor(found.target, dtype=torch.int64)
    order = permutation(len(images), Stream(seed, "digits"))
    return _standardised(images[order], labels[order])


def _standardised(images: Tensor, labels: Tensor) -> Digits:
    """Split, and scaled by the training part alone; a pixel that is always black stays 0."""
    train, test = images[:_TRAIN], images[_TRAIN:]
    mean, std = train.mean(0), train.std(0, correction=0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    return Digits((train - mean) / std, labels[:_TRAIN], (test - mean) / std, labels[_TRAIN:])


def one_against_the_rest(data: Digits, digit: int = 8) -> Digits:
    """Is it this digit? One image in ten says yes."""
    return replace(data, y=(data.y == digit).long(), test_y=(data.test_y == digit).long())
